"""The API when something behind it is broken, and the codes that it answers with."""

import json

import pytest
from http_api import RETRY_AFTER_S

from shared.errors import HTTP_STATUS, ErrorCode, Retryable
from tests.unit.http_world import World, is_problem


@pytest.fixture
def world() -> World:
    return World()


def test_a_store_that_does_not_answer_is_a_503_with_a_time_to_try_again(world: World) -> None:
    world.store.failure = Retryable("firestore at 10.0.0.1 does not answer")
    answer = world.get("/jobs/some-job")
    assert is_problem(answer, ErrorCode.UNAVAILABLE)
    assert answer.headers["Retry-After"] == str(RETRY_AFTER_S)
    assert "10.0.0.1" not in json.dumps(answer.body)


def test_a_store_that_does_not_take_the_job_is_a_503_and_the_key_works_afterwards(world: World) -> None:
    def no_answer() -> None:
        raise Retryable("no answer")

    world.store.meddling.append(no_answer)
    assert is_problem(world.post(Idempotency_Key="k1"), ErrorCode.UNAVAILABLE)
    assert not world.has_written_anything
    assert world.post(Idempotency_Key="k1").status == 202


def test_a_fault_of_ours_is_a_500_that_tells_nothing(world: World) -> None:
    world.store.failure = RuntimeError("secret detail")
    answer = world.get("/jobs/some-job")
    assert is_problem(answer, ErrorCode.INTERNAL)
    assert "secret" not in json.dumps(answer.body)


def test_a_publisher_that_is_down_is_no_reason_to_refuse(world: World) -> None:
    world.publisher.is_down = True
    assert world.post().status == 202


def test_every_code_of_the_api_was_given_in_some_test_or_belongs_to_a_job() -> None:
    only_in_jobs = {
        ErrorCode.MODEL_UNAVAILABLE,
        ErrorCode.RENDER_FAILED,
        ErrorCode.DEADLINE_EXCEEDED,
        ErrorCode.RENDER_GONE,
        ErrorCode.MANIFEST_GONE,
        ErrorCode.OUTPUT_REFUSED,
    }
    assert set(HTTP_STATUS) == set(ErrorCode) - only_in_jobs
    assert all(400 <= status < 600 for status, _ in HTTP_STATUS.values())
