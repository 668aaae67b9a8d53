"""The three messages: bytes and back, and what is never readable."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import FINAL, WAITING, Job, JobError, Status
from shared.errors import ErrorCode, Rejected
from shared.messages import (
    BATCH_CHUNKS,
    JOB_EVENTS,
    JOB_REQUESTS,
    RENDER_REQUESTS,
    RENDER_REQUESTS_BULK,
    RENDER_REQUESTS_DEAD,
    SCHEDULE,
    SUBSCRIPTION_OF_PRIORITY,
    TOPIC_OF_PRIORITY,
    TOPICS,
    BatchChunk,
    JobEvent,
    JobRequested,
    Message,
    PlanScheduled,
    RenderRequested,
    attributes_of,
    decode,
    encode,
    event_of,
)
from shared.requests import Priority
from shared.testing import TRACEPARENT, a_commit, a_job, a_render, put_video

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RENDER_KEY = "ab" * 20
ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")
VIDEO = a_commit(RENDER_KEY).video(put_video(InMemoryArtifactStore(), RENDER_KEY))

COMPLETED = JobEvent(
    event_id="job-0001",
    job_id="job-0001",
    render_key=RENDER_KEY,
    status=Status.COMPLETED,
    video=VIDEO,
    error=None,
    traceparent=TRACEPARENT,
)
MESSAGES: list[Message] = [
    RenderRequested(render_key=RENDER_KEY),
    RenderRequested(render_key=RENDER_KEY, traceparent=TRACEPARENT),
    JobRequested(request={}),
    JobRequested(job_id="job-0001", request={"perspective": "curious-cat", "x": [None, 1.5, {"y": "猫"}]}),
    COMPLETED,
    JobEvent(event_id="j", job_id="j", render_key=None, status=Status.FAILED, video=None, error=ERROR),
    JobEvent(event_id="j", job_id="j", render_key=RENDER_KEY, status=Status.CANCELED, video=None, error=None),
    BatchChunk(batch_id="batch-0001", cursor=0),
    BatchChunk(batch_id="batch-0001", cursor=100_000, traceparent=TRACEPARENT),
    PlanScheduled(plan="fresh-takes"),
    PlanScheduled(plan="popular-wishes", every="week"),
]
SCHEMAS: list[type[Any]] = [RenderRequested, JobRequested, JobEvent, BatchChunk, PlanScheduled]


def a_final_job(status: Status, **changes: object) -> Job:
    return a_job(a_render(now=NOW), now=NOW).model_copy(update={"status": status, **changes})


def rejection(schema: type[Any], data: bytes) -> Rejected:
    with pytest.raises(Rejected) as caught:
        decode(schema, data)
    return caught.value


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_back_from_its_bytes(message: Any) -> None:
    assert decode(type(message), encode(message)) == message


def test_every_kind_of_message_is_among_them() -> None:
    assert {type(message) for message in MESSAGES} == set(SCHEMAS)
    assert {message.status for message in MESSAGES if isinstance(message, JobEvent)} == FINAL


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_every_message_says_its_schema_version_and_trace_on_the_wire(message: Any) -> None:
    wire = json.loads(encode(message))
    assert wire["schema_version"] == 1
    assert "traceparent" in wire


def test_a_render_request_on_the_wire_speaks_for_a_render_and_no_job() -> None:
    assert json.loads(encode(RenderRequested(render_key=RENDER_KEY))) == {
        "schema_version": 1,
        "render_key": RENDER_KEY,
        "traceparent": None,
    }


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize(
    "data",
    [b"", b"\x00", b"\xff\xfe", b"{", b"render_key=1", b"[" * 5_000, b"[]", b"null", b"1", b'"text"'],
    ids=["empty", "zero", "not UTF-8", "cut off", "form", "too deep", "array", "null", "number", "text"],
)
def test_unreadable_bytes_are_rejected_with_a_fault_and_never_retried(schema: type[Any], data: bytes) -> None:
    rejected = rejection(schema, data)
    assert rejected.code is ErrorCode.MALFORMED_REQUEST
    assert [fault.field for fault in rejected.faults] == [""]
    assert schema.__name__ in rejected.detail


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5])
def test_an_unknown_schema_version_is_refused(schema: type[Any], version: object) -> None:
    message = next(each for each in MESSAGES if isinstance(each, schema))
    rejected = rejection(schema, json.dumps({**json.loads(encode(message)), "schema_version": version}).encode())
    assert [(fault.field, fault.code) for fault in rejected.faults] == [("schema_version", "literal_error")]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_unknown_fields_are_refused(schema: type[Any]) -> None:
    message = next(each for each in MESSAGES if isinstance(each, schema))
    rejected = rejection(schema, json.dumps({**json.loads(encode(message)), "colour": 1}).encode())
    assert [(fault.field, fault.code) for fault in rejected.faults] == [("colour", "extra_forbidden")]


@pytest.mark.parametrize("render_key", ["", "ab" * 19, "AB" * 20, "../" + "a" * 37, "ab" * 20 + "\n", None, 5])
def test_a_render_request_with_anything_else_for_a_key_is_refused(render_key: object) -> None:
    rejected = rejection(RenderRequested, json.dumps({"render_key": render_key}).encode())
    assert [fault.field for fault in rejected.faults] == ["render_key"]


@pytest.mark.parametrize("job_id", ["", "short", "x" * 65, "a/b/c/d/e", "__reserved__", "a b c d e"])
def test_a_job_id_that_no_document_can_have_is_refused(job_id: str) -> None:
    rejected = rejection(JobRequested, json.dumps({"job_id": job_id, "request": {}}).encode())
    assert [fault.field for fault in rejected.faults] == ["job_id"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have_are_refused(number: str) -> None:
    with pytest.raises(Rejected) as refused:
        decode(JobRequested, f'{{"schema_version": 1, "request": {{"seed": [{{"deep": {number}}}]}}}}'.encode())

    assert [(each.field, each.code) for each in refused.value.faults] == [("request", "finite_number")]


def test_all_faults_of_a_message_are_told_at_once_and_never_what_it_held() -> None:
    rejected = rejection(JobRequested, b'{"schema_version": 7, "job_id": "secret", "request": "secret", "more": 1}')
    assert {fault.field for fault in rejected.faults} == {"schema_version", "job_id", "request", "more"}
    assert "secret" not in rejected.summary
    assert "secret" not in str(rejected.__cause__)


# --- events ---


def test_the_event_of_a_completed_job_carries_the_video() -> None:
    job = a_final_job(Status.COMPLETED, video=VIDEO)
    assert event_of(job) == JobEvent(
        event_id=job.job_id,
        job_id=job.job_id,
        render_key=job.render_key,
        status=Status.COMPLETED,
        video=VIDEO,
        error=None,
        traceparent=TRACEPARENT,
    )


def test_the_event_of_a_failed_job_says_why() -> None:
    event = event_of(a_final_job(Status.FAILED, error=ERROR))
    assert (event.status, event.error, event.video) == (Status.FAILED, ERROR, None)


@pytest.mark.parametrize("status", sorted(WAITING))
def test_a_job_that_is_not_final_has_no_event(status: Status) -> None:
    with pytest.raises(ValidationError, match="status"):
        event_of(a_final_job(status))


def test_an_event_tells_nothing_of_owner_or_prompt() -> None:
    assert set(json.loads(encode(COMPLETED))) == {
        "schema_version",
        "event_id",
        "job_id",
        "render_key",
        "status",
        "video",
        "error",
        "traceparent",
    }


# --- attributes and topics ---


def test_a_render_request_can_be_filtered_by_its_key() -> None:
    assert attributes_of(RenderRequested(render_key=RENDER_KEY)) == {"schema_version": "1", "render_key": RENDER_KEY}


def test_an_event_can_be_filtered_by_job_and_status() -> None:
    assert attributes_of(COMPLETED) == {
        "schema_version": "1",
        "render_key": RENDER_KEY,
        "job_id": "job-0001",
        "status": "completed",
    }


def test_an_attribute_that_has_no_value_is_left_out() -> None:
    rejected = JobEvent(event_id="j", job_id="j", render_key=None, status=Status.FAILED, video=None, error=ERROR)
    assert "render_key" not in attributes_of(rejected)


def test_every_priority_has_a_topic_and_a_subscription_of_its_own() -> None:
    assert set(TOPIC_OF_PRIORITY) == set(SUBSCRIPTION_OF_PRIORITY) == set(Priority)
    assert len(set(TOPIC_OF_PRIORITY.values())) == len(set(SUBSCRIPTION_OF_PRIORITY.values())) == len(Priority)
    assert set(TOPIC_OF_PRIORITY.values()) <= set(TOPICS)


def test_the_topics_are_these() -> None:
    outside = {JOB_REQUESTS, JOB_EVENTS, SCHEDULE}
    assert set(TOPICS) == {RENDER_REQUESTS, RENDER_REQUESTS_BULK, RENDER_REQUESTS_DEAD, BATCH_CHUNKS, *outside}
    assert len(TOPICS) == len(set(TOPICS))
