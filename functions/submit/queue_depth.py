"""How much there is to do, for the autoscaler. Enters: job store and orders. Leaves: renders to do by priority.

Counted by the database at the moment of asking, so a wish is seen as soon as it is answered; kept for a second. While
workers are drained there is nothing to do: a worker that was started would leave at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kept import Kept

from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.crew_store import CrewStore
    from shared.job_store import JobStore

KEPT_S: Final = 1.0


class Queue:
    """Thread-safe, by `Kept`."""

    def __init__(self, store: JobStore, *, crew: CrewStore, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._crew = crew
        self._kept: Kept[Mapping[str, int]] = Kept(KEPT_S, monotonic=monotonic)

    def depth(self, *, bulk_at_most: int | None = None) -> Mapping[str, int]:
        """Renders that wait or are being made, by priority; none while workers are drained.

        Args:
            bulk_at_most: where counting of bulk ends. Below the number of workers that there may be, it leaves room
                for interactive renders however long the queue of bulk is.

        Raises:
            Retryable, StoreNotReadyError: they can't be counted.
        """
        return self._kept.answer(bulk_at_most, lambda: self._count({Priority.BULK: bulk_at_most}))

    def _count(self, most: Mapping[Priority, int | None]) -> Mapping[str, int]:
        orders = self._crew.orders()
        if orders and orders.value.is_draining:
            return {each.value: 0 for each in Priority}
        return {each.value: self._store.renders_to_do(each, at_most=most.get(each)) for each in Priority}
