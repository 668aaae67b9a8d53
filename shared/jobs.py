"""Jobs and renders: the pure functions that move them, by the table of `shared.transitions`.

Nothing here reads a clock or a store: every function takes a document and returns the next one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from shared.bills import cost_for
from shared.documents import Cost, Job, JobError, Render, Stage, State, Status, Usage, Video
from shared.errors import ErrorCode
from shared.requests import Priority
from shared.transitions import Move, moved

if TYPE_CHECKING:
    from shared.requests import RenderSpec, Request

D = TypeVar("D", Job, Render)

#: Stands for "now by the store's own clock"; a store writes its clock in its place. No worker's clock decides a lease.
SERVER_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)
#: How long jobs, renders and their objects are kept.
RETENTION: Final = timedelta(days=30)
#: Attaching to a render has it kept for longer, but does not write it more often than this.
KEPT_LONGER_EVERY: Final = timedelta(days=1)
#: A job that is not final after this long fails.
JOB_DEADLINE: Final = timedelta(hours=24)
#: One in bulk, and any row of a batch, has longer: it may have to wait for another day's budget, and 100 000 renders of
#: a minute are a week on ten GPUs.
BULK_DEADLINE: Final = timedelta(days=7)
#: Reconcile looks at a render this long after something happened to it that should be followed by something else,
SOON: Final = timedelta(minutes=1)
#: this long after somebody was seen working on it: if they die, their lease ends and their message comes again before.
#: Both may be lost at once: a killed worker, and its message forgotten by the queue.
LEASED_CHECK: Final = timedelta(minutes=3)
#: this long after its message was sent, which may wait in a queue: that of bulk is long, and Pub/Sub keeps what it has
#: for days, so thousands that wait rightly are not looked at every few minutes. A job still has its day,
FIRST_CHECK: Final = timedelta(minutes=10)
FIRST_CHECK_OF_BULK: Final = timedelta(hours=2)
#: and no longer than this after the last of several.
LAST_CHECK: Final = timedelta(hours=6)
#: Deliveries of one render to a renderer that may end in an error before it is given up. Preemption costs none.
MAX_ATTEMPTS: Final = 3
#: Times that a service or a file may not answer before a render is given up. With the worker's pauses of 10 s to ten
#: minutes that is more than two hours of outage; without it, one that can't be uploaded is drawn on a GPU for a day.
MAX_RETRIES: Final = 20


class Ending(StrEnum):
    """Why a lease is given back."""

    PREEMPTED = "preempted"
    """The worker was told to go, does not serve the model, or nobody waits: costs nothing."""
    RETRYABLE = "retryable"
    """The world was wrong: costs no attempt, but the next one waits longer, and there are `MAX_RETRIES`."""
    BROKEN = "broken"
    """The work itself went wrong: costs an attempt."""


def new_job(
    *,
    job_id: str,
    owner: str,
    request: Request,
    render_key: str,
    fingerprint: str,
    now: datetime,
    traceparent: str | None,
) -> Job:
    """A wish that was just accepted."""
    return Job(
        job_id=job_id,
        owner=owner,
        status=Status.QUEUED,
        request=request,
        render_key=render_key,
        created_at=now,
        updated_at=now,
        deadline_at=now + (BULK_DEADLINE if request.priority is Priority.BULK else JOB_DEADLINE),
        expires_at=now + RETENTION,
        fingerprint=fingerprint,
        traceparent=traceparent,
    )


def rejected_job(
    *, job_id: str, owner: str, error: JobError, fingerprint: str, now: datetime, traceparent: str | None
) -> Job:
    """A wish that came as a message and can't be granted.

    Its sender has no HTTP answer to read, so it gets a document.
    """
    return Job(
        job_id=job_id,
        owner=owner,
        status=Status.FAILED,
        request=None,
        render_key=None,
        error=error,
        created_at=now,
        updated_at=now,
        finished_at=now,
        deadline_at=now,
        expires_at=now + RETENTION,
        fingerprint=fingerprint,
        event_pending=True,
        traceparent=traceparent,
    )


def share(job: Job, *, token: str, now: datetime) -> Job:
    """Anyone who has the token may see its video."""
    return job.model_copy(update={"share_token": token, "updated_at": now})


def unshare(job: Job, *, now: datetime) -> Job:
    """Nobody but its owner may."""
    return job.model_copy(update={"share_token": None, "updated_at": now})


def new_render(
    *, render_key: str, spec: RenderSpec, priority: Priority, now: datetime, traceparent: str | None
) -> Render:
    """Work that nobody has wished for before."""
    return Render(
        render_key=render_key,
        state=State.IDLE,
        spec=spec,
        priority=priority,
        created_at=now,
        updated_at=now,
        check_at=now + SOON,
        expires_at=now + RETENTION,
        traceparent=traceparent,
    )


def publish(render: Render, *, now: datetime) -> Render:
    """A message for it is on its way. Each further one is trusted for twice as long before reconcile looks again."""
    patience = FIRST_CHECK_OF_BULK if render.priority is Priority.BULK else FIRST_CHECK
    if render.published_at and render.check_at:
        # Never shorter: a claim may have noted the message long after the check that a new render begins with.
        patience = min(LAST_CHECK, max(patience, 2 * (render.check_at - render.published_at)))
    return render.model_copy(update={"published_at": now, "updated_at": now, "check_at": now + patience})


def postpone(render: Render, *, now: datetime) -> Render:
    """A worker has it: its message is in good hands, as if it had been sent just now. Look again soon: it may die."""
    return render.model_copy(update={"published_at": now, "updated_at": now, "check_at": now + LEASED_CHECK})


def settled(render: Render, *, now: datetime) -> Render:
    """It is final, and everybody has been told: reconcile need not look at it any more."""
    return render.model_copy(update={"updated_at": now, "check_at": None})


def attach_to(render: Render, *, priority: Priority, now: datetime) -> Render:
    """Somebody else wishes for it: it goes first if they must not wait, and it is kept for longer.

    Changes nothing, most of the time: a popular render must not be written at every wish.
    """
    changes: dict[str, object] = {}
    if not render.is_final and render.priority is Priority.BULK and priority is Priority.INTERACTIVE:
        # The message on its way is in the other queue, and a holder who is told to go puts it back there.
        changes |= {"priority": priority, "published_at": None, "check_at": now + SOON}
    if render.expires_at - now < RETENTION - KEPT_LONGER_EVERY:
        changes["expires_at"] = now + RETENTION
    return render.model_copy(update=changes | {"updated_at": now}) if changes else render


def touch(document: D, *, now: datetime) -> D:
    """Nothing but a new version: what a batch on a render's jobs is fenced by, and how a waiting job is looked at."""
    return document.model_copy(update={"updated_at": now})


def retire(render: Render, *, now: datetime) -> Render:
    """Its message is about to be acknowledged since nobody waits: whoever attaches from now on must publish."""
    return render.model_copy(update={"published_at": None, "updated_at": now, "check_at": None})


def claim_render(render: Render, *, holder: str, lease_s: float, now: datetime) -> Render:
    """Take the lease. The caller has made sure that no live lease of another stands.

    Who has it still, by the document, did not hear an answer or lost it while the store was away. That is no fault of
    the work, and costs no attempt: a process that dies never claims again.
    """
    return moved(
        render,
        Move.CLAIM,
        token=render.token + 1,
        attempts=render.attempts + (not is_held_by(render, holder)),
        holder=holder,
        claimed_at=now,
        lease_s=lease_s,
        renewed_at=SERVER_TIME,
        stage=Stage.LOADING,
        progress=0,
        check_at=render.check_at or now + FIRST_CHECK,
        updated_at=now,
    )


def is_held_by(render: Render, holder: str) -> bool:
    """Whether this holder was the last to claim it, and has not given it back; its lease may have ended."""
    return render.state is State.LEASED and render.holder == holder


def renew_render(
    render: Render, *, stage: Stage, progress: int, now: datetime, preview_path: str | None = None
) -> Render:
    """Keep the lease and say how far it is; an earlier attempt's preview stays until there is another."""
    return moved(
        render,
        Move.RENEW,
        renewed_at=SERVER_TIME,
        stage=stage,
        progress=progress,
        preview_path=preview_path or render.preview_path,
        updated_at=now,
    )


def release_render(render: Render, *, now: datetime, ending: Ending) -> Render:
    """Give the lease back so that another worker can go on."""
    return moved(
        render,
        Move.RELEASE,
        attempts=render.attempts if ending is Ending.BROKEN else max(0, render.attempts - 1),
        retries=render.retries + (ending is Ending.RETRYABLE),
        stage=None,
        progress=0,
        updated_at=now,
    )


def complete_render(
    render: Render, *, video: Video, usage: Usage | None, now: datetime, cost: Cost | None = None
) -> Render:
    """The object exists: that is the commit, whoever made it and under whatever token."""
    return moved(
        render,
        Move.COMPLETE,
        video=video,
        usage=usage,
        cost=cost,
        error=None,
        stage=None,
        progress=100,
        finished_at=now,
        updated_at=now,
        check_at=now + SOON,
    )


def fail_render(render: Render, *, error: JobError, now: datetime) -> Render:
    """It can't be made."""
    return moved(render, Move.FAIL, error=error, stage=None, finished_at=now, updated_at=now, check_at=now + SOON)


def give_up(render: Render, *, now: datetime) -> Render:
    """Its attempts are spent, and nobody lives to say why."""
    error = JobError(code=ErrorCode.RENDER_FAILED, message=f"It was tried {render.attempts} times and never finished.")
    return fail_render(render, error=error, now=now)


def revive_render(render: Render, *, priority: Priority, now: datetime) -> Render:
    """Somebody wishes again for what failed, or for what was completed and is gone."""
    return moved(
        render,
        Move.REVIVE,
        priority=priority,
        attempts=0,
        retries=0,
        preview_path=None,
        video=None,
        usage=None,
        cost=None,
        shared_by=None,
        error=None,
        progress=0,
        finished_at=None,
        published_at=None,
        updated_at=now,
        check_at=now + SOON,
        expires_at=now + RETENTION,
    )


def follow(job: Job, render: Render, *, now: datetime) -> Job:
    """The job as its render has it: claimed, moved, released, completed or failed.

    A job that is final stays as it is, so an event that comes late, twice or out of order changes nothing.
    """
    if job.is_final:
        return job
    match render.state:
        case State.LEASED:
            return moved(
                job,
                Move.CLAIM,
                stage=render.stage,
                progress=max(job.progress, render.progress),
                preview_path=render.preview_path,
                started_at=job.started_at or now,
                updated_at=now,
            )
        case State.COMPLETED:
            done: dict[str, object] = {"video": render.video, "preview_path": render.preview_path, "progress": 100}
            done |= {"stage": None, "started_at": job.started_at or now, "cost": cost_for(job, render)}
            return moved(job, Move.COMPLETE, **done, event_pending=True, finished_at=now, updated_at=now)
        case State.FAILED:
            return moved(
                job, Move.FAIL, error=render.error, stage=None, event_pending=True, finished_at=now, updated_at=now
            )
        case State.IDLE if job.status is Status.IN_PROGRESS:
            return moved(job, Move.RELEASE, stage=None, progress=0, updated_at=now)
        case _:
            return job


def cancel_job(job: Job, *, now: datetime) -> Job:
    """Its owner does not want it any more."""
    return moved(job, Move.CANCEL, stage=None, event_pending=True, finished_at=now, updated_at=now)


def fail_job(job: Job, *, error: JobError, now: datetime) -> Job:
    """It ends without its render: its time is up, or the render is gone."""
    return moved(job, Move.FAIL, error=error, stage=None, event_pending=True, finished_at=now, updated_at=now)


def event_published(job: Job) -> Job:
    """Its event is out."""
    return job.model_copy(update={"event_pending": False})
