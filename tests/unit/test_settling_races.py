"""Settling, whatever happens in between: others who write, and services that do not answer."""

from collections import Counter

import pytest

from shared.documents import State, Status
from shared.errors import Retryable
from shared.job_store import Replace
from shared.jobs import Ending, release_render
from shared.settling import settle
from tests.unit.settling_world import World


@pytest.fixture
def world() -> World:
    return World()


def test_a_job_that_attaches_in_the_middle_is_settled_too(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.store.meddling.append(lambda: world.attach("job-0002"))
    world.settle()
    assert world.job("job-0002").status is Status.FAILED
    assert Counter(event.job_id for event in world.events) == {"job-0001": 1, "job-0002": 1}


def test_a_job_that_is_canceled_in_the_middle_stays_canceled_and_holds_nobody_up(world: World) -> None:
    def cancel() -> None:
        stored = world.store.job("job-0001")
        assert stored
        canceled = stored.value.model_copy(update={"status": Status.CANCELED})
        world.store.commit(Replace(stored=stored, value=canceled))

    world.attach("job-0001", "job-0002")
    world.fail()
    world.store.meddling.append(cancel)
    world.settle()
    assert world.job("job-0001").status is Status.CANCELED
    assert world.job("job-0002").status is Status.FAILED
    assert [event.job_id for event in world.events] == ["job-0002"]


def test_two_who_settle_at_once_leave_every_job_final_and_no_event_pending(world: World) -> None:
    world.attach("job-0001", "job-0002")
    world.fail()
    world.store.meddling.append(world.settle)
    world.settle()
    assert Counter(event.job_id for event in world.events) == {"job-0001": 1, "job-0002": 1}
    assert not world.job("job-0001").event_pending


def test_who_is_overtaken_between_publishing_and_clearing_repeats_an_event_and_loses_none(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.store.meddling.extend([lambda: None, world.settle])
    world.settle()
    assert {event.job_id for event in world.events} == {"job-0001"}
    assert len({event.event_id for event in world.events}) == 1
    assert not world.job("job-0001").event_pending


def test_a_render_that_is_revived_in_the_middle_keeps_its_jobs_waiting(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.store.meddling.append(world.revive)
    world.settle()
    assert world.render.value.state is State.IDLE
    assert world.job("job-0001").status is Status.QUEUED
    assert world.events == []


def test_who_lost_the_render_writes_nothing_to_its_jobs(world: World) -> None:
    world.attach("job-0001", status=Status.IN_PROGRESS)
    world.fail()
    stale = world.render
    world.revive()
    world.claim()
    settle(stale, store=world.store, publisher=world.publisher, now=world.clock.now)
    assert world.job("job-0001").status is Status.IN_PROGRESS
    assert world.events == []


def test_a_released_render_is_not_settled_by_who_still_thinks_it_failed(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    stale = world.render
    world.revive()
    world.claim()
    world.replace_render(release_render(world.render.value, now=world.clock.now(), ending=Ending.BROKEN))
    settle(stale, store=world.store, publisher=world.publisher, now=world.clock.now)
    assert world.job("job-0001").status is Status.QUEUED


def no_answer() -> None:
    raise Retryable("no answer")


def test_while_the_publisher_is_down_jobs_are_final_and_their_events_wait(world: World) -> None:
    world.attach("job-0001", "job-0002")
    world.fail()
    world.publisher.is_down = True
    with pytest.raises(Retryable, match="nobody takes messages"):
        world.settle()
    assert [(world.job(each).status, world.job(each).event_pending) for each in ("job-0001", "job-0002")] == [
        (Status.FAILED, True),
        (Status.FAILED, True),
    ]
    assert world.events == []
    world.publisher.is_down = False
    world.settle()
    assert sorted(event.job_id for event in world.events) == ["job-0001", "job-0002"]
    assert not world.job("job-0001").event_pending


@pytest.mark.parametrize("commits_before", [0, 1])
def test_what_a_silent_store_left_undone_is_done_by_the_next_call(world: World, commits_before: int) -> None:
    world.attach("job-0001")
    world.fail()
    world.store.meddling.extend([*[lambda: None] * commits_before, no_answer])
    with pytest.raises(Retryable, match="no answer"):
        world.settle()
    world.settle()
    assert world.job("job-0001").status is Status.FAILED
    assert not world.job("job-0001").event_pending
    assert {event.job_id for event in world.events} == {"job-0001"}
