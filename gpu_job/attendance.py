"""Attendance: a worker says that it is there, and hears whether it is wanted, between one render and the next.

What it renders is said by its lease. So nothing of this costs a render anything, and a worker that is killed in the
middle of one is missed by the end of its lease.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from shared.crew import KEPT, REPORT_S, Presence
from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.crew_store import CrewStore

log = logging.getLogger(__name__)

#: How often it asks whether it is wanted. A drain is heard so late, and after the render that it has.
LOOK_S: Final = 5.0


class Attendance:
    """Of one worker; used by the thread that consumes.

    Args:
        crew: where it says so.
        holder: name of the worker.
        models: what it renders with.
        now: wall clock.
        monotonic: the worker's own clock, in seconds.
    """

    def __init__(
        self,
        *,
        crew: CrewStore,
        holder: str,
        models: tuple[str, ...],
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._crew = crew
        self._holder = holder
        self._models = models
        self._now = now
        self._monotonic = monotonic
        self._since = now()
        self._is_wanted = True
        self._look_at = self._report_at = monotonic()

    def is_wanted(self) -> bool:
        """Whether to take the next message. Asks at most every `LOOK_S`; while nobody answers, it works."""
        if (at := self._monotonic()) < self._look_at:
            return self._is_wanted
        self._is_wanted = True
        self._look_at = at + LOOK_S
        try:
            if at >= self._report_at:
                self._report_at = at + REPORT_S
                self._crew.report(self._presence())
            orders = self._crew.orders()
        except Retryable:
            log.warning("attendance not taken", extra={"action": "attend"}, exc_info=True)
            return True
        if orders is None or not orders.value.is_draining:
            return True
        log.info("worker is drained", extra={"action": "drain", "reason": orders.value.reason})
        self._is_wanted = False
        return False

    def leave(self) -> None:
        """It is not there any more. Who can't say so is missed soon."""
        with suppress(Retryable):
            self._crew.leave(self._holder)

    def _presence(self) -> Presence:
        now = self._now()
        return Presence(holder=self._holder, models=self._models, since=self._since, seen_at=now, expires_at=now + KEPT)
