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


def drawn(share: int, *, of: int) -> Callable[[Any], Any]:
    """So many cases of a test that has one of ``of`` equal shares of them."""
    return settings(
        max_examples=max(1, -(-share // of)),
        deadline=None,
        derandomize=not IS_LONG,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
