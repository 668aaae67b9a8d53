"""One message, from claim to acknowledgement, in memory and with a renderer that draws grey."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gpu_job import heartbeat
from gpu_job.heartbeat import HungError, Interrupted, PreemptedError
from gpu_job.message_source import MAX_DELAY_S
from gpu_job.render_job import render_job
from gpu_job.renderer import RenderStopped
from shared.artifact_paths import video_path
from shared.documents import Stage, State, Status
from shared.errors import ErrorCode, Permanent, Retryable
from shared.jobs import MAX_ATTEMPTS
from shared.messages import RENDER_REQUESTS_DEAD
from tests.unit.worker_world import GreyRenderer, Meddling, World, no_answer, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from gpu_job.renderer import Renderer, Watch
    from shared.requests import RenderSpec

#: For what must not last at all: a test that fails does not hang.
PATIENCE_S = 5.0


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa", "job-bbbb")
    return world


@pytest.fixture
def fast_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats that come soon enough for a test."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)


def raising(error: Exception) -> Callable[[Watch], None]:
    def at_step(_: Watch) -> None:
        raise error

    return at_step


def until_stopped(watch: Watch) -> None:
    """Work on and on at the first step."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / 0.005)):
        watch.moved(Stage.RENDERING, 1, 4)
        pause.wait(0.005)
    pytest.fail("nobody stopped the work")


def handle(world: World, renderer: Renderer | None = None) -> None:
    """Let a worker handle the next message."""
    render_job(world.next_message(), workshop=world.workshop(renderer))


def test_a_wish_becomes_a_video_and_then_its_message_is_acknowledged(world: World) -> None:
    handle(world)

    assert (world.render.state, world.render.progress) == (State.COMPLETED, 100)
    assert world.render.video
    assert (world.render.video.width, world.render.video.frames) == (64, 17)
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


def handle_again_and_again(world: World, renderer: Renderer, *, times: int) -> None:
    """Let a worker handle the message as often as it comes; no delay is waited for."""
    for _ in range(times):
        message = world.next_message()
        render_job(message, workshop=world.workshop(renderer))
        world.source.extend(message, deadline_s=0)


def test_a_world_that_does_not_answer_costs_no_attempt_however_long_and_delays_grow_up_to_a_limit(
    world: World,
) -> None:
    renderer = GreyRenderer(raising(Retryable("the model hub does not answer")))

    handle_again_and_again(world, renderer, times=9)

    assert world.source.put_back_after == [10, 20, 40, 80, 160, 320, MAX_DELAY_S, MAX_DELAY_S, MAX_DELAY_S]
    assert (world.render.state, world.render.attempts, world.render.retries) == (State.IDLE, 0, 9)
    assert world.job("job-aaaa").status is Status.QUEUED
    assert world.source.acknowledged == []
    assert world.events == []


def test_the_video_is_made_once_the_world_answers_again(world: World) -> None:
    handle_again_and_again(world, GreyRenderer(raising(Retryable("no answer"))), times=MAX_ATTEMPTS + 1)

    handle(world)

    assert world.render.state is State.COMPLETED
    assert len(world.source.acknowledged) == 1


def test_a_thousand_retries_are_no_number_too_large(world: World) -> None:
    world.change_render(retries=5000)
    workshop = world.workshop(GreyRenderer(raising(Retryable("no answer"))), retry_backoff_s=0.5)

    render_job(world.next_message(), workshop=workshop)

    assert world.source.put_back_after == [MAX_DELAY_S]


def test_retries_leave_all_attempts_to_work_that_breaks(world: World) -> None:
    handle_again_and_again(world, GreyRenderer(raising(Retryable("no answer"))), times=MAX_ATTEMPTS)

    handle_again_and_again(world, GreyRenderer(raising(ValueError("oops"))), times=MAX_ATTEMPTS - 1)
    assert (world.render.state, world.render.attempts, world.render.retries) == (State.IDLE, 2, 3)
    assert world.source.put_back_after == [10, 20, 40, 10, 20]

    handle(world, GreyRenderer(raising(ValueError("oops"))))
    assert world.render.state is State.FAILED


def test_a_lease_that_could_not_be_given_back_waits_as_long_as_before_and_is_taken_up_again(world: World) -> None:
    """The retry goes uncounted, so the delay does not grow; it is never shorter than the first."""
    world.change_render(retries=2)

    def the_store_goes_away(_: Watch) -> None:
        world.store.meddling.before("waiting_jobs", *[no_answer] * 20)
        raise Retryable("no answer")

    message = world.next_message()
    render_job(message, workshop=world.workshop(GreyRenderer(the_store_goes_away)))
    assert (world.render.state, world.render.retries) == (State.LEASED, 2)
    assert world.source.put_back_after == [20]

    world.store.meddling = Meddling()
    world.source.extend(message, deadline_s=0)
    handle(world)
    assert world.render.state is State.COMPLETED


def test_the_first_retry_that_could_not_be_counted_still_waits(world: World) -> None:
    def the_store_goes_away(_: Watch) -> None:
        world.store.meddling.before("waiting_jobs", *[no_answer] * 20)
        raise Retryable("no answer")

    handle(world, GreyRenderer(the_store_goes_away))

    assert world.render.retries == 0
    assert world.source.put_back_after == [10]


def test_a_lease_that_went_to_another_while_the_world_was_silent_is_left_to_it(world: World) -> None:
    first_beat = threading.Event()
    world.source.meddling.before("extend", first_beat.set)

    def robbed(_: Watch) -> None:
        assert first_beat.wait(PATIENCE_S)
        world.change_render(holder="worker-b", token=9)
        raise Retryable("no answer")

    handle(world, GreyRenderer(robbed))

    assert (world.render.state, world.render.holder, world.render.retries) == (State.LEASED, "worker-b", 0)
    assert world.source.put_back_after == [10]


def test_a_fault_of_our_own_is_retried_with_growing_delays_and_its_reason_tells_its_kind_but_not_its_words(
    world: World,
) -> None:
    renderer = GreyRenderer(raising(ValueError("a private prompt")))

    workshop = world.workshop(renderer)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        message = world.next_message()
        render_job(message, workshop=workshop)
        world.source.extend(message, deadline_s=0)  # the delay passes
        if attempt < MAX_ATTEMPTS:
            assert (world.render.state, world.render.attempts) == (State.IDLE, attempt)
            assert world.job("job-aaaa").status is Status.QUEUED

    assert world.source.put_back_after == [10, 20]
    assert len(world.source.acknowledged) == 1
    error = world.job("job-aaaa").error
    assert error
    assert (error.code, error.message) == (ErrorCode.RENDER_FAILED, "3 attempts failed: ValueError")
    assert [(event.job_id, event.error) for event in world.events] == [("job-aaaa", error), ("job-bbbb", error)]


def test_a_renderer_that_can_not_even_be_made_is_an_attempt_that_failed(world: World) -> None:
    message = world.next_message()
    workshop = world.workshop()

    def no_renderer() -> Renderer:
        raise ImportError("no CUDA")

    object.__setattr__(workshop, "renderer", no_renderer)
    render_job(message, workshop=workshop)

    assert (world.render.state, world.render.attempts) == (State.IDLE, 1)
    assert world.source.put_back_after == [10]


def test_what_can_never_work_fails_at_the_first_attempt(world: World) -> None:
    handle(world, GreyRenderer(raising(Permanent("Frames are not finite.", code=ErrorCode.MODEL_UNAVAILABLE))))

    assert world.render.state is State.FAILED
    error = world.job("job-bbbb").error
    assert error
    assert (error.code, error.message) == (ErrorCode.MODEL_UNAVAILABLE, "Frames are not finite.")
    assert [event.status for event in world.events] == [Status.FAILED, Status.FAILED]
    assert len(world.source.acknowledged) == 1


def test_a_failure_that_could_not_be_written_brings_the_message_back(world: World) -> None:
    def the_store_goes_away(_: Watch) -> None:
        world.store.meddling.before("commit", *[no_answer] * 20)
        raise Permanent("Frames are not finite.")

    handle(world, GreyRenderer(the_store_goes_away))

    assert world.source.acknowledged == []
    assert world.source.put_back_after == [10]


def test_preemption_gives_lease_and_message_back_at_once_and_costs_no_attempt(world: World) -> None:
    def told_to_go(watch: Watch) -> None:
        world.inbox.put(Interrupted())
        until_stopped(watch)

    with pytest.raises(PreemptedError):
        handle(world, GreyRenderer(told_to_go))

    assert (world.render.state, world.render.attempts) == (State.IDLE, 0)
    assert world.job("job-aaaa").status is Status.QUEUED
    assert world.source.put_back_after == [0]
    assert world.next_message()


def test_preemption_does_not_wait_for_a_step_that_lasts(world: World) -> None:
    end_of_test = threading.Event()

    def long_step(_: Watch) -> None:
        world.inbox.put(Interrupted())
        end_of_test.wait(PATIENCE_S)

    with pytest.raises(PreemptedError):
        handle(world, GreyRenderer(long_step))

    assert not end_of_test.is_set()
    assert world.render.state is State.IDLE
    end_of_test.set()


@pytest.mark.parametrize("service", ["store", "source"])
def test_preemption_ends_the_worker_even_when_nothing_can_be_given_back(world: World, service: str) -> None:
    def told_to_go(watch: Watch) -> None:
        if service == "store":
            world.store.meddling.before("waiting_jobs", *[no_answer] * 20)
        else:
            world.source.meddling.before("put_back", *[no_answer] * 20)
        world.inbox.put(Interrupted())
        until_stopped(watch)

    with pytest.raises(PreemptedError):
        handle(world, GreyRenderer(told_to_go))

    assert world.source.acknowledged == []


def test_a_hung_render_is_given_back_and_the_process_must_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)
    monkeypatch.setattr(heartbeat, "LIMIT_S", dict.fromkeys(Stage, 0.05))
    end_of_test = threading.Event()

    with pytest.raises(HungError):
        handle(world, GreyRenderer(lambda _: (end_of_test.wait(PATIENCE_S), None)[1]))

    assert (world.render.state, world.render.attempts) == (State.IDLE, 1)
    assert world.source.put_back_after == [0]
    end_of_test.set()


@pytest.mark.usefixtures("fast_heart")
def test_the_work_stops_when_the_last_job_is_canceled_and_the_message_is_acknowledged(world: World) -> None:
    def canceled(watch: Watch) -> None:
        world.cancel("job-aaaa", "job-bbbb")
        until_stopped(watch)

    handle(world, GreyRenderer(canceled))

    assert (world.render.state, world.render.attempts, world.render.published_at) == (State.IDLE, 0, None)
    assert world.artifacts.get(video_path(world.key)) is None
    assert len(world.source.acknowledged) == 1


@pytest.mark.usefixtures("fast_heart")
def test_a_job_that_attaches_to_work_that_was_just_stopped_is_served_by_the_same_message(world: World) -> None:
    class OneCancel(GreyRenderer):
        def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
            if self.renders == 0:
                world.cancel("job-aaaa", "job-bbbb")
                self.renders += 1
                try:
                    until_stopped(watch)
                except RenderStopped:
                    world.wish("job-cccc")
                    raise
            yield from super().render(spec, watch=watch)

    handle(world, OneCancel())

    assert world.render.state is State.COMPLETED
    assert len(world.source.acknowledged) == 1


@pytest.mark.usefixtures("fast_heart")
def test_the_work_stops_when_the_lease_went_to_another_and_the_message_waits_for_that_one(world: World) -> None:
    def robbed(watch: Watch) -> None:
        world.change_render(holder="worker-b", token=9)
        until_stopped(watch)

    handle(world, GreyRenderer(robbed))

    assert (world.render.state, world.render.holder, world.render.token) == (State.LEASED, "worker-b", 9)
    assert world.source.acknowledged == []
    assert world.source.put_back_after == [61]


@pytest.mark.usefixtures("fast_heart")
def test_the_work_stops_when_another_committed_first_and_the_jobs_get_that_video(world: World) -> None:
    def overtaken(watch: Watch) -> None:
        world.commit_video("7-another")
        world.claimant("worker-b").claim(world.key)
        until_stopped(watch)

    handle(world, GreyRenderer(overtaken))

    assert world.job("job-aaaa").status is Status.COMPLETED
    assert world.artifacts.created == [video_path(world.key)]
    assert len(world.source.acknowledged) == 1


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
