"""The global limit: how much may wait before new work is refused, honestly, instead of being accepted for tomorrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.errors import ErrorCode, Rejected
from shared.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.job_store import JobStore
    from shared.requests import Priority

#: How long a count is used again, in seconds: so much may come on top of the limit.
KEPT_S: Final = 1.0
#: A full queue of short renders on a few GPUs moves by some within that time.
RETRY_AFTER_S: Final = 60


class Backlog:
    """Thread-safe, by `Kept`."""

    def __init__(self, store: JobStore, *, most: Mapping[Priority, int], monotonic: Callable[[], float]) -> None:
        self._store = store
        self._most = most
        self._kept: Kept[bool] = Kept(KEPT_S, monotonic=monotonic)

    def is_full(self, priority: Priority) -> bool:
        """Whether so many renders of that priority wait or are being made that no more are taken.

        Raises:
            Retryable, StoreNotReadyError: they can't be counted.
        """
        most = self._most[priority]
        return self._kept.answer(priority, lambda: self._store.renders_to_do(priority, at_most=most) >= most)


def overloaded() -> Rejected:
    """What a caller is told."""
    return Rejected(
        "Too many wishes wait already. Nothing was written; please try again later.",
        code=ErrorCode.OVERLOADED,
        retry_after_s=RETRY_AFTER_S,
    )
