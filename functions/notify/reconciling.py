"""Reconcile: the scheduled look at everything that should have gone on by itself. Every job reaches a final status.

It is asked often and does little: what is due says so by an indexed time, so a run reads only what may need repair.
"""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from repairing import GONE, TOO_LATE, Repairer

from shared.errors import LifeAsNotMeError
from shared.outbox import empty_outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.documents import Job
    from shared.job_store import Stored

log = logging.getLogger(__name__)

#: What one query reads; the next run goes on.
PAGE: Final = 200
#: A job that nothing has happened to for so long is looked at: longer than a render's own first check.
LEFT_WAITING: Final = timedelta(minutes=15)
#: An event that is pending for so long is sent by us.
OLD_EVENT: Final = timedelta(minutes=1)


def reconcile_all(*, repairer: Repairer, time_limit_s: float, monotonic: Callable[[], float]) -> Mapping[str, int]:
    """Repair what is due until nothing is, or until the time is up.

    One thing that can't be repaired does not keep the others from it: it is logged, counted as ``failed``, and comes
    again.

    Returns:
        How often each thing was done.
    """
    give_up_at = monotonic() + time_limit_s
    done: Counter[str] = Counter()
    store, now = repairer.store, repairer.now

    def each(found: Sequence[Callable[[], str | None]]) -> None:
        for repair in found:
            if monotonic() > give_up_at:
                done["out of time"] += 1
                return
            try:
                done[repair() or "nothing"] += 1
            except LifeAsNotMeError:
                log.exception("not repaired", extra={"action": "reconcile"})
                done["failed"] += 1

    late = store.jobs_past_deadline(now=now(), limit=PAGE)
    each([partial(_end_late, job, repairer) for job in late])
    renders = store.renders_to_check(now=now(), limit=PAGE)
    each([partial(repairer.repair, render.value.render_key) for render in renders])
    waiting = store.jobs_left_waiting(since=now() - LEFT_WAITING, limit=PAGE)
    one_of_each = {job.value.render_key: job for job in waiting}
    each([partial(_look_after, job, repairer) for job in one_of_each.values()])
    old = store.jobs_with_old_event(since=now() - OLD_EVENT, limit=PAGE)
    each([partial(_tell, job, repairer) for job in old])
    log.info("reconciled", extra={"action": "reconcile", **{name.replace(" ", "_"): n for name, n in done.items()}})
    return done


def _end_late(job: Stored[Job], repairer: Repairer) -> str | None:
    """The deadline has come: the video, if it is there after all, else the end."""
    render = repairer.look(job.value.render_key) if job.value.render_key else None
    if render is not None and render.value.is_final:
        repairer.settle(render)
    latest = repairer.store.job(job.value.job_id)
    if latest is None or latest.value.is_final:
        return "completed late"
    return "too late" if repairer.end(latest, TOO_LATE) else None


def _look_after(job: Stored[Job], repairer: Repairer) -> str | None:
    """A job that nothing happened to. Most of them wait in a queue, and that is all right."""
    key = job.value.render_key
    render = repairer.store.render(key) if key else None
    if render is None:
        return "waited for nothing" if repairer.end(job, GONE) else None
    if render.value.is_final or render.value.check_at is None:
        return repairer.repair(render.value.render_key)
    return None


def _tell(job: Stored[Job], repairer: Repairer) -> str:
    empty_outbox(job, store=repairer.store, publisher=repairer.publisher)
    return "told"
