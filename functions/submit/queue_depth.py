"""How much there is to do, for the autoscaler. Enters: the job store. Leaves: renders to do by priority.

Counted by the database at the moment of asking, so a wish is seen as soon as it is answered; kept for a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.kept import Kept

from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.job_store import JobStore

KEPT_S: Final = 1.0


class Queue:
    """Thread-safe, by `Kept`."""

    def __init__(self, store: JobStore, *, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._kept: Kept[Mapping[str, int]] = Kept(KEPT_S, monotonic=monotonic)

    def depth(self, *, bulk_at_most: int | None = None) -> Mapping[str, int]:
        """Renders that wait or are being made, by priority.

        Args:
            bulk_at_most: where counting of bulk ends. Below the number of workers that there may be, it leaves room
                for interactive renders however long the queue of bulk is.

        Raises:
            Retryable, StoreNotReadyError: they can't be counted.
        """
        most = {Priority.BULK: bulk_at_most}
        return self._kept.answer(
            bulk_at_most,
            lambda: {each.value: self._store.renders_to_do(each, at_most=most.get(each)) for each in Priority},
        )
