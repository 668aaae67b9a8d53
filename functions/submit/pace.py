"""Pace: how often one network may open what anyone may open. Enters: a network. Leaves: nothing, or a refusal.

Counted in the memory of each instance: a count that all of them share would be a write for each reading, which costs
more than what it saves. So as many instances as there may be let so many times more through.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from shared.errors import ErrorCode, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_S: Final = 60.0


class Pace:
    """Thread-safe.

    Args:
        most: calls of one network in a minute.
        monotonic: a clock in seconds.
    """

    def __init__(self, most: int, *, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._begun_s = float("-inf")
        self._calls: dict[str, int] = {}

    def check(self, network: str) -> None:
        """Count a call, and refuse one too many. Raises `Rejected`, ``too_many_requests``."""
        with self._lock:
            now_s = self._monotonic()
            if now_s - self._begun_s >= WINDOW_S:
                self._begun_s, self._calls = now_s, {}
            self._calls[network] = self._calls.get(network, 0) + 1
            if self._calls[network] > self._most:
                raise Rejected(
                    "Too many links were opened from this network in this minute; try again in a moment.",
                    code=ErrorCode.TOO_MANY_REQUESTS,
                    retry_after_s=1 + int(self._begun_s + WINDOW_S - now_s),
                )
