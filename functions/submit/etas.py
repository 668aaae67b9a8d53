"""When a job will be final. Enters: the job store, and what the autoscaler may start. Leaves: what a job's view adds.

Everybody's question is answered from the same few documents: the latest finished renders, read once a minute, and who
works and what waits, read each few seconds.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from shared.documents import Status
from shared.durations import History
from shared.estimates import Scene, estimate
from shared.job_store import StoreNotReadyError
from shared.kept import Kept
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.budget import Budget
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
        fleet: Fleet,
        budget: Budget,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._fleet = fleet
        self._budget = budget
        self._now = now
        self._history: Kept[History] = Kept(LATEST_KEPT_S, monotonic=monotonic)
        self._scene: Kept[Scene] = Kept(SCENE_KEPT_S, monotonic=monotonic)

    def of(self, job: Job) -> dict[str, Any]:
        """Its ``queue_position`` while it waits, its ``eta`` where one is known, ``paused_until`` where it has to wait.

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
        return Scene(
            now=self._now(),
            history=history,
            working=[each.value for each in leased if each.value.lease_left_s(each.read_at)],
            to_do={each: self._store.renders_to_do(each) for each in Priority},
            waiting=[each.value for each in self._store.longest_waiting(limit=MOST_WAITING)],
        )

    def _read_history(self) -> History:
        return History(each.value for each in self._store.latest_finished(limit=LATEST))
