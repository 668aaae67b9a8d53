"""What a holder writes when it gives a render back, fails it or completes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.artifact_paths import human_view_path, poster_path, preview_path, receipt_path
from shared.documents import Stage, State, Status
from shared.errors import Retryable
from shared.jobs import Ending
from tests.unit.worker_world import BROKEN, World

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa", "job-bbbb")
    return world


def test_preemption_costs_no_attempt_and_the_jobs_are_queued_again(world: World) -> None:
    lease = world.claim("worker-a")
    lease.renew(Stage.RENDERING, 30)

    lease.release(Ending.PREEMPTED)

    assert (world.render.state, world.render.attempts, world.render.stage) == (State.IDLE, 0, None)
    job = world.job("job-aaaa")
    assert (job.status, job.stage, job.progress) == (Status.QUEUED, None, 0)
    assert world.claim("worker-b").render.token == 2


def test_a_failed_attempt_is_counted_when_it_is_given_back(world: World) -> None:
    world.claim("worker-a").release(Ending.BROKEN)

    assert (world.render.state, world.render.attempts) == (State.IDLE, 1)


def test_an_attempt_that_the_world_ended_is_not_counted_but_its_retry_is(world: World) -> None:
    world.claim("worker-a").release(Ending.RETRYABLE)

    assert (world.render.state, world.render.attempts, world.render.retries) == (State.IDLE, 0, 1)
    assert world.job("job-aaaa").status is Status.QUEUED


def test_giving_back_what_a_job_attached_to_in_between_works(world: World) -> None:
    lease = world.claim("worker-a")
    world.store.meddling.before("commit", lambda: world.wish("job-cccc"))

    lease.release(Ending.PREEMPTED)

    assert world.render.state is State.IDLE
    assert world.job("job-cccc").status is Status.QUEUED


def test_failing_tells_every_job_why_and_the_world_too(world: World) -> None:
    lease = world.claim("worker-a")

    lease.fail(BROKEN)

    assert (world.render.state, world.render.error) == (State.FAILED, BROKEN)
    assert world.job("job-bbbb").error == BROKEN
    assert [(event.status, event.error) for event in world.events] == [(Status.FAILED, BROKEN)] * 2


def test_a_job_that_attaches_while_the_render_fails_fails_with_it(world: World) -> None:
    lease = world.claim("worker-a")
    world.store.meddling.before("commit", lambda: world.wish("job-cccc"))

    lease.fail(BROKEN)

    assert world.job("job-cccc").error == BROKEN


def test_failing_looks_for_the_video_first(world: World) -> None:
    lease = world.claim("worker-a")
    world.commit_video()

    lease.fail(BROKEN)

    assert world.render.state is State.COMPLETED
    assert world.job("job-aaaa").status is Status.COMPLETED


def test_failing_where_an_object_lies_that_no_worker_made_still_fails(world: World) -> None:
    lease = world.claim("worker-a")
    world.put_rubbish_in_place_of_the_video()

    lease.fail(BROKEN)

    assert world.job("job-aaaa").status is Status.FAILED


def test_completing_says_so_on_the_render_and_leaves_the_jobs_to_notify(world: World) -> None:
    lease = world.claim("worker-a")
    lease.renew(Stage.UPLOADING, 95)
    world.commit_video(lease.attempt)

    lease.complete()

    assert world.render.state is State.COMPLETED
    assert world.job("job-aaaa").status is Status.IN_PROGRESS


def test_completing_what_notify_completed_before_changes_nothing(world: World) -> None:
    lease = world.claim("worker-a")
    world.commit_video(lease.attempt)
    world.claimant("worker-b").claim(world.key)
    before = world.store.render(world.key)

    lease.complete()

    assert world.store.render(world.key) == before


def test_completing_where_an_object_lies_that_no_worker_made_fails_the_jobs_since_notify_will_not_tell_them(
    world: World,
) -> None:
    lease = world.claim("worker-a")
    world.put_rubbish_in_place_of_the_video()

    lease.complete()

    assert world.render.state is State.FAILED
    assert {event.job_id for event in world.events} == {"job-aaaa", "job-bbbb"}


def test_completing_what_was_deleted_in_the_same_moment_is_no_success(world: World) -> None:
    lease = world.claim("worker-a")

    with pytest.raises(Retryable, match="deleted"):
        lease.complete()

    assert world.render.state is State.LEASED
    assert world.events == []


def test_completing_a_render_whose_document_is_gone_has_nothing_to_do(world: World) -> None:
    lease = world.claim("worker-a")
    world.store.forget(world.key)

    lease.complete()

    assert world.events == []


def test_what_an_attempt_uploaded_for_a_render_that_is_gone_does_not_stay(world: World) -> None:
    lease = world.claim("worker-a")
    for path in (preview_path, poster_path, human_view_path, receipt_path):
        world.artifacts.create(path(world.key, lease.attempt), b"x", content_type="image/jpeg")
    world.store.forget(world.key)

    lease.sweep()

    assert not world.artifacts._objects


def test_what_an_attempt_uploaded_stays_while_there_is_a_render(world: World) -> None:
    lease = world.claim("worker-a")
    world.artifacts.create(poster_path(world.key, lease.attempt), b"x", content_type="image/jpeg")
    world.commit_video(lease.attempt)

    lease.sweep()

    assert len(world.artifacts._objects) == 2
