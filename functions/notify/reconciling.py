"""Reconcile: the scheduled look at everything that should have gone on by itself. Every job reaches a final status.

It is asked often and does little: what is due says so by an indexed time, so a run reads only what may need repair.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from repairing import GONE, TOO_LATE, Repairer

from shared.errors import Conflict
from shared.job_store import Replace
from shared.jobs import touch
from shared.outbox import OLD_EVENT, empty_outbox
from shared.requests import Priority
from shared.settling import BATCH_JOBS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from shared.documents import Job
    from shared.job_store import Stored

    _Repair = Callable[[], str | None]
    _Find = Callable[[Repairer, int, datetime], Mapping[str, _Repair]]

log = logging.getLogger(__name__)

#: What one query reads; the next run goes on.
PAGE: Final = 200
#: A job that nothing has happened to for so long is looked at: longer than a render's own first check. A hundred
#: thousand jobs of a batch wait rightly and are looked at as often, so it is no shorter than it must be.
LEFT_WAITING: Final = timedelta(hours=1)


def reconcile_all(
    *,
    repairer: Repairer,
    time_limit_s: float,
    monotonic: Callable[[], float],
    ahead: timedelta = timedelta(0),
) -> Mapping[str, int]:
    """Repair what is due until nothing is, or until the time is up: a page of each kind, then the next of each.

    One thing that can't be repaired does not keep the others from it: it is logged, counted as ``failed``, and comes
    again.

    Args:
        repairer: over the services.
        time_limit_s: no repair begins after so many seconds.
        monotonic: measures them.
        ahead: see to what will be due by then too. A deadline comes no earlier by it.

    Returns:
        How often each thing was done.
    """
    give_up_at = monotonic() + time_limit_s
    done: Counter[str] = Counter()
    seen: set[str] = set()
    kinds: list[_Find] = [
        _late,
        _untold,
        partial(_unchecked, Priority.INTERACTIVE),
        partial(_left_waiting, unchanged_since=repairer.now()),
        # Last, since thousands may be due that wait rightly: they must not take the time of those who are waited for.
        partial(_unchecked, Priority.BULK),
    ]
    while kinds:
        kinds = [
            find
            for find in kinds
            # What was seen and comes again must not hide what was not.
            if _one_page(
                partial(find, repairer, PAGE + len(seen), repairer.now() + ahead),
                seen,
                done,
                is_over=lambda: monotonic() > give_up_at,
            )
        ]
    log.info("reconciled", extra={"action": "reconcile", **{name.replace(" ", "_"): n for name, n in done.items()}})
    return done


def _one_page(
    find: Callable[[], Mapping[str, _Repair]], seen: set[str], done: Counter[str], *, is_over: Callable[[], bool]
) -> bool:
    """Repair what was not seen in this run. False: there is no more of it, or no use or no time to go on."""
    if is_over():
        done["out of time"] += 1
        return False
    try:
        found = find()
    except Exception:  # the other kinds may be found still
        log.exception("not found out", extra={"action": "reconcile"})
        done["failed"] += 1
        return False
    fresh = [(name, repair) for name, repair in found.items() if name not in seen][:PAGE]
    for name, repair in fresh:
        if is_over():
            done["out of time"] += 1
            return False
        seen.add(name)
        try:
            done[repair() or "nothing"] += 1
        except Exception:  # one thing must not keep the others from being repaired
            log.exception("not repaired", extra={"action": "reconcile"})
            done["failed"] += 1
    return bool(fresh)


def _late(repairer: Repairer, limit: int, _: datetime) -> Mapping[str, _Repair]:
    late = repairer.store.jobs_past_deadline(now=repairer.now(), limit=limit)
    return {f"late {job.value.job_id}": partial(_end_late, job, repairer) for job in late}


def _untold(repairer: Repairer, limit: int, by: datetime) -> Mapping[str, _Repair]:
    old = repairer.store.jobs_with_old_event(since=by - OLD_EVENT, limit=limit)
    return {f"untold {job.value.job_id}": partial(_tell, job, repairer) for job in old}


def _unchecked(priority: Priority, repairer: Repairer, limit: int, by: datetime) -> Mapping[str, _Repair]:
    renders = repairer.store.renders_to_check(priority, now=by, limit=limit)
    keys = [render.value.render_key for render in renders]
    return {f"unchecked {key}": partial(repairer.repair, key) for key in keys}


def _left_waiting(repairer: Repairer, limit: int, by: datetime, *, unchanged_since: datetime) -> Mapping[str, _Repair]:
    """Jobs that nothing happened to. Most of them wait in a queue, and that is all right.

    Those that were sent to the end of the line in this run are not found again, however far it looks ahead.
    """
    since = min(by - LEFT_WAITING, unchanged_since - timedelta.resolution)
    of_render: dict[str, list[Stored[Job]]] = defaultdict(list)
    for job in repairer.store.jobs_left_waiting(since=since, limit=limit):
        of_render[job.value.render_key or ""].append(job)
    renders = repairer.store.renders(of_render.keys() - {""})
    rightly: list[Stored[Job]] = []
    repairs: dict[str, _Repair] = {}
    for key, jobs in of_render.items():
        render = renders.get(key)
        if render is not None and not render.value.is_final and render.value.check_at is not None:
            rightly += jobs
        else:
            repairs[f"left {jobs[0].value.job_id}"] = partial(_look_after, jobs, repairer)
    for some in (rightly[start : start + BATCH_JOBS] for start in range(0, len(rightly), BATCH_JOBS)):
        repairs[f"waiting {some[0].value.job_id}"] = partial(_send_to_the_end, some, repairer)
    return repairs


def _end_late(job: Stored[Job], repairer: Repairer) -> str | None:
    """The deadline has come: the video, if it is there after all, else the end."""
    render = repairer.look(job.value.render_key) if job.value.render_key else None
    if render is not None and render.value.is_final:
        repairer.settle(render)
    latest = repairer.store.job(job.value.job_id)
    if latest is None or latest.value.is_final:
        return "completed late"
    return "too late" if repairer.end(latest, TOO_LATE) else None


def _look_after(jobs: Sequence[Stored[Job]], repairer: Repairer) -> str | None:
    """Jobs of one render that is gone, or that nobody looks at."""
    key = jobs[0].value.render_key
    render = repairer.store.render(key) if key else None
    if render is None:
        ended = [repairer.end(job, GONE) for job in jobs]
        return "waited for nothing" if any(ended) else None
    return repairer.repair(render.value.render_key)


def _send_to_the_end(jobs: Sequence[Stored[Job]], repairer: Repairer) -> None:
    """To the end of the line, or those that wait rightly would hide those that are stuck."""
    touches = [Replace(stored=job, value=touch(job.value, now=repairer.now())) for job in jobs]
    try:
        repairer.store.commit(*touches)
    except Conflict:  # something happened to one of them
        for each in touches:
            with suppress(Conflict):
                repairer.store.commit(each)


def _tell(job: Stored[Job], repairer: Repairer) -> str:
    empty_outbox(job, store=repairer.store, publisher=repairer.publisher)
    return "told"
