"""Rows of a batch: each is a job, once, or a fault with its number."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from place_rows import HOLDING_TRIES

from shared.batches import BatchState
from shared.documents import State, Status
from shared.job_store import Create, Replace
from shared.jobs import BULK_DEADLINE, RETENTION, claim_render, retire, touch
from shared.messages import RENDER_REQUESTS, RENDER_REQUESTS_BULK
from shared.requests import PUBLIC, Priority
from shared.testing import TRACEPARENT, a_render, put_video
from tests.unit.batch_world import World, a_row, lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.documents import Render


@pytest.fixture
def world() -> World:
    return World()


# --- rows become jobs ---


def test_a_list_becomes_jobs_of_the_same_owner_each_with_the_batchs_name(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(7)])
    assert (batch.state, batch.owner, batch.total, batch.source) == (BatchState.ACCEPTED, "ada", None, "requests")
    assert world.jobs == []

    world.deliver()

    done = world.batch(batch)
    assert (done.state, done.total, done.placed, done.rejected) == (BatchState.PLACED, 7, 7, 0)
    assert (done.check_at, done.finished_at) == (None, world.clock.now())
    assert world.seeds == list(range(7))
    assert {(job.owner, job.batch_id, job.traceparent) for job in world.jobs} == {("ada", batch.batch_id, TRACEPARENT)}
    assert world.counts(batch) == {Status.QUEUED: 7}


def test_every_new_render_gets_one_message_and_its_mark(world: World) -> None:
    world.accept(requests=[a_row(seed) for seed in range(7)])
    world.deliver()
    assert sorted(world.woken) == sorted({job.render_key for job in world.jobs if job.render_key})
    renders = world.store.renders(world.woken)
    assert all(each.value.published_at for each in renders.values())


def test_the_batch_goes_after_people_unless_it_or_a_row_says_otherwise(world: World) -> None:
    world.accept(requests=[a_row(1), a_row(2, priority="interactive")])
    world.accept(requests=[a_row(3)], priority="interactive")
    world.deliver()
    by_seed = {job.request.seed: job.request.priority for job in world.jobs if job.request}
    assert by_seed == {1: Priority.BULK, 2: Priority.INTERACTIVE, 3: Priority.INTERACTIVE}
    assert len(world.publisher.published[RENDER_REQUESTS_BULK]) == 1
    assert len(world.publisher.published[RENDER_REQUESTS]) == 2


def test_a_job_of_a_batch_has_longer_than_one_that_a_person_waits_for(world: World) -> None:
    world.accept(requests=[a_row(1)])
    world.deliver()
    assert [job.deadline_at for job in world.jobs] == [world.clock.now() + BULK_DEADLINE]


def test_equal_rows_are_jobs_of_one_render(world: World) -> None:
    world.accept(requests=[a_row(1)] * 5)
    world.deliver()
    assert len(world.jobs) == 5
    assert len(world.woken) == 1


def test_a_row_without_a_seed_draws_the_same_one_each_time(world: World) -> None:
    rows = [{"perspective": "curious-cat"}] * 3
    batch = world.accept(requests=rows)
    world.deliver()
    before = world.seeds
    again = World()
    assert again.batches.create(batch)
    again.manifests.write(batch.manifest.name, lines(*rows))
    again.take(world.chunks[0])
    assert again.seeds == before


def test_a_private_prompt_of_a_row_is_shared_with_nobody(world: World) -> None:
    world.accept(requests=[a_row(1, prompt="a moth"), a_row(1)])
    world.deliver()
    scopes = {each.value.spec.scope for each in world.store.renders(world.woken).values()}
    assert scopes == {"ada", PUBLIC}


# --- renders that are there already ---


def test_a_row_whose_video_is_there_is_completed_at_once(world: World) -> None:
    world.accept(requests=[a_row(1)])
    world.deliver()
    [key] = world.woken
    put_video(world.artifacts, key)
    stored = world.store.render(key)
    assert stored
    done = stored.value.model_copy(update={"state": State.COMPLETED})
    world.store.commit(Replace(stored=stored, value=done))

    batch = world.accept(requests=[a_row(1), a_row(2)])
    world.deliver()

    assert world.counts(batch) == {Status.COMPLETED: 1, Status.QUEUED: 1}


def test_a_row_whose_render_waits_already_adds_a_job_and_no_message(world: World) -> None:
    world.accept(requests=[a_row(1)])
    world.deliver()
    batch = world.accept(requests=[a_row(1), a_row(1)])
    world.deliver()
    assert world.counts(batch) == {Status.QUEUED: 2}
    assert len(world.woken) == 1


def test_a_row_whose_render_was_never_published_wakes_a_worker(world: World) -> None:
    render = a_render(now=world.clock.now())
    world.store.commit(Create(value=render))
    world.accept(requests=[a_row(1)])
    world.deliver()
    assert world.woken == [render.render_key]


def test_a_row_whose_render_is_being_made_and_has_no_message_any_more_sends_one(world: World) -> None:
    """Another worker may be about to acknowledge the one message there was, and the holder may die."""
    world.accept(requests=[a_row(1)])
    world.deliver()
    [key] = world.woken
    change(world, key, lambda render: claim(retire(render, now=world.clock.now()), world))

    world.accept(requests=[a_row(1), a_row(1)])
    world.deliver()

    assert world.woken == [key, key]
    assert render_of(world, key).published_at


@pytest.mark.parametrize("is_leased", [False, True])
def test_rows_that_must_not_wait_put_the_render_of_a_bulk_batch_first(world: World, is_leased: bool) -> None:  # noqa: FBT001
    world.accept(requests=[a_row(1)])
    world.deliver()
    [key] = world.woken
    if is_leased:
        change(world, key, lambda render: claim(render, world))

    world.accept(requests=[a_row(1), a_row(1, priority="interactive"), a_row(1)])
    world.deliver()

    assert render_of(world, key).priority is Priority.INTERACTIVE
    assert render_of(world, key).published_at
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_of_equal_new_rows_one_that_must_not_wait_is_enough(world: World) -> None:
    world.accept(requests=[a_row(1), a_row(1, priority="interactive")])
    world.deliver()
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1
    assert RENDER_REQUESTS_BULK not in world.publisher.published or not world.publisher.published[RENDER_REQUESTS_BULK]


@pytest.mark.parametrize("wish", [{}, {"prompt": "a moth"}])
def test_a_render_that_waits_is_kept_for_as_long_as_the_rows_that_attach_to_it(
    world: World, wish: dict[str, str]
) -> None:
    world.accept(requests=[a_row(1, **wish)])
    world.deliver()
    [key] = world.woken
    world.clock.pass_s(timedelta(days=20).total_seconds())

    world.accept(requests=[a_row(1, **wish)] * 3)
    world.deliver()

    assert render_of(world, key).expires_at == world.clock.now() + RETENTION
    assert len(world.woken) == 1


def test_workers_that_write_a_render_at_every_try_cost_no_row(world: World) -> None:
    world.accept(requests=[a_row(1, prompt="a moth")])
    world.deliver()
    [key] = world.woken

    def progress() -> None:
        change(world, key, lambda render: touch(render, now=world.clock.now()))

    world.store.meddling.extend([lambda: None, *[progress] * HOLDING_TRIES])
    batch = world.accept(requests=[a_row(1, prompt="a moth")] * 3)
    world.deliver()

    assert world.counts(batch) == {Status.QUEUED: 3}
    assert len(world.woken) == 1


def change(world: World, key: str, change_to: Callable[[Render], Render]) -> None:
    stored = world.store.render(key)
    assert stored
    world.store.commit(Replace(stored=stored, value=change_to(stored.value)))


def claim(render: Render, world: World) -> Render:
    return claim_render(render, holder="a", lease_s=60, now=world.clock.now())


def render_of(world: World, key: str) -> Render:
    stored = world.store.render(key)
    assert stored
    return stored.value
