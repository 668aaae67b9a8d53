"""Wishes in Avro: the schema says all that the models say, and either encoding makes the job that plain JSON makes."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, get_args

import pytest
from avro_requests import ENCODING_ATTRIBUTE, job_requested_schema, plain_json

from shared.documents import Status
from shared.errors import ErrorCode, Rejected
from shared.messages import JobRequested, decode
from shared.requests import Priority, Request
from shared.testing import TRACEPARENT
from tests.unit.avro_world import ENCODERS, MESSAGES, as_binary, as_json
from tests.unit.intake_world import World

#: The Avro types that a value of each type of a field may have.
FITTING = {str: "string", int: "long", float: "double", dict: "record", Priority: "enum"}


def fields_of(record: dict[str, Any]) -> dict[str, Any]:
    return {field["name"]: field["type"] for field in record["fields"]}


def kind(avro_type: Any) -> str:
    """The name of a type, less the null of a union."""
    if isinstance(avro_type, list):
        [avro_type] = [each for each in avro_type if each != "null"]
    return str(avro_type["type"] if isinstance(avro_type, dict) else avro_type)


def types_in(annotation: Any) -> set[Any]:
    """All that stands in an annotation, at any depth."""
    return {annotation}.union(*(types_in(each) for each in get_args(annotation)))


# --- the schema ---


@pytest.mark.parametrize("model", [JobRequested, Request])
def test_every_field_of_the_models_is_in_the_schema_with_a_fitting_type(model: Any) -> None:
    message = fields_of(job_requested_schema())
    fields = message if model is JobRequested else fields_of(message["request"])
    assert list(fields) == list(model.model_fields)
    for name, field in model.model_fields.items():
        wanted = {FITTING[each] for each in types_in(field.annotation) if isinstance(each, type) and each in FITTING}
        if name == "schema_version":
            wanted = {"long"}
        if name == "request":
            wanted = {"record"}
        assert {kind(fields[name])} == wanted, name


def test_what_may_be_absent_may_be_null_and_nothing_else_may() -> None:
    message = fields_of(job_requested_schema())
    nullable = {name for each in (message, fields_of(message["request"])) for name, t in each.items() if "null" in t}
    assert nullable == {"job_id", "traceparent", *Request.model_fields} - {"perspective"}


def test_the_priorities_of_the_schema_are_those_there_are() -> None:
    _null, priority = fields_of(fields_of(job_requested_schema())["request"])["priority"]
    assert priority["symbols"] == [each.value for each in Priority]


# --- through the intake ---


def job_of(message: bytes, **attributes: str) -> Any:
    """The job that the intake makes, less what comes from the bytes or the day alone."""
    world = World()
    world.deliver(message, source="museum-kiosk", **attributes)
    return world.only_job.model_copy(update={"fingerprint": "", "traceparent": None})


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_in_avro_makes_the_job_that_plain_json_makes(name: str, encoding: str) -> None:
    data = ENCODERS[encoding](MESSAGES[name])

    job = job_of(data, **{ENCODING_ATTRIBUTE: encoding})

    assert job == job_of(json.dumps(MESSAGES[name]).encode())
    assert job.status is Status.QUEUED


@pytest.mark.parametrize("encoding", ENCODERS)
def test_the_trace_in_an_avro_message_goes_on(encoding: str) -> None:
    world = World()
    world.deliver(ENCODERS[encoding](MESSAGES["everything"]), **{ENCODING_ATTRIBUTE: encoding})
    assert world.only_job.traceparent == TRACEPARENT


def test_avro_json_may_have_line_breaks_and_values_without_tags() -> None:
    spread = json.dumps(json.loads(as_json(MESSAGES["everything"])), indent=2).encode()
    plain = json.dumps(MESSAGES["everything"]).encode()
    assert job_of(spread, **{ENCODING_ATTRIBUTE: "JSON"}) == job_of(plain)
    assert job_of(plain, **{ENCODING_ATTRIBUTE: "JSON"}) == job_of(plain)


def test_a_message_without_the_attribute_is_plain_json_where_null_is_no_priority() -> None:
    world = World()
    world.deliver({"request": {"perspective": "curious-cat", "priority": None}})
    assert world.only_job.error
    assert world.only_job.error.code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_wish_in_avro_that_can_not_be_granted_fails_with_all_its_faults(encoding: str) -> None:
    wish = {"perspective": "stone", "seed": -1, "theme": "noon"}
    world = World()
    world.deliver(
        ENCODERS[encoding]({"schema_version": 1, "job_id": "order-0001", "request": wish}),
        **{ENCODING_ATTRIBUTE: encoding},
    )
    assert world.only_job.job_id == "order-0001"
    assert world.only_job.error
    assert world.only_job.error.code is ErrorCode.INVALID_REQUEST
    assert all(f"; {field}: " in world.only_job.error.message for field in wish)
    assert [event.job_id for event in world.events] == ["order-0001"]


BINARY = as_binary(MESSAGES["everything"])


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("BINARY", b""),
        ("BINARY", b"\xff" * 40),
        ("BINARY", BINARY[:-1]),
        ("BINARY", BINARY + b"\x00"),
        ("BINARY", BINARY.replace(b"order", b"\xff\xfe\xfd\xfc\xfb")),
        ("BINARY", json.dumps(MESSAGES["least"]).encode()),
        ("BINARY", b"\x04" + BINARY[1:]),
        ("JSON", b""),
        ("JSON", b"{"),
        ("JSON", b"\xff\xfe"),
        ("JSON", b"null"),
        ("JSON", b"[]"),
        ("JSON", b"[" * 10_000),
        ("JSON", b"[" * 900 + b"]" * 900),
        ("JSON", BINARY),
        ("JSON", b'{"schema_version": 1, "request": null}'),
        ("JSON", b'{"schema_version": 1, "job_id": {"long": 7}, "request": {"perspective": "curious-cat"}}'),
        ("JSON", b'{"schema_version": 1, "request": {"perspective": "curious-cat"}, "surprise": 1}'),
        ("XML", b"<request/>"),
        ("", json.dumps(MESSAGES["least"]).encode()),
    ],
)
def test_avro_that_can_not_be_read_becomes_a_failed_job_with_the_reason_and_an_event(
    encoding: str, data: bytes
) -> None:
    world = World()
    world.deliver(data, **{ENCODING_ATTRIBUTE: encoding})
    job = world.only_job
    assert job.error
    assert (job.status, job.error.code) == (Status.FAILED, ErrorCode.MALFORMED_REQUEST)
    assert job.error.message.startswith("The message is no JobRequested.; ")
    assert [event.job_id for event in world.events] == [job.job_id]


@pytest.mark.parametrize("byte", [0x00, 0x01, 0x7F, 0x80, 0xFF])
def test_a_mutilated_binary_message_is_read_or_rejected_and_nothing_else_is_raised(byte: int) -> None:
    read = 0
    for at in range(len(BINARY)):
        with suppress(Rejected):
            decode(JobRequested, plain_json(BINARY[:at] + bytes([byte]) + BINARY[at + 1 :], encoding="BINARY"))
            read += 1
    assert 0 < read < len(BINARY)
