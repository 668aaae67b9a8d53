"""The budget of a day: what all have spent since midnight UTC, and what waits or is refused when it is too much.

Nobody counts: the database adds up what finished renders have cost, hour by hour. An hour that is over is asked for
once by each process, the present one every half minute; what is spent meanwhile, and what is being made, comes on top.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from shared.errors import ErrorCode, Rejected, Retryable
from shared.job_store import StoreNotReadyError
from shared.kept import Kept
from shared.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.job_store import JobStore

log = logging.getLogger(__name__)

#: How long the sum of the present hour is used again, in seconds.
KEPT_S: Final = 30.0
#: So long after its end nobody completes a render in an hour any more: clocks differ, and a commit takes its time.
OVER_AFTER: Final = timedelta(minutes=5)
_HOUR: Final = timedelta(hours=1)


class BudgetSettings(Settings):
    """What may be spent in a day, for the API and for the workers."""

    budget_bulk_gpu_s: Annotated[float, Field(gt=0)] | None = None
    """GPU seconds of everybody in a day (UTC) after which bulk waits until midnight; when empty, `BUDGET_GPU_S`."""
    budget_gpu_s: Annotated[float, Field(gt=0)] | None = None
    """GPU seconds of everybody in a day (UTC) after which interactive wishes are refused until midnight."""

    @model_validator(mode="after")
    def _bulk_waits_first(self) -> Self:
        if self.budget_gpu_s and (self.budget_bulk_gpu_s or 0) > self.budget_gpu_s:
            raise PydanticCustomError("bulk_last", "BUDGET_BULK_GPU_S must not be more than BUDGET_GPU_S")
        return self


class Spending:
    """GPU seconds of all renders that were completed today. Thread-safe."""

    def __init__(self, store: JobStore, *, now: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._kept: Kept[float] = Kept(KEPT_S, monotonic=monotonic)
        self._lock = threading.Lock()
        self._over: dict[datetime, float] = {}

    def gpu_s(self) -> float:
        """Their sum.

        Raises:
            Retryable, StoreNotReadyError: they can't be added up.
        """
        now = self._now()
        return self._kept.answer(midnight(now), lambda: self._added_up(now))

    def _added_up(self, now: datetime) -> float:
        hours = [midnight(now) + number * _HOUR for number in range(24)]
        with self._lock:
            over = {hour: gpu_s for hour, gpu_s in self._over.items() if hour >= hours[0]}
            for hour in hours:
                if hour not in over and hour + _HOUR + OVER_AFTER <= now:
                    over[hour] = self._store.cost_of_renders(since=hour, until=hour + _HOUR).gpu_s
            self._over = over
        since = max([hours[0], *(hour + _HOUR for hour in over)])
        return sum(over.values()) + self._store.cost_of_renders(since=since, until=next_midnight(now)).gpu_s


class Budget:
    """What waits, and what is refused. Without limits neither asks anything."""

    def __init__(self, settings: BudgetSettings, *, spending: Spending, now: Callable[[], datetime]) -> None:
        #: GPU seconds after which everything is refused, and after which bulk waits; None: no limit.
        self.all_gpu_s = settings.budget_gpu_s
        self.bulk_gpu_s = settings.budget_bulk_gpu_s or settings.budget_gpu_s
        self._spending = spending
        self._now = now

    def bulk_paused_until(self) -> datetime | None:
        """When bulk goes on, while it waits. It does, too, while an index is being made that the sum needs.

        Raises:
            Retryable: the store does not answer.
        """
        if self.bulk_gpu_s is None:
            return None
        try:
            is_paused = self._spending.gpu_s() >= self.bulk_gpu_s
        except StoreNotReadyError:
            log.exception("spending can't be added up, bulk waits", extra={"action": "budget"})
            is_paused = True
        return next_midnight(self._now()) if is_paused else None

    def takes_bulk(self) -> bool:
        """Whether bulk is worked on. Not while the store does not answer either: that is no reason to stop the rest."""
        try:
            return self.bulk_paused_until() is None
        except Retryable:
            log.warning("spending not known, bulk waits", extra={"action": "budget"}, exc_info=True)
            return False

    def is_spent(self) -> bool:
        """Whether nobody's new work is taken any more.

        Raises:
            Retryable, StoreNotReadyError: it can't be known.
        """
        return self.all_gpu_s is not None and self._spending.gpu_s() >= self.all_gpu_s

    def spent_gpu_s(self) -> float:
        """GPU seconds of all renders that were completed today, whether there is a limit or not.

        Raises:
            Retryable, StoreNotReadyError: they can't be added up.
        """
        return self._spending.gpu_s()

    def refusal(self) -> Rejected:
        """What a caller is told then."""
        now = self._now()
        return Rejected(
            "What may be spent on videos today is spent. Nothing was written; there is more at midnight UTC.",
            code=ErrorCode.BUDGET_SPENT,
            retry_after_s=1 + int((next_midnight(now) - now).total_seconds()),
        )


def midnight(now: datetime) -> datetime:
    """When the day began, in UTC."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def next_midnight(now: datetime) -> datetime:
    """When the next one begins."""
    return midnight(now) + timedelta(days=1)
