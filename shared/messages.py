"""The messages on Pub/Sub: what they hold, and how they become bytes and come back.

``render-requests`` (and ``-bulk``) speak for a render, not for a job. ``job-requests`` is the outside door.
``job-events`` tells of every job that became final, at least once. ``batch-chunks`` has some rows more of a batch read,
``schedule`` asks for a plan. All are JSON with a ``schema_version``; what others publish may come in Avro, too.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, Field, JsonValue, ValidationError
from pydantic_core import PydanticCustomError

from shared.documents import JOB_ID_PATTERN, RENDER_KEY_PATTERN, Document, Job, JobError, Status, Video
from shared.errors import ErrorCode, Rejected, faults_of
from shared.requests import Priority

RENDER_REQUESTS: Final = "render-requests"
RENDER_REQUESTS_BULK: Final = "render-requests-bulk"
RENDER_REQUESTS_DEAD: Final = "render-requests-dead"
JOB_REQUESTS: Final = "job-requests"
JOB_EVENTS: Final = "job-events"
BATCH_CHUNKS: Final = "batch-chunks"
SCHEDULE: Final = "schedule"
TOPICS: Final = (
    RENDER_REQUESTS,
    RENDER_REQUESTS_BULK,
    RENDER_REQUESTS_DEAD,
    JOB_REQUESTS,
    JOB_EVENTS,
    BATCH_CHUNKS,
    SCHEDULE,
)

TOPIC_OF_PRIORITY: Final = {Priority.INTERACTIVE: RENDER_REQUESTS, Priority.BULK: RENDER_REQUESTS_BULK}
#: Each topic has one subscription, which all workers share.
SUBSCRIPTION_OF_PRIORITY: Final = {each: f"{topic}-workers" for each, topic in TOPIC_OF_PRIORITY.items()}


class RenderRequested(Document):
    """There is a render to be made, or may be: the render's document knows."""

    schema_version: Literal[1] = 1
    render_key: Annotated[str, Field(pattern=RENDER_KEY_PATTERN)]
    traceparent: str | None = None


def _finite(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """JSON has no other numbers; Python's readers of it take them all the same."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError as exc:
        raise PydanticCustomError("finite_number", "must have finite numbers alone") from exc
    return value


class JobRequested(Document):
    """Another system's wish. The request is validated by the same use case as ``POST /jobs``."""

    schema_version: Literal[1] = 1
    job_id: Annotated[str, Field(pattern=JOB_ID_PATTERN)] | None = None
    """Made from the message's id when absent. A job that exists already outranks the message."""
    request: Annotated[dict[str, JsonValue], AfterValidator(_finite)]
    """As the body of ``POST /jobs``."""
    traceparent: str | None = None


class JobEvent(Document):
    """A job became final."""

    schema_version: Literal[1] = 1
    event_id: str
    """The job's id: a job becomes final once, so a second event of that id is a repetition."""
    job_id: str
    render_key: str | None
    status: Literal[Status.COMPLETED, Status.FAILED, Status.CANCELED]
    video: Video | None
    error: JobError | None
    traceparent: str | None = None


class BatchChunk(Document):
    """A batch has rows to be read, or jobs to be canceled, or may have: the batch's document knows."""

    schema_version: Literal[1] = 1
    batch_id: Annotated[str, Field(pattern=JOB_ID_PATTERN)]
    cursor: Annotated[int, Field(ge=0)]
    """Rows that had been read when it was sent; where to go on is what the document says."""
    traceparent: str | None = None


class PlanScheduled(Document):
    """It is time for a plan. Sent by Cloud Scheduler."""

    schema_version: Literal[1] = 1
    plan: str
    """Id of a plan of the catalogue."""
    every: Literal["hour", "day", "week"] = "day"
    """How often at most: further messages of the same hour, day, or ISO week, in UTC, add nothing."""
    traceparent: str | None = None


Message = RenderRequested | JobRequested | JobEvent | BatchChunk | PlanScheduled
M = TypeVar("M", RenderRequested, JobRequested, JobEvent, BatchChunk, PlanScheduled)


def encode(message: Message) -> bytes:
    """The message as JSON bytes."""
    return message.model_dump_json().encode()


def decode(schema: type[M], data: bytes) -> M:
    """The message in the bytes.

    Raises:
        Rejected: ``malformed_request`` with every fault; it will never be readable, so never retry it.
    """
    try:
        return schema.model_validate_json(data)
    except ValidationError as exc:
        raise Rejected(
            f"The message is no {schema.__name__}.", code=ErrorCode.MALFORMED_REQUEST, faults=faults_of(exc)
        ) from exc


def event_of(job: Job) -> JobEvent:
    """The event of a final job."""
    return JobEvent.model_validate(
        {
            "event_id": job.job_id,
            "job_id": job.job_id,
            "render_key": job.render_key,
            "status": job.status,
            "video": job.video,
            "error": job.error,
            "traceparent": job.traceparent,
        }
    )


def attributes_of(message: RenderRequested | JobEvent) -> dict[str, str]:
    """What a subscriber can filter on without reading the body."""
    attributes: dict[str, Any] = {"schema_version": message.schema_version, "render_key": message.render_key}
    if isinstance(message, JobEvent):
        attributes |= {"job_id": message.job_id, "status": message.status.value}
    return {key: str(value) for key, value in attributes.items() if value is not None}
