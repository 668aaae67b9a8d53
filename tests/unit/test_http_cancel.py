"""Jobs that are canceled and deleted over HTTP."""

from typing import Any

import pytest

from shared.errors import ErrorCode, Retryable
from shared.job_store import Create
from shared.messages import JOB_EVENTS
from shared.testing import a_job, a_render
from tests.unit.http_world import WISH, World, is_problem


@pytest.fixture
def world() -> World:
    return World()


def test_a_canceled_job_is_shown_as_it_is_stored(world: World) -> None:
    job = world.post().body
    answer = world.call("POST", f"/jobs/{job['job_id']}:cancel")
    assert (answer.status, answer.body["status"]) == (200, "canceled")
    assert answer.body == world.get(f"/jobs/{job['job_id']}").body
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(world.publisher.published[JOB_EVENTS]) == 1


def test_a_completed_job_that_is_canceled_is_shown_with_its_video(world: World) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    answer = world.call("POST", f"/jobs/{job['job_id']}:cancel")
    assert (answer.status, answer.body["status"]) == (200, "completed")
    assert answer.body["links"]["video"] == f"/jobs/{job['job_id']}/video"


def test_canceling_again_is_no_fault(world: World) -> None:
    job = world.post().body
    answers = [world.call("POST", f"/jobs/{job['job_id']}:cancel") for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert len(world.publisher.published[JOB_EVENTS]) == 1


def test_a_cancel_is_answered_while_nobody_takes_events(world: World) -> None:
    job = world.post().body
    world.publisher.is_down = True
    assert world.call("POST", f"/jobs/{job['job_id']}:cancel").body["status"] == "canceled"


def test_a_deleted_job_is_gone_and_a_public_video_is_not(world: World) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    answer = world.call("DELETE", f"/jobs/{job['job_id']}")
    assert (answer.status, answer.data) == (204, b"")
    assert is_problem(world.get(f"/jobs/{job['job_id']}"), ErrorCode.NOT_FOUND)
    assert is_problem(world.call("DELETE", f"/jobs/{job['job_id']}"), ErrorCode.NOT_FOUND)
    assert world.post().status == 200


def test_a_video_of_ones_own_words_is_deleted_with_its_job(world: World) -> None:
    wish = {**WISH, "prompt": "a moth at the lamp"}
    job = world.post(wish).body
    world.finish(job["render_key"])
    assert world.call("DELETE", f"/jobs/{job['job_id']}").status == 204
    assert world.artifacts.get(job_video(world, job)) is None
    assert world.store.render(job["render_key"]) is None
    assert world.post(wish).status == 202


def job_video(world: World, job: dict[str, Any]) -> str:
    assert world.store.job(job["job_id"]) is None
    return f"renders/{job['render_key']}/video.mp4"


@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs/{}:cancel"), ("DELETE", "/jobs/{}")])
@pytest.mark.parametrize("job_id", ["unknown-job", "x", "__reserved__", "ümlauted"])
def test_what_is_not_there_is_neither_canceled_nor_deleted(world: World, method: str, path: str, job_id: str) -> None:
    assert is_problem(world.call(method, path.format(job_id)), ErrorCode.NOT_FOUND)
    assert not world.has_written_anything


@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs/{}:cancel"), ("DELETE", "/jobs/{}")])
def test_anothers_job_is_neither_canceled_nor_deleted(world: World, method: str, path: str) -> None:
    render = a_render(now=world.clock.now())
    job = a_job(render, job_id="anothers-job", now=world.clock.now(), owner="bob")
    world.store.commit(Create(value=render), Create(value=job))
    before = dict(world.store._documents)
    anothers, nobodys = world.call(method, path.format("anothers-job")), world.call(method, path.format("nobodys-job"))
    assert is_problem(anothers, ErrorCode.NOT_FOUND)
    assert anothers.body == nobodys.body
    assert world.store._documents == before


def test_a_job_that_is_deleted_while_it_is_canceled_is_not_found(world: World) -> None:
    job = world.post().body
    world.store.meddling.append(lambda: world.call("DELETE", f"/jobs/{job['job_id']}"))
    assert is_problem(world.call("POST", f"/jobs/{job['job_id']}:cancel"), ErrorCode.NOT_FOUND)


@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs/{}:cancel"), ("DELETE", "/jobs/{}")])
def test_a_store_that_does_not_take_it_is_a_503_and_it_works_afterwards(world: World, method: str, path: str) -> None:
    def no_answer() -> None:
        raise Retryable("no answer")

    job = world.post().body
    world.store.meddling.append(no_answer)
    assert is_problem(world.call(method, path.format(job["job_id"])), ErrorCode.UNAVAILABLE)
    assert world.get(f"/jobs/{job['job_id']}").body["status"] == "queued"
    assert world.call(method, path.format(job["job_id"])).status < 300
