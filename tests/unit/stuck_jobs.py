"""Every way in which a job can get stuck: what happened so far, in the world of ``notify``."""

from __future__ import annotations

import pytest
from cancel_job import cancel_job

from gpu_job.lease import Lease
from shared.artifact_paths import video_path
from shared.errors import Retryable
from shared.jobs import JOB_DEADLINE, MAX_ATTEMPTS, Ending, rejected_job, retire
from shared.settling import complete_from_object
from tests.unit.notify_world import ERROR, World


def message_lost(world: World) -> None:
    world.wish("job-0001")
    world.lose_messages()


def publish_failed(world: World) -> None:
    world.publisher.is_down = True
    world.wish("job-0001")
    world.publisher.is_down = False


def worker_died_and_message_lost(world: World) -> None:
    world.wish("job-0001")
    world.claim("dead")
    world.lose_messages()


def worker_was_told_to_go_and_its_message_lost(world: World) -> None:
    world.wish("job-0001")
    lease = world.claimant("preempted").claim(world.key)
    assert isinstance(lease, Lease)
    lease.release(Ending.PREEMPTED)
    world.lose_messages()


def every_attempt_died(world: World) -> None:
    world.wish("job-0001")
    for number in range(MAX_ATTEMPTS):
        world.claim(f"dead-{number}")
    world.lose_messages()


def worker_died_after_its_commit_and_event_lost(world: World) -> None:
    world.wish("job-0001")
    world.claim("dead")
    world.put_video()
    world.lose_messages()


def event_lost(world: World) -> None:
    world.wish("job-0001")
    lease = world.claimant("quick").claim(world.key)
    assert isinstance(lease, Lease)
    world.put_video()
    lease.complete()
    world.lose_messages()


def notify_crashed_between_render_and_jobs(world: World) -> None:
    world.wish("job-0001")
    world.lose_messages()
    world.put_video()
    complete_from_object(world.key, store=world.store, artifacts=world.artifacts, now=world.clock.now)


def notify_crashed_between_jobs_and_events(world: World) -> None:
    notify_crashed_between_render_and_jobs(world)
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.repairer.settle(world.stored_render)
    world.publisher.is_down = False
    assert world.job("job-0001").event_pending


def worker_crashed_between_failed_render_and_jobs(world: World) -> None:
    world.wish("job-0001")
    world.claim()
    world.fail()
    world.lose_messages()


def attacher_died_before_a_resting_render(world: World) -> None:
    world.put(retire(world.example, now=world.clock.now()))
    world.put_job("job-0001")


def attacher_died_and_worker_too(world: World) -> None:
    """A late duplicate of the message was claimed after the render was put to rest."""
    attacher_died_before_a_resting_render(world)
    world.claim("dead")


def attacher_died_before_a_completed_render(world: World) -> None:
    world.wish("job-0000")
    world.work()
    assert world.render.check_at is None
    world.put_job("job-0001")


def attacher_died_before_a_failed_render(world: World) -> None:
    world.wish("job-0000")
    world.fail()
    world.repair()
    world.lose_messages()
    world.put_job("job-0001")


def render_deleted(world: World) -> None:
    world.wish("job-0001")
    world.delete_render()
    world.lose_messages()


def something_else_lies_there(world: World) -> None:
    message_lost(world)
    world.artifacts.create(video_path(world.key), b"holiday", content_type="video/mp4")


def event_of_a_cancel_never_published(world: World) -> None:
    world.wish("job-0001")
    world.publisher.is_down = True
    cancel_job(world.stored_job("job-0001"), store=world.store, publisher=world.publisher, now=world.clock.now)
    world.publisher.is_down = False


def event_of_a_rejection_never_published(world: World) -> None:
    world.put(
        rejected_job(
            job_id="job-0001",
            owner="system:a",
            error=ERROR,
            fingerprint="0",
            now=world.clock.now(),
            traceparent=None,
        )
    )


def event_of_a_copied_video_never_published(world: World) -> None:
    world.wish("job-0000")
    world.work()
    world.publisher.is_down = True
    world.wish("job-0001")
    world.publisher.is_down = False
    assert world.job("job-0001").event_pending


def deadline_passed_with_a_video(world: World) -> None:
    worker_died_after_its_commit_and_event_lost(world)
    world.clock.pass_s(JOB_DEADLINE.total_seconds() + 60)


def deadline_passed_without_a_video(world: World) -> None:
    message_lost(world)
    world.clock.pass_s(JOB_DEADLINE.total_seconds() + 60)
