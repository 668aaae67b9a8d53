"""How much there is to do, for the autoscaler. Enters: the job store. Leaves: renders to do by priority.

Counted by the database at the moment of asking, so a wish is seen as soon as it is answered; kept for a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.kept import Kept
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.budget import Budget
    from shared.job_store import JobStore

KEPT_S: Final = 1.0


class Queue:
    """Thread-safe, by `Kept`."""

    def __init__(self, store: JobStore, *, budget: Budget, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._budget = budget
        self._kept: Kept[Mapping[str, int]] = Kept(KEPT_S, monotonic=monotonic)

    def depth(self, *, bulk_at_most: int | None = None) -> Mapping[str, int]:
        """Renders that wait or are being made, by priority. Of bulk none while the budget has it wait.

        Args:
            bulk_at_most: where counting of bulk ends. Below the number of workers that there may be, it leaves room
                for interactive renders however long the queue of bulk is.

        Raises:
            Retryable, StoreNotReadyError: they can't be counted.
        """
        return self._kept.answer(bulk_at_most, lambda: self._counted(bulk_at_most))

    def _counted(self, bulk_at_most: int | None) -> Mapping[str, int]:
        interactive = self._store.renders_to_do(Priority.INTERACTIVE)
        is_paused = self._budget.bulk_paused_until() is not None
        bulk = 0 if is_paused else self._store.renders_to_do(Priority.BULK, at_most=bulk_at_most)
        return {Priority.INTERACTIVE.value: interactive, Priority.BULK.value: bulk}
