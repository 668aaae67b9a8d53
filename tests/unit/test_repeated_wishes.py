"""The same wish again, with the same key or another: what is stored and published then."""

import pytest
from callers import Caller

from shared.documents import Job, State, Status
from shared.errors import ErrorCode, Rejected, Retryable
from shared.messages import RenderRequested
from shared.outbox import OLD_EVENT
from shared.requests import PUBLIC
from shared.testing import (
    TRACEPARENT,
)
from tests.unit.submit_world import KEY, World, no_answer


@pytest.fixture
def world() -> World:
    return World()


def test_a_second_job_on_the_same_wish_sends_no_second_message(world: World) -> None:
    first, second = world.submit(), world.submit(caller=Caller(owner="bob"))
    assert first.job_id != second.job_id
    assert first.render_key == second.render_key == KEY
    assert world.render().spec.scope == PUBLIC
    assert len(world.messages) == 1
    assert len(world.store.waiting_jobs(KEY)) == 2


def test_the_same_words_of_two_owners_are_two_renders(world: World) -> None:
    world.submit(prompt="a moth")
    world.submit(prompt="a moth", caller=Caller(owner="bob"))
    assert len({message.render_key for message in world.messages}) == 2


def test_a_wish_for_what_is_being_made_waits_for_it_without_a_message(world: World) -> None:
    world.submit()
    world.claim()
    job = world.submit()
    assert job.status is Status.QUEUED
    assert len(world.messages) == 1
    world.finish()
    assert world.job(job).status is Status.COMPLETED


def test_a_wish_for_a_render_whose_message_was_acknowledged_sends_another(world: World) -> None:
    world.submit()
    world.retire()
    world.submit()
    assert len(world.messages) == 2
    assert world.render().published_at == world.clock.now()


def test_a_repeated_key_is_the_stored_job_and_sends_nothing(world: World) -> None:
    first = world.submit(key="k1")
    world.claim()
    assert world.submit(key="k1") == first
    assert len(world.messages) == 1
    assert len(world.store.waiting_jobs(KEY)) == 1


def test_a_repeated_key_with_other_white_space_is_another_body(world: World) -> None:
    world.submit(key="k1")
    with pytest.raises(Rejected) as caught:
        world.submit(key="k1", prompt=" ")
    assert caught.value.code is ErrorCode.IDEMPOTENCY_CONFLICT


def test_a_repeated_key_whose_job_vanished_in_the_same_moment_can_be_tried_again(world: World) -> None:
    world.submit(key="k1")
    world.store.vanish, world.store.readings = Job, 1
    with pytest.raises(Retryable):
        world.submit(key="k1")
    assert world.submit(key="k1").status is Status.QUEUED


def test_a_repeated_key_whose_job_is_gone_by_then_is_a_new_wish(world: World) -> None:
    world.submit(key="k1")
    world.store.vanish = Job
    assert world.submit(key="k1").status is Status.QUEUED


def test_a_repeated_key_finishes_what_the_first_time_left_in_the_middle(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.store.meddling.extend([lambda: None, no_answer])
    assert world.submit(key="k1").status is Status.QUEUED

    again = world.submit(key="k1")

    assert again.status is Status.COMPLETED
    assert again.job_id in {event.job_id for event in world.events}


def test_a_repeated_key_sends_the_message_that_its_first_time_could_not_send(world: World) -> None:
    world.publisher.is_down = True
    first = world.submit(key="k1")
    assert world.messages == []
    world.publisher.is_down = False

    assert world.submit(key="k1") == first

    assert world.messages == [RenderRequested(render_key=KEY, traceparent=TRACEPARENT)]
    assert world.render().published_at == world.clock.now()


def test_a_repeated_key_is_answered_with_its_job_while_nobody_takes_messages_still(world: World) -> None:
    world.publisher.is_down = True
    first = world.submit(key="k1")

    assert world.submit(key="k1") == first
    assert world.render().published_at is None


def test_a_repeated_key_tells_the_world_of_its_final_job_that_it_was_not_told_of(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.publisher.is_down = True
    first = world.submit(key="k1")
    assert first.event_pending
    world.publisher.is_down = False
    assert world.submit(key="k1").event_pending, "at first it is left to whoever made the job final"
    world.clock.pass_s(OLD_EVENT.total_seconds())

    again = world.submit(key="k1")

    assert (again.status, again.event_pending) == (Status.COMPLETED, False)
    assert world.job(first) == again
    assert [event.job_id for event in world.events].count(first.job_id) == 1
    world.submit(key="k1")
    assert [event.job_id for event in world.events].count(first.job_id) == 1


def test_a_repeated_key_of_a_final_job_is_answered_while_nobody_takes_events_still(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.publisher.is_down = True
    first = world.submit(key="k1")

    assert world.submit(key="k1") == first
    assert world.job(first).event_pending


def test_a_repeated_key_that_completes_its_job_says_so_even_when_nobody_takes_events(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.store.meddling.extend([lambda: None, no_answer])
    assert world.submit(key="k1").status is Status.QUEUED
    world.publisher.is_down = True

    again = world.submit(key="k1")

    assert (again.status, again.event_pending) == (Status.COMPLETED, True)
    assert world.job(again) == again


def test_a_repeated_key_of_a_failed_job_does_not_wish_again(world: World) -> None:
    world.submit(key="k1")
    world.claim()
    world.fail()

    assert world.submit(key="k1").status is Status.FAILED
    assert world.render().state is State.FAILED
    assert len(world.messages) == 1
