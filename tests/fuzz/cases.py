"""How many cases are drawn: a small share with every other test, the rest by `make test-long`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable

#: Of all decoders together, and of the API.
DECODER_CASES = int(os.environ.get("DECODER_CASES", "3000"))
API_CASES = int(os.environ.get("API_CASES", "200"))
#: A few are the same in every run, so that a red test is red again; many are drawn anew in each.
IS_LONG = "DECODER_CASES" in os.environ or "API_CASES" in os.environ


def share(cases: int, *, of: int) -> int:
    """One of ``of`` equal shares of so many cases, all of them together no fewer."""
    return max(1, -(-cases // of))


def drawn(cases: int, *, of: int) -> Callable[[Any], Any]:
    """A test that has one of ``of`` equal shares of so many cases."""
    return settings(
        max_examples=share(cases, of=of),
        deadline=None,
        derandomize=not IS_LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
