"""Jobs and renders: the two documents, their statuses, the one transition table, and the pure functions that move them.

A *job* is one caller's wish; a *render* is the work that grants it. Many jobs may wait for one render. Nothing here
reads a clock or a store: every function takes a document and returns the next one.

    job     queued ──claim──▶ in_progress ──complete | fail | cancel──▶ completed | failed | canceled   (final)
            queued ◀─release── in_progress        queued ──complete | fail | cancel──▶ …
    render  idle ──claim──▶ leased ──complete──▶ completed ──revive──▶ idle    (revive: its object is gone)
            idle ◀─release── leased ──fail──▶ failed ──revive──▶ idle          (revive: somebody wishes for it again)
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal, TypeVar

from pydantic import AwareDatetime, Field

from shared.documents import JOB_ID_PATTERN, RENDER_KEY_PATTERN, Document, JobError, Usage, Video
from shared.errors import LifeAsNotMeError
from shared.requests import Priority, RenderSpec, Request

#: Stands for "now by the store's own clock"; a store writes its clock in its place. No worker's clock decides a lease.
SERVER_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)
#: How long jobs, renders and their objects are kept.
RETENTION: Final = timedelta(days=30)
#: A job that is not final after this long fails.
JOB_DEADLINE: Final = timedelta(hours=24)
#: Deliveries of one render to a renderer that may end in an error before it is given up. Preemption costs none.
MAX_ATTEMPTS: Final = 3


class Status(StrEnum):
    """Of a job."""

    QUEUED = "queued"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class State(StrEnum):
    """Of a render."""

    IDLE = "idle"
    LEASED = "leased"
    COMPLETED = "completed"
    FAILED = "failed"


class Stage(StrEnum):
    """What a worker is doing with a render."""

    LOADING = "loading"
    RENDERING = "rendering"
    ENCODING = "encoding"
    UPLOADING = "uploading"


class Move(StrEnum):
    """The causes of a transition."""

    CLAIM = "claim"
    RENEW = "renew"
    RELEASE = "release"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    REVIVE = "revive"


FINAL: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED})
WAITING: Final = frozenset(Status) - FINAL

#: The one table: what is not in it is forbidden. In two halves, since a status and a state of one name are equal keys.
JOB_TRANSITIONS: Final[dict[tuple[Status, Move], Status]] = {
    (Status.QUEUED, Move.CLAIM): Status.IN_PROGRESS,
    (Status.QUEUED, Move.COMPLETE): Status.COMPLETED,
    (Status.QUEUED, Move.FAIL): Status.FAILED,
    (Status.QUEUED, Move.CANCEL): Status.CANCELED,
    (Status.IN_PROGRESS, Move.CLAIM): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, Move.RELEASE): Status.QUEUED,
    (Status.IN_PROGRESS, Move.COMPLETE): Status.COMPLETED,
    (Status.IN_PROGRESS, Move.FAIL): Status.FAILED,
    (Status.IN_PROGRESS, Move.CANCEL): Status.CANCELED,
}
RENDER_TRANSITIONS: Final[dict[tuple[State, Move], State]] = {
    (State.IDLE, Move.CLAIM): State.LEASED,
    (State.IDLE, Move.COMPLETE): State.COMPLETED,
    (State.IDLE, Move.FAIL): State.FAILED,
    (State.LEASED, Move.CLAIM): State.LEASED,
    (State.LEASED, Move.RENEW): State.LEASED,
    (State.LEASED, Move.RELEASE): State.IDLE,
    (State.LEASED, Move.COMPLETE): State.COMPLETED,
    (State.LEASED, Move.FAIL): State.FAILED,
    (State.FAILED, Move.COMPLETE): State.COMPLETED,
    (State.FAILED, Move.REVIVE): State.IDLE,
    (State.COMPLETED, Move.REVIVE): State.IDLE,
}


class ForbiddenTransitionError(LifeAsNotMeError):
    """The table has no such arrow: a fault in the caller, which must look at the state first."""


class Job(Document):
    """One caller's wish. Clients poll or listen to exactly this document."""

    schema_version: Literal[1] = 1
    job_id: Annotated[str, Field(pattern=JOB_ID_PATTERN)]
    owner: str
    """Who may see it."""
    status: Status
    request: Request | None
    """What was asked, defaults filled in; null for a message that could not be read at all."""
    render_key: Annotated[str, Field(pattern=RENDER_KEY_PATTERN)] | None
    """The render it waits for; null when it was rejected."""
    progress: Annotated[int, Field(ge=0, le=100)] = 0
    """Percent of the whole work."""
    stage: Stage | None = None
    """What is being done while in progress."""
    video: Video | None = None
    error: JobError | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    deadline_at: AwareDatetime
    """It fails when it is not final by then."""
    expires_at: AwareDatetime
    """It may be deleted after this."""
    fingerprint: str
    """SHA-256 of the raw body: the same Idempotency-Key with another body is refused."""
    event_pending: bool = False
    """It became final and its event is not published yet: the outbox."""
    traceparent: str | None = None
    """W3C trace context of the submission."""

    @property
    def is_final(self) -> bool:
        """Nothing leaves a final status."""
        return self.status in FINAL


class Render(Document):
    """The work that one or more jobs wait for."""

    schema_version: Literal[1] = 1
    render_key: Annotated[str, Field(pattern=RENDER_KEY_PATTERN)]
    state: State
    spec: RenderSpec
    priority: Priority
    token: int = 0
    """Fencing token: raised by every claim."""
    holder: str | None = None
    """The worker that has or had the lease."""
    renewed_at: AwareDatetime | None = None
    """When the lease was renewed, by the store's clock."""
    lease_s: float = 0
    attempts: int = 0
    """Claims since it was last revived, less those that were preempted."""
    stage: Stage | None = None
    progress: Annotated[int, Field(ge=0, le=100)] = 0
    published_at: AwareDatetime | None = None
    """When its message was last published; null: none is on its way."""
    video: Video | None = None
    usage: Usage | None = None
    error: JobError | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    expires_at: AwareDatetime
    traceparent: str | None = None

    @property
    def is_final(self) -> bool:
        """Completed or failed: no worker has anything left to do."""
        return self.state in {State.COMPLETED, State.FAILED}

    def lease_left_s(self, read_at: datetime) -> float:
        """Seconds until the lease ends, judged by the store's clock at the moment of reading; 0 when there is none."""
        if self.state is not State.LEASED or self.renewed_at is None:
            return 0.0
        return max(0.0, self.lease_s - (read_at - self.renewed_at).total_seconds())


def can(document: Job | Render, move: Move) -> bool:
    """Whether the table has the arrow."""
    return _to(document, move) is not None


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
        deadline_at=now + JOB_DEADLINE,
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
        expires_at=now + RETENTION,
        traceparent=traceparent,
    )


def publish(render: Render, *, now: datetime) -> Render:
    """A message for it is on its way."""
    return render.model_copy(update={"published_at": now, "updated_at": now})


def touch(render: Render, *, now: datetime) -> Render:
    """Nothing but a new version: what a batch on the render's jobs is fenced by."""
    return render.model_copy(update={"updated_at": now})


def retire(render: Render, *, now: datetime) -> Render:
    """Its message is about to be acknowledged since nobody waits: whoever attaches from now on must publish."""
    return render.model_copy(update={"published_at": None, "updated_at": now})


def claim_render(render: Render, *, holder: str, lease_s: float, now: datetime) -> Render:
    """Take the lease. The caller has made sure that no live lease stands."""
    return _move(
        render,
        Move.CLAIM,
        token=render.token + 1,
        attempts=render.attempts + 1,
        holder=holder,
        lease_s=lease_s,
        renewed_at=SERVER_TIME,
        stage=Stage.LOADING,
        progress=0,
        published_at=render.published_at or now,
        updated_at=now,
    )


def renew_render(render: Render, *, stage: Stage, progress: int, now: datetime) -> Render:
    """Keep the lease and say how far it is."""
    return _move(render, Move.RENEW, renewed_at=SERVER_TIME, stage=stage, progress=progress, updated_at=now)


def release_render(render: Render, *, now: datetime, costs_attempt: bool) -> Render:
    """Give the lease back so that another worker can go on. Preemption and cancellation cost no attempt."""
    return _move(
        render,
        Move.RELEASE,
        attempts=render.attempts if costs_attempt else max(0, render.attempts - 1),
        stage=None,
        progress=0,
        updated_at=now,
    )


def complete_render(render: Render, *, video: Video, usage: Usage | None, now: datetime) -> Render:
    """The object exists: that is the commit, whoever made it and under whatever token."""
    return _move(
        render,
        Move.COMPLETE,
        video=video,
        usage=usage,
        error=None,
        stage=None,
        progress=100,
        finished_at=now,
        updated_at=now,
    )


def fail_render(render: Render, *, error: JobError, now: datetime) -> Render:
    """It can't be made."""
    return _move(render, Move.FAIL, error=error, stage=None, finished_at=now, updated_at=now)


def revive_render(render: Render, *, priority: Priority, now: datetime) -> Render:
    """Somebody wishes again for what failed, or for what was completed and is gone."""
    return _move(
        render,
        Move.REVIVE,
        priority=priority,
        attempts=0,
        video=None,
        usage=None,
        error=None,
        progress=0,
        finished_at=None,
        published_at=None,
        updated_at=now,
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
            return _move(
                job,
                Move.CLAIM,
                stage=render.stage,
                progress=max(job.progress, render.progress),
                started_at=job.started_at or now,
                updated_at=now,
            )
        case State.COMPLETED:
            done = {"video": render.video, "progress": 100, "stage": None, "started_at": job.started_at or now}
            return _move(job, Move.COMPLETE, **done, event_pending=True, finished_at=now, updated_at=now)
        case State.FAILED:
            return _move(
                job, Move.FAIL, error=render.error, stage=None, event_pending=True, finished_at=now, updated_at=now
            )
        case State.IDLE if job.status is Status.IN_PROGRESS:
            return _move(job, Move.RELEASE, stage=None, progress=0, updated_at=now)
        case _:
            return job


def event_published(job: Job) -> Job:
    """Its event is out."""
    return job.model_copy(update={"event_pending": False})


def _to(document: Job | Render, move: Move) -> Status | State | None:
    if isinstance(document, Job):
        return JOB_TRANSITIONS.get((document.status, move))
    return RENDER_TRANSITIONS.get((document.state, move))


D = TypeVar("D", Job, Render)


def _move(document: D, move: Move, **changes: object) -> D:
    field = "status" if isinstance(document, Job) else "state"
    to = _to(document, move)
    if to is None:
        msg = f"{type(document).__name__.lower()} is {getattr(document, field)}: no {move} from there"
        raise ForbiddenTransitionError(msg)
    return document.model_copy(update={field: to, **changes})
