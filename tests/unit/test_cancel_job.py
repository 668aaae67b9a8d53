"""Canceling: one job ends, the others and the render go on, and a final job stays as it is."""

import pytest
from cancel_job import cancel_job

from gpu_job.lease import NobodyWaitsError
from shared.documents import Job, Stage, State, Status
from shared.errors import Retryable
from shared.job_store import Delete
from shared.jobs import follow, touch
from tests.unit.notify_world import LEASE_S, World


@pytest.fixture
def world() -> World:
    world = World()
    world.wish("job-0001", "job-0002")
    return world


def cancel(world: World, job_id: str = "job-0001") -> Job | None:
    return cancel_job(world.stored_job(job_id), store=world.store, publisher=world.publisher, now=world.clock.now)


def no_answer() -> None:
    raise Retryable("no answer")


def test_a_waiting_job_is_canceled_and_told_of(world: World) -> None:
    world.clock.pass_s(5)
    canceled = cancel(world)
    assert canceled == world.job("job-0001")
    assert (canceled.status, canceled.finished_at, canceled.event_pending) == (
        Status.CANCELED,
        world.clock.now(),
        False,
    )
    assert [(event.job_id, event.status, event.video) for event in world.events] == [
        ("job-0001", Status.CANCELED, None)
    ]


def test_a_job_in_progress_is_canceled_and_shows_no_stage_any_more(world: World) -> None:
    world.claim()
    world.change_job("job-0001", lambda job: follow(job, world.render, now=world.clock.now()))
    assert world.job("job-0001").stage is Stage.LOADING
    canceled = cancel(world)
    assert canceled
    assert (canceled.status, canceled.stage) == (Status.CANCELED, None)


def test_the_others_get_their_video_and_the_canceled_one_never_does(world: World) -> None:
    cancel(world)
    world.work()
    assert (world.job("job-0001").status, world.job("job-0001").video) == (Status.CANCELED, None)
    assert world.job("job-0002").status is Status.COMPLETED


def test_a_holder_that_dies_after_one_was_canceled_is_taken_over_for_the_others(world: World) -> None:
    world.claim("dead")
    cancel(world)
    world.clock.pass_s(LEASE_S)
    world.work()
    assert (world.job("job-0001").status, world.job("job-0002").status) == (Status.CANCELED, Status.COMPLETED)


def test_a_worker_learns_at_its_next_step_that_nobody_waits_any_more(world: World) -> None:
    lease = world.claimant("worker-a").claim(world.key)
    cancel(world)
    lease.renew(Stage.RENDERING, 10)  # type: ignore[union-attr]
    cancel(world, "job-0002")
    with pytest.raises(NobodyWaitsError):
        lease.renew(Stage.RENDERING, 20)  # type: ignore[union-attr]


@pytest.mark.parametrize("end", [World.work, World.fail], ids=["completed", "failed"])
def test_a_final_job_stays_as_it_is_and_says_nothing_again(world: World, end: object) -> None:
    assert callable(end)
    end(world)
    world.repair()
    before, events = world.everything(), world.events
    assert cancel(world) == world.job("job-0001")
    assert world.everything() == before
    assert world.events == events


def test_canceling_twice_is_canceling_once(world: World) -> None:
    first = cancel(world)
    world.clock.pass_s(5)
    assert cancel(world) == first
    assert len(world.events) == 1


def test_progress_in_the_same_moment_does_not_save_a_job(world: World) -> None:
    def progress() -> None:
        world.change_job("job-0001", lambda job: touch(job, now=world.clock.now()))

    world.store.meddling.extend([progress] * 3)
    canceled = cancel(world)
    assert canceled
    assert canceled.status is Status.CANCELED


def test_a_job_that_is_completed_in_the_same_moment_keeps_its_video(world: World) -> None:
    world.store.meddling.append(world.work)
    answer = cancel(world)
    assert answer == world.job("job-0001")
    assert (answer.status, answer.video) == (Status.COMPLETED, world.render.video)
    assert [event.status for event in world.events if event.job_id == "job-0001"] == [Status.COMPLETED]


def test_two_who_cancel_at_once_are_both_told_that_it_is_canceled(world: World) -> None:
    answers: list[Job | None] = []
    world.store.meddling.append(lambda: answers.append(cancel(world)))
    answers.append(cancel(world))
    assert [each.status for each in answers if each] == [Status.CANCELED] * 2
    assert len(world.events) == 1


def test_a_job_that_is_deleted_in_the_same_moment_is_none(world: World) -> None:
    world.store.meddling.append(lambda: world.store.commit(Delete(stored=world.stored_job("job-0001"))))
    assert cancel(world) is None
    assert world.events == []


def test_while_nobody_takes_events_the_job_is_canceled_and_its_event_waits(world: World) -> None:
    world.publisher.is_down = True
    canceled = cancel(world)
    assert canceled == world.job("job-0001")
    assert (canceled.status, canceled.event_pending) == (Status.CANCELED, True)


def test_an_event_that_was_sent_but_not_noted_is_no_failure(world: World) -> None:
    world.store.meddling.extend([lambda: None, no_answer])
    canceled = cancel(world)
    assert canceled
    assert (canceled.status, world.job("job-0001").event_pending) == (Status.CANCELED, True)


def test_a_store_that_does_not_take_the_cancel_cancels_nothing(world: World) -> None:
    world.store.meddling.append(no_answer)
    with pytest.raises(Retryable, match="no answer"):
        cancel(world)
    assert world.job("job-0001").status is Status.QUEUED
    assert world.render.state is State.IDLE
