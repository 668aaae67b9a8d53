"""The addresses of batches over the in-memory doubles: what callers see, and how they are refused."""

import json

import pytest
from accept_batch import MAX_BATCH_BODY_BYTES
from expand_batch import take_chunk

from shared.errors import ErrorCode
from shared.messages import BATCH_CHUNKS
from shared.requests import MAX_BODY_BYTES
from tests.unit.http_world import ADA, WISH, Answer, World, is_problem


@pytest.fixture
def world() -> World:
    return World()


def post_batch(world: World, body: object, **headers: str) -> Answer:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return world.call("POST", "/batches", data=data, content_type="application/json", headers=named)


def test_a_batch_is_accepted_and_shown_with_the_counts_of_its_jobs(world: World) -> None:
    answer = post_batch(world, {"requests": [WISH, WISH]})
    assert answer.status == 202
    location = answer.headers["Location"]
    assert answer.body["links"] == {"self": location, "firestore": location.removeprefix("/")}
    assert (answer.body["state"], answer.body["owner"]) == ("accepted", ADA)
    take_chunk(world.publisher.published[BATCH_CHUNKS][0].data, desk=world.desk)
    shown = world.get(location)
    assert (shown.status, shown.headers["Cache-Control"]) == (200, "no-store")
    assert (shown.body["state"], shown.body["placed"]) == ("placed", 2)
    assert shown.body["jobs"] == {"queued": 2, "in_progress": 0, "completed": 0, "failed": 0, "canceled": 0}


def test_a_batch_can_be_canceled(world: World) -> None:
    location = post_batch(world, {"requests": [WISH]}).headers["Location"]
    answer = world.call("POST", f"{location}:cancel")
    assert (answer.status, answer.body["state"]) == (202, "canceling")
    take_chunk(world.publisher.published[BATCH_CHUNKS][-1].data, desk=world.desk)
    assert world.get(location).body["state"] == "canceled"


def test_the_rows_of_a_batch_are_named_in_its_problem_document(world: World) -> None:
    answer = post_batch(world, {"requests": [WISH, {**WISH, "seed": -1}], "atomic": True})
    assert is_problem(answer, ErrorCode.INVALID_REQUEST)
    [error] = answer.body["errors"]
    assert (error["row"], error["field"], error["code"]) == (2, "seed", "greater_than_equal")
    assert not world.has_written_anything


def test_a_batch_may_be_larger_than_a_job_but_not_endless(world: World) -> None:
    many = {"requests": [{**WISH, "prompt": "x" * 500}] * 500}
    assert MAX_BODY_BYTES < len(json.dumps(many)) < MAX_BATCH_BODY_BYTES
    assert post_batch(world, many).status == 202
    assert is_problem(post_batch(world, b" " * (MAX_BATCH_BODY_BYTES + 1)), ErrorCode.PAYLOAD_TOO_LARGE)


def test_a_batch_must_be_called_json_too(world: World) -> None:
    answer = world.call("POST", "/batches", data=b"{}", content_type="application/jsonl")
    assert is_problem(answer, ErrorCode.UNSUPPORTED_MEDIA_TYPE)


def test_the_key_of_a_batch_is_not_the_key_of_a_job(world: World) -> None:
    job = world.post(Idempotency_Key="k1").body["job_id"]
    first, second = (post_batch(world, {"requests": [WISH]}, Idempotency_Key="k1") for _ in range(2))
    assert first.body == second.body
    assert first.body["batch_id"] != job
    conflict = post_batch(world, {"plan": "fresh-takes"}, Idempotency_Key="k1")
    assert is_problem(conflict, ErrorCode.IDEMPOTENCY_CONFLICT)


@pytest.mark.parametrize("batch_id", ["unknown-batch", "x", "__reserved__", "%2e%2e"])
def test_there_is_no_such_batch(world: World, batch_id: str) -> None:
    assert is_problem(world.get(f"/batches/{batch_id}"), ErrorCode.NOT_FOUND)
    assert is_problem(world.call("POST", f"/batches/{batch_id}:cancel"), ErrorCode.NOT_FOUND)


def test_anothers_batch_does_not_exist(world: World) -> None:
    location = post_batch(world, {"requests": [WISH]}).headers["Location"]
    stored = world.desk.batches.batch(location.removeprefix("/batches/"))
    assert stored
    world.desk.batches.replace(stored, stored.value.model_copy(update={"owner": "bob"}))
    assert is_problem(world.get(location), ErrorCode.NOT_FOUND)
    assert is_problem(world.call("POST", f"{location}:cancel"), ErrorCode.NOT_FOUND)
