"""Settling: a final render reaches every job that waits for it, once."""

import json
from datetime import timedelta

import pytest

from shared.documents import Status
from shared.errors import Retryable
from shared.job_store import Create
from shared.messages import JOB_EVENTS
from shared.outbox import empty_outbox
from shared.settling import BATCH_JOBS
from shared.testing import a_job, a_render, put_video
from tests.unit.settling_world import ERROR, World


@pytest.fixture
def world() -> World:
    return World()


# --- settle ---


def test_every_waiting_job_is_completed_with_the_video_and_told_of_once(world: World) -> None:
    world.claim()
    world.attach("job-0001", "job-0002")
    world.attach("job-0003", status=Status.IN_PROGRESS)
    put_video(world.artifacts, world.key)
    world.complete()
    world.settle()
    for job_id in ("job-0001", "job-0002", "job-0003"):
        job = world.job(job_id)
        assert (job.status, job.video, job.event_pending) == (Status.COMPLETED, world.render.value.video, False)
    assert sorted(event.job_id for event in world.events) == ["job-0001", "job-0002", "job-0003"]
    assert {(event.status, event.video) for event in world.events} == {
        (Status.COMPLETED, world.render.value.video),
    }


def test_every_waiting_job_of_a_failed_render_fails_with_its_error(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.settle()
    assert (world.job("job-0001").status, world.job("job-0001").error) == (Status.FAILED, ERROR)
    assert [(event.status, event.error) for event in world.events] == [(Status.FAILED, ERROR)]


def test_an_event_can_be_filtered_without_reading_it(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.settle()
    [message] = world.publisher.published[JOB_EVENTS]
    assert message.attributes == {
        "schema_version": "1",
        "render_key": world.key,
        "job_id": "job-0001",
        "status": "failed",
    }
    assert json.loads(message.data)["event_id"] == "job-0001"


def test_settling_again_changes_nothing_and_says_nothing(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.settle()
    before = world.everything()
    world.clock.pass_s(60)
    world.settle()
    assert world.everything() == before
    assert len(world.events) == 1


def test_a_job_that_was_final_before_is_left_as_it_is(world: World) -> None:
    world.attach("job-0001", status=Status.CANCELED)
    world.fail()
    world.settle()
    assert world.job("job-0001").status is Status.CANCELED
    assert world.events == []


@pytest.mark.parametrize("prepare", [lambda _: None, World.claim], ids=["idle", "leased"])
def test_a_render_that_is_not_final_settles_nothing(world: World, prepare: object) -> None:
    assert callable(prepare)
    world.attach("job-0001")
    prepare(world)
    before = world.everything()
    world.settle()
    assert world.everything() == before
    assert world.events == []


def test_jobs_of_another_render_are_not_touched(world: World) -> None:
    other = a_render(now=world.clock.now(), seed=2)
    world.store.commit(Create(value=other), Create(value=a_job(other, job_id="job-0009", now=world.clock.now())))
    world.fail()
    world.settle()
    assert world.job("job-0009").status is Status.QUEUED


def test_more_jobs_than_fit_into_a_batch_are_all_settled(world: World) -> None:
    job_ids = [f"job-{each:05}" for each in range(2 * BATCH_JOBS + 1)]
    world.attach(*job_ids)
    world.fail()
    world.settle()
    assert {world.job(job_id).status for job_id in job_ids} == {Status.FAILED}
    assert not any(world.job(job_id).event_pending for job_id in job_ids)
    assert sorted(event.job_id for event in world.events) == job_ids


def test_a_settled_render_is_not_due_any_more(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    assert world.render.value.check_at
    world.settle()
    assert world.render.value.check_at is None


def test_a_render_without_jobs_is_settled_at_once(world: World) -> None:
    world.fail()
    world.settle()
    assert world.render.value.check_at is None


def test_a_render_stays_due_until_every_event_is_out(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.settle()
    assert world.render.value.check_at
    world.publisher.is_down = False
    world.settle()
    assert world.render.value.check_at is None


def test_exactly_a_batch_of_jobs_is_settled_and_nothing_stays_due(world: World) -> None:
    world.attach(*[f"job-{each:05}" for each in range(BATCH_JOBS)])
    world.fail()
    world.settle()
    assert world.render.value.check_at is None
    assert len(world.events) == BATCH_JOBS


def test_a_late_job_of_a_settled_render_is_settled_and_told_of_too(world: World) -> None:
    world.fail()
    world.settle()
    world.attach("job-0001")
    world.settle()
    assert (world.job("job-0001").status, world.job("job-0001").event_pending) == (Status.FAILED, False)
    assert world.render.value.check_at is None


# --- in between ---


def test_a_job_knows_when_it_was_settled(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.clock.pass_s(7)
    world.settle()
    assert world.job("job-0001").finished_at == world.example.created_at + timedelta(seconds=7)


# --- the outbox of one job ---


def test_an_outbox_that_another_emptied_in_the_same_moment_is_no_failure(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.settle()
    world.publisher.is_down = False
    stored = world.store.job("job-0001")
    assert stored
    world.store.meddling.append(world.settle)
    empty_outbox(stored, store=world.store, publisher=world.publisher)
    assert not world.job("job-0001").event_pending
    assert {event.event_id for event in world.events} == {"job-0001"}


def test_a_render_that_takes_over_the_video_of_one_whose_time_was_up_has_it_kept_for_longer(world: World) -> None:
    old = put_video(world.artifacts, world.key)
    world.attach("job-0001")
    world.complete()
    kept = world.artifacts.get(old.name)
    assert kept
    assert kept.kept_since > old.kept_since
    assert world.render.value.video


def test_a_video_that_was_just_made_is_not_touched_once_more(world: World) -> None:
    world.claim()
    world.attach("job-0001")
    made = put_video(world.artifacts, world.key)
    world.complete()
    assert world.artifacts.get(made.name) == made
