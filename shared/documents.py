"""The documents in Firestore, ``jobs/{job_id}``, ``renders/{render_key}`` and ``owners/{key}/slots/{number}``.

A *job* is one caller's wish; a *render* is the work that grants it. Many jobs may wait for one render. How they move is
`shared.jobs`. A *slot* is room for one active job of an owner: `shared.slots`.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - of a pydantic method
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared.errors import ErrorCode
from shared.requests import Priority, RenderSpec, Request

#: A millionth of a second, or of a currency, is nothing that anybody adds up.
COST_DIGITS: Final = 6
#: No underscore in front: Firestore keeps ids such as ``__x__`` to itself.
JOB_ID_PATTERN = r"^[A-Za-z0-9-][A-Za-z0-9_-]{7,63}$"
RENDER_KEY_PATTERN = r"^[0-9a-f]{40}$"


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


FINAL: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELED})
WAITING: Final = frozenset(Status) - FINAL


class Document(BaseModel):
    """What jobs, renders and their parts have in common."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=(), hide_input_in_errors=True
    )


class JobError(Document):
    """Why a job ended without a video."""

    code: ErrorCode
    message: str
    """For people; names every fault of a rejected request."""


class Video(Document):
    """What was made, and where it lies in the artifact bucket."""

    path: str
    poster_path: str
    human_view_path: str | None = None
    """The same clip as drawn, for a person's eye; null: the video is that, since no eye changed it."""
    receipt_path: str
    generation: int
    """Generation of the object at ``path``: the commit."""
    width: int
    height: int
    frames: int
    fps: int
    duration_s: float
    size_bytes: int
    content_type: Literal["video/mp4"] = "video/mp4"


class Usage(Document):
    """What it took."""

    load_s: float
    """Seconds until the model was ready; 0 when it was warm."""
    render_s: float
    """Seconds of denoising and decoding: what a GPU is paid for."""
    see_s: float = 0
    """Seconds of the creature's eye."""
    encode_s: float
    """Seconds of encoding; of both videos where there are two."""
    sign_s: float = 0
    """Seconds of signing what was made; 0 in the receipt, whose hash the signature holds. 0: it was not signed."""
    whole_s: float = 0
    """Seconds from the beginning of loading to the last frame in its file. Less than the sum of all others: frames are
    seen and encoded while others are decoded. 0: not measured, by an earlier release."""
    device: str
    """Name of the device that rendered."""

    @property
    def gpu_s(self) -> float:
        """GPU seconds: of loading the model and of drawing."""
        return self.load_s + self.render_s


class Cost(Document):
    """What it has cost. Of a job its share: a render that several wait for costs once."""

    gpu_s: Annotated[float, Field(ge=0)]
    """GPU seconds: of loading the model and of drawing."""
    amount: Annotated[float, Field(ge=0)] | None
    """Money, by the catalogue's price of the GPU at that time; null: it has none."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] | None
    """ISO 4217; null without an amount."""

    def part(self, share: float) -> Cost:
        """So much of it, from 0 to 1."""
        amount = None if self.amount is None else round(self.amount * share, COST_DIGITS)
        return self.model_copy(update={"gpu_s": round(self.gpu_s * share, COST_DIGITS), "amount": amount})


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
    preview_path: str | None = None
    """A rough picture that the creature sees, from the middle of the work; null: there is none, or not yet."""
    video: Video | None = None
    error: JobError | None = None
    cost: Cost | None = None
    """Its share of what the video has cost; null: there is none, or an earlier release made it."""
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
    batch_id: str | None = None
    """The batch that it came with, if it came with one."""
    share_token: str | None = None
    """Of the link that anyone may open; null: there is none."""
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
    claimed_at: AwareDatetime | None = None
    """When the latest claim was made, by the worker's clock."""
    renewed_at: AwareDatetime | None = None
    """When the lease was renewed, by the store's clock."""
    lease_s: float = 0
    attempts: int = 0
    """Claims since it was last revived, less those that ended through no fault of the render."""
    retries: int = 0
    """Claims since it was last revived that ended because a service or a file did not answer."""
    stage: Stage | None = None
    progress: Annotated[int, Field(ge=0, le=100)] = 0
    published_at: AwareDatetime | None = None
    """When its message was last published, or known to be in a worker's hands; null: none is on its way."""
    check_at: AwareDatetime | None = None
    """When reconcile looks at it; null: it is settled, or nobody waits for it."""
    preview_path: str | None = None
    """See `Job.preview_path`; of the latest attempt that had one."""
    video: Video | None = None
    usage: Usage | None = None
    cost: Cost | None = None
    """What the video has cost, whoever waits for it."""
    shared_by: int | None = None
    """How many jobs share that: those that waited when it was completed; null: they were not counted yet."""
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


class Slot(Document):
    """Room for one active job of an owner, and what the jobs that had it have cost on a day."""

    schema_version: Literal[1] = 1
    owner: str
    number: Annotated[int, Field(ge=0)]
    """From 0; an owner has as many as its quota."""
    job_id: Annotated[str, Field(pattern=JOB_ID_PATTERN)] | None
    """The job that has it. It may be taken over when that job is final or gone."""
    day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    """Of `gpu_s`, in UTC."""
    gpu_s: Annotated[float, Field(ge=0)] = 0
    """GPU seconds of the jobs that had it before and ended on that day."""
    updated_at: AwareDatetime
    expires_at: AwareDatetime
