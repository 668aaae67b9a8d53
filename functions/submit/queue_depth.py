"""How much there is to do, for the autoscaler. Enters: the job store. Leaves: renders to do by priority.

Counted by the database at the moment of asking, so a wish is seen as soon as it is answered; kept for a second, so that
many who ask cost no more than one.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.job_store import JobStore

KEPT_S: Final = 1.0


class Queue:
    """Thread-safe: who asks while somebody counts waits for that answer."""

    def __init__(self, store: JobStore, *, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: tuple[int | None, float, Mapping[str, int]] | None = None

    def depth(self, *, bulk_at_most: int | None = None) -> Mapping[str, int]:
        """Renders that wait or are being made, by priority.

        Args:
            bulk_at_most: where counting of bulk ends. Below the number of workers that there may be, it leaves room
                for interactive renders however long the queue of bulk is.

        Raises:
            Retryable, StoreNotReadyError: they can't be counted.
        """
        with self._lock:
            asked_at = self._monotonic()
            if self._kept and self._kept[0] == bulk_at_most and asked_at - self._kept[1] < KEPT_S:
                return self._kept[2]
            most = {Priority.BULK: bulk_at_most}
            found = {each.value: self._store.renders_to_do(each, at_most=most.get(each)) for each in Priority}
            self._kept = (bulk_at_most, asked_at, found)
            return found
