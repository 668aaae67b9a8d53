"""Canceling a batch: no job of it waits any more, whoever writes in the same moment."""

from __future__ import annotations

import pytest

from shared.batches import (
    BatchState,
)
from shared.documents import Status
from shared.errors import Retryable
from shared.job_store import Create, Replace
from shared.testing import a_job, a_render
from tests.unit.batch_world import World, a_row, broken, limited


@pytest.fixture
def world() -> World:
    return World()


# --- cancel ---


def test_canceling_a_batch_cancels_every_job_that_waits_and_tells_of_each(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(7)])
    world.deliver()
    canceled = world.cancel(batch)
    assert (canceled.state, world.counts(batch)) == (BatchState.CANCELING, {Status.QUEUED: 7})
    world.deliver()
    assert (world.batch(batch).state, world.counts(batch)) == (BatchState.CANCELED, {Status.CANCELED: 7})
    assert len(world.publisher.published["job-events"]) == 7
    assert not any(job.event_pending for job in world.jobs)


def test_jobs_of_others_and_jobs_that_are_final_stay_as_they_are(world: World) -> None:
    first = world.accept(requests=[a_row(1)])
    other = world.accept(requests=[a_row(1)])
    world.deliver()
    render = a_render(now=world.clock.now(), seed=5)
    final = a_job(render, job_id="final-job", now=world.clock.now()).model_copy(
        update={"status": Status.COMPLETED, "batch_id": first.batch_id}
    )
    world.store.commit(Create(value=final))
    world.cancel(first)
    world.deliver()
    assert world.counts(first) == {Status.CANCELED: 1, Status.COMPLETED: 1}
    assert world.counts(other) == {Status.QUEUED: 1}


def test_a_batch_that_is_canceled_before_it_is_read_places_nothing(world: World) -> None:
    batch = world.accept(requests=[a_row(1)])
    world.cancel(batch)
    world.deliver()
    assert (world.batch(batch).state, world.jobs) == (BatchState.CANCELED, [])


def test_a_batch_that_is_canceled_in_the_middle_of_a_group_leaves_no_job_waiting(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(9)])
    chunk = world.chunks[0]

    def cancel_and_sweep() -> None:
        world.cancel(batch)
        world.take(world.chunks[-1])  # another instance sweeps while the group is half written

    world.store.meddling.extend([lambda: None, lambda: None, cancel_and_sweep])
    world.take(chunk)
    assert world.batch(batch).state is BatchState.CANCELED
    assert world.batch(batch).placed == 3
    assert world.counts(batch) == {Status.CANCELED: 6}


def test_a_crash_right_after_a_canceled_group_was_written_leaves_no_job_waiting(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(3)])

    def cancel_sweep_and_crash() -> None:
        world.cancel(batch)
        world.take(world.chunks[-1])
        broken()

    world.batches.meddling = [cancel_sweep_and_crash]
    with pytest.raises(Retryable):
        world.take(world.chunks[0])
    world.take(world.chunks[0])  # delivered again
    assert set(world.counts(batch)) == {Status.CANCELED}


def test_a_job_that_a_worker_writes_at_the_same_moment_is_canceled_all_the_same(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(3)])
    world.deliver()
    world.cancel(batch)

    def progress() -> None:
        stored = world.store.job(world.jobs[0].job_id)
        assert stored
        moved = stored.value.model_copy(update={"status": Status.IN_PROGRESS, "progress": 40})
        world.store.commit(Replace(stored=stored, value=moved))

    world.store.meddling.append(progress)
    world.deliver()
    assert world.counts(batch) == {Status.CANCELED: 3}


def test_a_large_batch_is_canceled_in_chunks() -> None:
    world = limited(chunk_s=10)
    batch = world.accept(requests=[a_row(seed) for seed in range(9)])
    world.deliver()
    world.cancel(batch)
    world.store.meddling.extend([lambda: world.clock.pass_s(6)] * 4)  # two commits a group
    assert world.deliver(most=1) == 1
    assert world.counts(batch)[Status.QUEUED] > 0
    assert world.deliver() > 0
    assert world.counts(batch) == {Status.CANCELED: 9}


def test_events_that_nobody_takes_stay_pending_and_the_jobs_are_canceled(world: World) -> None:
    batch = world.accept(requests=[a_row(1)])
    world.deliver()
    world.cancel(batch)
    world.publisher.is_down = True
    world.take(world.chunks[-1])
    assert world.counts(batch) == {Status.CANCELED: 1}
    assert all(job.event_pending for job in world.jobs)


def test_canceling_twice_is_canceling_once(world: World) -> None:
    batch = world.accept(requests=[a_row(1)])
    world.deliver()
    for _ in range(2):
        world.cancel(batch)
        world.deliver()
    assert world.batch(batch).state is BatchState.CANCELED
    assert len(world.publisher.published["job-events"]) == 1
