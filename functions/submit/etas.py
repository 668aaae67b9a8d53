"""When a job will be final. Enters: job store, crew, and what the autoscaler may start. Leaves: what its view adds.

Everybody's question is answered from the same few documents: the latest finished renders, read once a minute, and who
is there, who works and what waits, read each few seconds.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from shared.crew import GONE_AFTER
from shared.documents import Status
from shared.durations import History
from shared.errors import Retryable
from shared.estimates import Scene, estimate
from shared.job_store import StoreNotReadyError
from shared.kept import Kept
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from shared.budget import Budget
    from shared.crew import Presence
    from shared.crew_store import CrewStore
    from shared.documents import Job, Render
    from shared.estimates import Eta, Fleet
    from shared.job_store import JobStore

log = logging.getLogger(__name__)

#: Finished renders that are looked at: each is a read. More would not make an interval better, and are older.
LATEST: Final = 200
LATEST_KEPT_S: Final = 60.0
#: As many as any deployment has workers.
MOST_WORKING: Final = 100
#: Of those that wait, when they were wished for and what they are; the others are like them.
MOST_WAITING: Final = 32
SCENE_KEPT_S: Final = 5.0


class Outlook:
    """What lies before a job that is not final. Thread-safe, by `Kept`."""

    def __init__(
        self,
        store: JobStore,
        *,
        crew: CrewStore,
        fleet: Fleet,
        budget: Budget,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._crew = crew
        self._fleet = fleet
        self._budget = budget
        self._now = now
        self._history: Kept[History] = Kept(LATEST_KEPT_S, monotonic=monotonic)
        self._scene: Kept[Scene] = Kept(SCENE_KEPT_S, monotonic=monotonic)

    def of(self, job: Job) -> dict[str, Any]:
        """Its ``queue_position`` while it waits, its ``eta`` where one is known, ``paused_until`` where it has to wait.

        While workers are drained no ``eta`` is known of what waits; what is being made is finished.

        Raises:
            Retryable: the store does not answer.
        """
        if job.is_final or job.render_key is None:
            return {}
        found = self._store.render(job.render_key)
        render = found.value if found else None
        ahead = self._store.renders_ahead(render) if render and job.status is Status.QUEUED else 0
        view: dict[str, Any] = {"queue_position": ahead} if job.status is Status.QUEUED else {}
        if render is None or render.is_final:
            return view
        if job.status is Status.QUEUED and render.priority is Priority.BULK:
            paused_until = self._budget.bulk_paused_until()
            if paused_until:
                return view | {"paused_until": paused_until.isoformat()}
        eta = self._eta(render, ahead)
        return view | {"eta": asdict(eta)} if eta else view

    def _eta(self, render: Render, ahead: int) -> Eta | None:
        try:
            return estimate(render, ahead=ahead, scene=self._scene.answer("scene", self._look), fleet=self._fleet)
        except StoreNotReadyError:  # a job is worth showing without
            log.exception("no estimate", extra={"action": "estimate"})
            return None

    def _look(self) -> Scene:
        history = self._history.answer("history", self._read_history)
        leased = self._store.leased_renders(limit=MOST_WORKING)
        is_draining, present = self._read_crew()
        waiting = [each.value for each in self._store.longest_waiting(limit=MOST_WAITING)]
        to_do = {each: self._store.renders_to_do(each) for each in Priority}
        if not self._budget.takes_bulk():  # until midnight nobody comes for it
            waiting = [each for each in waiting if each.priority is not Priority.BULK]
            to_do[Priority.BULK] = 0
        return Scene(
            now=self._now(),
            history=history,
            working=[each.value for each in leased if each.value.lease_left_s(each.read_at)],
            to_do=to_do,
            waiting=waiting,
            present=present,
            is_draining=is_draining,
        )

    def _read_crew(self) -> tuple[bool, Sequence[Presence] | None]:
        """Whether workers are drained, and who is there; None where that can't be read: a guess is better than none."""
        orders = present = None
        try:
            orders = self._crew.orders()
            present = self._crew.present(since=self._now() - GONE_AFTER, limit=MOST_WORKING)
        except (Retryable, StoreNotReadyError):
            log.warning("crew not read", extra={"action": "estimate"}, exc_info=True)
        return orders is not None and orders.value.is_draining, present

    def _read_history(self) -> History:
        return History(each.value for each in self._store.latest_finished(limit=LATEST))
