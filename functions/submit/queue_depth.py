"""How much there is to do, for the autoscaler. Enters: job store and orders. Leaves: renders to do by priority.

Counted by the database at the moment of asking, so a wish is seen as soon as it is answered; kept for a second. While
workers are drained there is nothing to do: a worker that was started would leave at once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from shared.errors import Retryable
from shared.kept import Kept
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.budget import Budget
    from shared.crew_store import CrewStore
    from shared.job_store import JobStore

log = logging.getLogger(__name__)

KEPT_S: Final = 1.0


class Queue:
    """Thread-safe, by `Kept`."""

    def __init__(self, store: JobStore, *, crew: CrewStore, budget: Budget, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._crew = crew
        self._budget = budget
        self._kept: Kept[Mapping[str, int]] = Kept(KEPT_S, monotonic=monotonic)

    def depth(self, *, bulk_at_most: int | None = None) -> Mapping[str, int]:
        """Renders that wait or are being made, by priority; none while workers are drained.

        Of bulk none while the budget has it wait.

        Args:
            bulk_at_most: where counting of bulk ends. Below the number of workers that there may be, it leaves room
                for interactive renders however long the queue of bulk is.

        Raises:
            Retryable, StoreNotReadyError: they can't be counted.
        """
        return self._kept.answer(bulk_at_most, lambda: self._counted(bulk_at_most))

    def _counted(self, bulk_at_most: int | None) -> Mapping[str, int]:
        if self._is_drained():
            return {each.value: 0 for each in Priority}
        interactive = self._store.renders_to_do(Priority.INTERACTIVE)
        takes_bulk = self._budget.takes_bulk()
        bulk = self._store.renders_to_do(Priority.BULK, at_most=bulk_at_most) if takes_bulk else 0
        return {Priority.INTERACTIVE.value: interactive, Priority.BULK.value: bulk}

    def _is_drained(self) -> bool:
        """By the orders; where these can't be read workers work (`gpu_job.attendance`), so they are started too."""
        try:
            orders = self._crew.orders()
        except Retryable:
            log.warning("orders not read", extra={"action": "count"}, exc_info=True)
            return False
        return orders is not None and orders.value.is_draining
