"""A submission while somebody else writes in the same moment."""

import pytest
from callers import Caller

from shared.documents import Job, Render, State, Status
from shared.errors import ErrorCode, Rejected
from shared.job_store import Create
from shared.jobs import (
    publish,
    revive_render,
    touch,
)
from shared.requests import Priority
from shared.testing import (
    a_render,
)
from tests.unit.submit_world import KEY, World


@pytest.fixture
def world() -> World:
    return World()


def test_two_first_wishes_at_once_share_one_render_and_one_message(world: World) -> None:
    others: list[Job] = []
    world.store.meddling.append(lambda: others.append(world.submit(caller=Caller(owner="bob"))))
    mine = world.submit()
    assert {job.job_id for job in others} | {mine.job_id} == {
        stored.value.job_id for stored in world.store.waiting_jobs(KEY)
    }
    assert len(world.messages) == 1


def test_the_same_key_sent_twice_at_once_is_one_job(world: World) -> None:
    others: list[Job] = []
    world.store.meddling.append(lambda: others.append(world.submit(key="k1")))
    assert [world.submit(key="k1")] == others
    assert len(world.store.waiting_jobs(KEY)) == 1
    assert len(world.messages) == 1


def test_the_same_key_with_two_bodies_at_once_is_one_job_and_one_refusal(world: World) -> None:
    world.store.meddling.append(lambda: world.submit(key="k1", seed=2))
    with pytest.raises(Rejected) as caught:
        world.submit(key="k1")
    assert caught.value.code is ErrorCode.IDEMPOTENCY_CONFLICT
    assert world.store.render(KEY) is None


def test_a_worker_that_claims_between_the_message_and_its_note_goes_on_undisturbed(world: World) -> None:
    world.store.meddling.extend([lambda: None, world.claim])
    job = world.submit()
    assert (world.render().state, world.render().token) == (State.LEASED, 1)
    assert world.render().published_at is not None
    assert job.status is Status.QUEUED
    assert len(world.messages) == 1


def test_a_render_that_finishes_while_a_job_attaches_completes_that_job(world: World) -> None:
    world.submit()
    world.claim()
    world.store.meddling.append(world.finish)
    job = world.submit()
    assert job.status is Status.COMPLETED
    assert job.job_id in {event.job_id for event in world.events}


def test_a_render_that_fails_while_a_job_attaches_is_revived_for_it(world: World) -> None:
    first = world.submit()
    world.claim()
    world.store.meddling.append(world.fail)
    job = world.submit()
    assert world.job(first).status is Status.FAILED
    assert job.status is Status.QUEUED
    assert world.render().state is State.IDLE
    assert len(world.messages) == 2


def test_a_render_that_is_released_while_a_job_attaches_is_not_published_twice(world: World) -> None:
    world.submit()
    world.claim()
    world.store.meddling.append(world.release)
    assert world.submit().status is Status.QUEUED
    assert len(world.messages) == 1


def test_a_render_whose_message_is_acknowledged_while_a_job_attaches_is_published_again(world: World) -> None:
    world.submit()
    world.store.meddling.append(world.retire)
    world.submit()
    assert len(world.messages) == 2


def test_two_who_revive_the_same_render_at_once_revive_it_once(world: World) -> None:
    world.submit()
    world.claim()
    world.fail()
    world.store.meddling.extend([lambda: None, world.submit])
    world.submit()
    assert world.render().state is State.IDLE
    assert len(world.store.waiting_jobs(KEY)) == 2
    assert len(world.messages) == 2


def test_a_failed_render_that_changes_before_it_is_revived_is_read_again_and_revived(world: World) -> None:
    world.submit()
    world.claim()
    world.fail()
    world.store.meddling.extend([lambda: None, lambda: world.replace(touch(world.render(), now=world.clock.now()))])
    world.submit()
    assert world.render().state is State.IDLE
    assert len(world.messages) == 2


def test_a_failed_render_that_is_claimed_again_before_it_is_revived_is_left_to_its_worker(world: World) -> None:
    def revive_and_claim() -> None:
        world.replace(revive_render(world.render(), priority=Priority.BULK, now=world.clock.now()))
        world.claim()

    world.submit()
    world.claim()
    world.fail()
    world.store.meddling.extend([lambda: None, revive_and_claim])
    world.submit()
    assert (world.render().state, world.render().token) == (State.LEASED, 2)
    assert len(world.messages) == 2, "the worker may die, and this wish must not wait behind bulk"


def test_a_render_that_vanishes_while_a_job_attaches_is_created_again(world: World) -> None:
    render = a_render(now=world.clock.now())
    world.store.commit(Create(value=publish(render, now=world.clock.now())))
    world.store.meddling.append(lambda: setattr(world.store, "vanish", Render))
    job = world.submit()
    assert job.status is Status.QUEUED
    assert world.render().render_key == KEY
    assert len(world.messages) == 1


def test_every_wish_of_a_crowd_is_granted_by_one_render(world: World) -> None:
    jobs = [world.submit(caller=Caller(owner=f"person-{each}")) for each in range(50)]
    world.claim()
    world.finish()
    assert {world.job(job).status for job in jobs} == {Status.COMPLETED}
    assert len(world.messages) == 1
    assert sorted(event.job_id for event in world.events) == sorted(job.job_id for job in jobs)
