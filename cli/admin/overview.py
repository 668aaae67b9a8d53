"""The overview: what there is to do, who does it, what went wrong lately. Enters: the stores. Leaves: `Overview`."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from shared.crew import GONE_AFTER
from shared.documents import WAITING, Document, Job, Render, Stage, Status
from shared.errors import ErrorCode
from shared.jobs import BULK_DEADLINE
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.budget import Budget
    from shared.crew_store import CrewStore
    from shared.job_store import JobStore, Stored

#: What ended is counted for so long.
LATELY: Final = timedelta(hours=1)
#: Lines of a list, and where counting ends: an overview costs some hundred reads however much there is.
MOST_LINES: Final = 15
MOST_WORKERS: Final = 100
MOST_COUNTED: Final = 10_000


class Doing(StrEnum):
    """What a worker does."""

    WORKING = "working"
    WAITING = "waiting"
    LOST = "lost"
    """Its lease has ended and was not given back: it died, or its network did. Another one takes over."""


class WorkerLine(Document):
    """A worker."""

    holder: str
    doing: Doing
    since: datetime | None
    """When it came; null: it died before it was seen waiting."""
    render_key: str | None = None
    stage: Stage | None = None
    progress: int | None = None
    token: int | None = None
    """Fencing token of its lease."""
    lease_left_s: float | None = None
    attempts: int | None = None


class JobLine(Document):
    """A job."""

    job_id: str
    status: Status
    owner: str
    perspective: str | None
    priority: Priority | None
    stage: Stage | None
    progress: int
    age_s: float
    """Since it was accepted."""
    render_key: str | None
    code: ErrorCode | None
    """Why it failed."""


class Overview(Document):
    """A moment of the service."""

    where: str
    at: datetime
    draining: str | None
    """Why workers are drained; null: they are not."""
    to_do: dict[Priority, int]
    """Renders that wait or are being made."""
    waiting: dict[Status, int]
    """Jobs that are not final, of as long as bulk may wait: none is older."""
    ended: dict[Status, int]
    """Jobs that became final within the last hour."""
    spent_gpu_s: float
    """GPU seconds of all renders that were completed since midnight (UTC)."""
    budget_bulk_gpu_s: float | None
    """After so many bulk waits until midnight; null: there is no limit, or nobody has told it here."""
    budget_gpu_s: float | None
    """After so many interactive wishes are refused until midnight; null likewise."""
    bulk_paused_until: datetime | None
    """When bulk goes on; null: it does not wait, or nobody has told the limit here."""
    workers: tuple[WorkerLine, ...]
    jobs: tuple[JobLine, ...]
    """Those that failed last, those in progress, then those that nothing has happened to for longest."""


def look_around(*, where: str, store: JobStore, crew: CrewStore, budget: Budget, now: datetime) -> Overview:
    """See what there is.

    Args:
        where: which system that is, for people.
        store: of jobs and renders.
        crew: who is there, and its orders.
        budget: of a day; the same one in the next look, since it knows what hours that are over have cost.
        now: the moment.

    Raises:
        Retryable: a service does not answer.
        StoreNotReadyError: an index is missing.
    """
    orders = crew.orders()
    in_progress = store.latest_jobs(Status.IN_PROGRESS, limit=MOST_LINES)
    left = [
        each for each in store.jobs_left_waiting(since=now, limit=2 * MOST_LINES) if each.value.status is Status.QUEUED
    ]
    failed = store.latest_jobs(Status.FAILED, limit=MOST_LINES // 3)
    shown = [*failed, *in_progress, *left[:MOST_LINES]]
    return Overview(
        where=where,
        at=now,
        draining=(orders.value.reason if orders and orders.value.is_draining else None),
        to_do={each: store.renders_to_do(each, at_most=MOST_COUNTED) for each in Priority},
        waiting={each: _count(store, each, since=now - BULK_DEADLINE - LATELY) for each in Status if each in WAITING},
        ended={each: _count(store, each, since=now - LATELY) for each in Status if each not in WAITING},
        spent_gpu_s=budget.spent_gpu_s(),
        budget_bulk_gpu_s=budget.bulk_gpu_s,
        budget_gpu_s=budget.all_gpu_s,
        bulk_paused_until=budget.bulk_paused_until(),
        workers=tuple(workers(store=store, crew=crew, now=now)),
        jobs=tuple(_job_line(each.value, now=now) for each in shown),
    )


def _count(store: JobStore, status: Status, *, since: datetime) -> int:
    return store.count_jobs(status, since=since, at_most=MOST_COUNTED)


def workers(*, store: JobStore, crew: CrewStore, now: datetime) -> Sequence[WorkerLine]:
    """Who works by their leases; who else is there by what they say of themselves.

    Raises:
        Retryable: a service does not answer.
        StoreNotReadyError: an index is missing.
    """
    present = {each.holder: each for each in crew.present(since=now - GONE_AFTER, limit=MOST_WORKERS)}
    found: dict[str, WorkerLine] = {}
    for render in store.leased_renders(limit=MOST_WORKERS):
        holder = render.value.holder or ""
        line = _worker_line(holder, render, since=present[holder].since if holder in present else None)
        # A worker that lost a lease and went on has two: what it does now counts.
        if holder not in found or line.doing is Doing.WORKING:
            found[holder] = line
    for holder, presence in present.items():
        if holder not in found or found[holder].doing is Doing.LOST:
            found[holder] = WorkerLine(holder=holder, doing=Doing.WAITING, since=presence.since)
    return sorted(found.values(), key=lambda each: (each.doing, each.holder))


def _worker_line(holder: str, render: Stored[Render], *, since: datetime | None) -> WorkerLine:
    left_s = render.value.lease_left_s(render.read_at)
    return WorkerLine(
        holder=holder,
        doing=Doing.WORKING if left_s else Doing.LOST,
        since=since,
        render_key=render.value.render_key,
        stage=render.value.stage,
        progress=render.value.progress,
        token=render.value.token,
        lease_left_s=round(left_s, 1),
        attempts=render.value.attempts,
    )


def _job_line(job: Job, *, now: datetime) -> JobLine:
    return JobLine(
        job_id=job.job_id,
        status=job.status,
        owner=job.owner,
        perspective=job.request.perspective if job.request else None,
        priority=job.request.priority if job.request else None,
        stage=job.stage,
        progress=job.progress,
        age_s=round((now - job.created_at).total_seconds(), 1),
        render_key=job.render_key,
        code=job.error.code if job.error else None,
    )
