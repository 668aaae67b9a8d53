"""One message, from claim to acknowledgement, in memory and with a renderer that draws grey."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

import pytest

from gpu_job.heartbeat import Interrupted, PreemptedError
from gpu_job.render_job import render_job
from shared.artifact_paths import video_path
from shared.documents import State, Status
from shared.messages import RENDER_REQUESTS_DEAD
from shared.settling import BATCH_JOBS
from tests.unit.render_job_world import PATIENCE_S, handle, until_stopped
from tests.unit.worker_world import GreyRenderer, World, no_answer, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gpu_job.renderer import Watch
    from shared.documents import Job
    from shared.job_store import Stored


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa", "job-bbbb")
    return world


def test_a_wish_becomes_a_video_and_then_its_message_is_acknowledged(world: World) -> None:
    handle(world)

    assert (world.render.state, world.render.progress) == (State.COMPLETED, 100)
    assert world.render.video
    assert (world.render.video.width, world.render.video.frames) == (256, 33)
    assert world.artifacts.read(video_path(world.key))[4:8] == b"ftyp"
    assert len(world.source.acknowledged) == 1
    assert world.source.put_back_after == []


def test_lease_and_message_are_renewed_while_the_work_goes_on_and_the_jobs_hear_of_it(world: World) -> None:
    in_the_middle = threading.Event()
    world.source.meddling.before("extend", in_the_middle.set)

    handle(world, GreyRenderer(lambda _: None if in_the_middle.wait(PATIENCE_S) else pytest.fail("no heartbeat")))

    assert set(world.source.extended) == {60}
    assert world.job("job-aaaa").status is Status.IN_PROGRESS
    assert world.job("job-aaaa").started_at


def test_a_render_that_thousands_wait_for_is_made_by_a_store_that_has_no_time_to_read_them_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [f"job-{number:05}" for number in range(3000)]
    world.wish(*job_ids)
    waiting_jobs = world.store.waiting_jobs

    def in_time(render_key: str, *, limit: int | None = None) -> Sequence[Stored[Job]]:
        if limit is None or limit > BATCH_JOBS:
            no_answer()
        return waiting_jobs(render_key, limit=limit)

    monkeypatch.setattr(world.store, "waiting_jobs", in_time)

    def told_to_go(watch: Watch) -> None:
        world.inbox.put(Interrupted())
        until_stopped(watch)

    with pytest.raises(PreemptedError):
        handle(world, GreyRenderer(told_to_go))
    assert world.render.state is State.IDLE, "it was given back"
    world.inbox = queue.SimpleQueue()  # of another process

    handle(world)

    assert (world.render.state, world.render.attempts) == (State.COMPLETED, 1)
    assert max(map(len, world.store.jobs_written)) <= BATCH_JOBS
    world.claimant("notify").claim(world.key)  # settles it
    assert {world.job(job_id).status for job_id in job_ids} == {Status.COMPLETED}


def test_an_unreadable_message_goes_to_the_dead_letters_and_is_acknowledged_once_it_is_there(world: World) -> None:
    world.source.acknowledge(world.next_message())
    world.send_message(b"{render: me}")

    handle(world)

    [dead] = world.publisher.published[RENDER_REQUESTS_DEAD]
    assert dead.data == b"{render: me}"
    assert dead.attributes == {"reason": "malformed_request"}
    assert [message.data for message in world.source.acknowledged[1:]] == [b"{render: me}"]


def test_an_unreadable_message_that_can_not_be_moved_comes_back(world: World) -> None:
    world.source.acknowledge(world.next_message())
    world.send_message(b"{render: me}")
    world.publisher.meddling.before("publish", no_answer)

    handle(world)

    assert len(world.source.acknowledged) == 1
    assert world.source.put_back_after == [10]


def test_the_message_for_a_render_that_another_holds_comes_back_when_that_lease_ends(world: World) -> None:
    world.claim("worker-b")
    world.clock.pass_s(40)
    renderer = GreyRenderer()

    handle(world, renderer)

    assert world.source.put_back_after == [21]
    assert world.source.acknowledged == []
    assert renderer.renders == 0


def test_the_second_message_for_a_render_that_is_ready_is_acknowledged_without_work(world: World) -> None:
    world.send_message()
    handle(world)
    renderer = GreyRenderer()

    handle(world, renderer)

    assert len(world.source.acknowledged) == 2
    assert renderer.renders == 0
    assert world.job("job-aaaa").status is Status.COMPLETED


def test_a_video_that_another_attempt_uploaded_in_the_last_moment_is_success(world: World) -> None:
    world.artifacts.meddling.before("create", nothing, nothing, lambda: world.commit_video("7-another"))

    handle(world)

    assert world.render.state is State.COMPLETED
    assert world.render.video
    assert "7-another" in world.render.video.poster_path
    assert len(world.source.acknowledged) == 1


def test_an_object_in_the_videos_place_that_no_worker_made_ends_in_a_failure_and_not_in_a_crash(world: World) -> None:
    world.artifacts.meddling.before("create", nothing, nothing, world.put_rubbish_in_place_of_the_video)

    handle(world)

    assert world.job("job-aaaa").status is Status.FAILED
    assert len(world.source.acknowledged) == 1


def test_a_video_that_is_there_survives_a_store_that_does_not_answer_afterwards(world: World) -> None:
    """The next delivery finds the object, so nothing is rendered twice."""

    def the_store_goes_away() -> None:
        world.store.meddling.before("render", no_answer)

    world.artifacts.meddling.before("create", nothing, nothing, the_store_goes_away)
    renderer = GreyRenderer()
    message = world.next_message()
    workshop = world.workshop(renderer)
    render_job(message, workshop=workshop)
    assert world.source.acknowledged == []
    world.source.extend(message, deadline_s=0)

    handle(world, renderer)

    assert renderer.renders == 1
    assert world.job("job-aaaa").status is Status.COMPLETED
    assert len(world.source.acknowledged) == 1


def test_a_video_that_is_deleted_in_the_moment_of_its_upload_is_made_again_and_not_acknowledged(world: World) -> None:
    world.artifacts.meddling.before("get", nothing, lambda: world.artifacts.forget(video_path(world.key)))
    message = world.next_message()
    renderer = GreyRenderer()
    render_job(message, workshop=world.workshop(renderer))
    assert world.source.acknowledged == []
    assert world.source.put_back_after == [10]
    world.source.extend(message, deadline_s=0)

    handle(world, renderer)

    assert renderer.renders == 2
    assert world.render.state is State.COMPLETED
    assert len(world.source.acknowledged) == 1


def test_a_store_that_does_not_answer_to_the_claim_brings_the_message_back(world: World) -> None:
    world.store.meddling.before("render", no_answer)

    handle(world)

    assert world.source.put_back_after == [10]
    assert world.render.state is State.IDLE


def test_a_message_that_nobody_waits_for_is_acknowledged_without_work(world: World) -> None:
    world.cancel("job-aaaa", "job-bbbb")
    renderer = GreyRenderer()

    handle(world, renderer)

    assert len(world.source.acknowledged) == 1
    assert renderer.renders == 0
