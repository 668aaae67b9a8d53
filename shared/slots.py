"""Slots: how many jobs of an owner are active at a time, without a counter, and what its jobs have cost today.

A slot is taken in the batch that creates its job. Whether it may be taken over is not written anywhere but asked: its
job is final, or gone. So no job's end has to give it back, nothing can be lost, and of those who take one at the same
moment one wins. What a job has cost is added up when its slot is taken over, and when it is deleted.

Pure functions: nothing here reads a clock or a store.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from shared.documents import Slot, State, Status

if TYPE_CHECKING:
    from datetime import datetime

    from shared.documents import Job, Render

#: Long after its day is over, and any job that had it.
SLOT_RETENTION: Final = timedelta(days=9)


def owner_key(owner: str) -> str:
    """Of the document above an owner's slots, 32 hex digits: an owner's name may hold what no document's name may."""
    return hashlib.sha256(f"owner\n{owner}".encode()).hexdigest()[:32]


def day_of(now: datetime) -> str:
    """The day in UTC."""
    return f"{now.astimezone(UTC):%Y-%m-%d}"


def is_free(slot: Slot, holder: Job | None) -> bool:
    """Whether it may be taken over; ``holder`` is the job that has it, as it is now."""
    return slot.job_id is None or holder is None or holder.is_final


def taken(
    before: Slot | None, *, owner: str, number: int, job_id: str, gpu_s: float, now: datetime, kept: timedelta
) -> Slot:
    """The slot with a new job; ``gpu_s`` is what the one before has cost today."""
    return Slot(
        owner=owner,
        number=number,
        job_id=job_id,
        day=day_of(now),
        gpu_s=spent_s(before, now=now) + gpu_s,
        updated_at=now,
        expires_at=now + kept,
    )


def given_back(slot: Slot, *, gpu_s: float, now: datetime) -> Slot:
    """The slot without its job, which is about to be deleted."""
    changes = {"job_id": None, "day": day_of(now), "gpu_s": spent_s(slot, now=now) + gpu_s, "updated_at": now}
    return slot.model_copy(update=changes)


def spent_s(slot: Slot | None, *, now: datetime) -> float:
    """GPU seconds of earlier jobs that ended today."""
    return slot.gpu_s if slot and slot.day == day_of(now) else 0.0


def gpu_s_of(job: Job | None, render: Render | None, *, now: datetime) -> float:
    """What a job has cost today: the seconds that its render was paid for, or those since it was claimed.

    A video that was there already costs nothing. What ended on an earlier day belongs to that day.
    """
    if job is None or job.started_at is None or day_of(job.finished_at or now) != day_of(now):
        return 0.0
    elapsed_s = max(0.0, ((job.finished_at or now) - job.started_at).total_seconds())
    is_measured = job.status is Status.COMPLETED and render and render.state is State.COMPLETED and render.usage
    if is_measured and elapsed_s > 0 and render and render.usage:
        return render.usage.gpu_s
    return elapsed_s
