"""A message whose work breaks, or whose world does not answer: what it costs, and when it comes back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gpu_job.message_source import MAX_DELAY_S
from gpu_job.render_job import render_job
from gpu_job.renderer import NotServedError, UnfitError
from shared.documents import State, Status
from shared.errors import ErrorCode, Permanent, Retryable
from shared.jobs import MAX_ATTEMPTS, MAX_RETRIES, revive_render
from shared.requests import Priority
from tests.unit.render_job_world import PATIENCE_S, handle, raising
from tests.unit.worker_world import GreyRenderer, World, no_answer

if TYPE_CHECKING:
    from pathlib import Path

    from gpu_job.renderer import Renderer, Watch


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa", "job-bbbb")
    return world


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


def test_workers_that_do_not_serve_the_model_cost_nothing_however_often_the_message_meets_them(world: World) -> None:
    renderer = GreyRenderer(raising(NotServedError("This worker does not serve pocket; another may.")))

    handle_again_and_again(world, renderer, times=MAX_RETRIES + 5)

    assert set(world.source.put_back_after) == {10}
    assert (world.render.state, world.render.attempts, world.render.retries) == (State.IDLE, 0, 0)
    handle(world)
    assert world.render.state is State.COMPLETED


def test_the_video_is_made_once_the_world_answers_again(world: World) -> None:
    handle_again_and_again(world, GreyRenderer(raising(Retryable("no answer"))), times=MAX_ATTEMPTS + 1)

    handle(world)

    assert world.render.state is State.COMPLETED
    assert len(world.source.acknowledged) == 1


def test_a_world_that_does_not_answer_for_hours_ends_the_render_with_the_reason(world: World) -> None:
    renderer = GreyRenderer(raising(Retryable("the model hub does not answer")))

    handle_again_and_again(world, renderer, times=MAX_RETRIES + 1)

    assert len(world.source.put_back_after) == MAX_RETRIES
    assert sum(world.source.put_back_after) > 2 * 3600
    assert (world.render.state, world.render.attempts) == (State.FAILED, 1)
    error = world.job("job-aaaa").error
    assert error
    assert error.code is ErrorCode.UNAVAILABLE
    assert error.message == "It was tried again 20 times, in vain: the model hub does not answer"
    assert len(world.source.acknowledged) == 1


def test_who_wishes_again_for_what_was_tried_too_often_has_all_retries_again(world: World) -> None:
    renderer = GreyRenderer(raising(Retryable("no answer")))
    handle_again_and_again(world, renderer, times=MAX_RETRIES + 1)
    assert revive_render(world.render, priority=Priority.BULK, now=world.clock.now()).retries == 0


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

    world.store.meddling.clear()
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


@pytest.mark.parametrize("fault", [ImportError("no CUDA"), ValueError("no such device"), Retryable("no answer")])
def test_a_renderer_that_can_not_even_be_made_is_the_fault_of_the_worker_which_must_end(
    world: World, fault: Exception
) -> None:
    message = world.next_message()
    workshop = world.workshop()

    def no_renderer() -> Renderer:
        raise fault

    object.__setattr__(workshop, "renderer", no_renderer)
    with pytest.raises(UnfitError, match=str(fault)):
        render_job(message, workshop=workshop)

    assert (world.render.state, world.render.attempts, world.render.retries) == (State.IDLE, 0, 0)
    assert world.job("job-aaaa").status is Status.QUEUED
    assert world.source.acknowledged == []
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
