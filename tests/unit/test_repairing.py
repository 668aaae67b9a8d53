"""Repairing: what messages and events missed is made good, and nobody who is alive is disturbed."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from repairing import GONE, Repairer

from shared.artifact_paths import video_path
from shared.documents import Stage, State, Status
from shared.errors import ErrorCode, Retryable
from shared.jobs import FIRST_CHECK, LEASED_CHECK, MAX_ATTEMPTS, Ending, cancel_job, release_render, touch
from shared.messages import RENDER_REQUESTS, RENDER_REQUESTS_BULK, RenderRequested, decode
from shared.requests import Priority
from shared.testing import TRACEPARENT, a_job, a_render
from tests.unit.notify_world import LEASE_S, World
from tests.unit.worker_world import World as WorkerWorld


@pytest.fixture
def world() -> World:
    return World()


def no_answer() -> None:
    raise Retryable("no answer")


def spend_attempts(world: World) -> None:
    """Workers die, one after the other."""
    for number in range(MAX_ATTEMPTS):
        world.claim(f"worker-{number}")
        world.clock.pass_s(LEASE_S + 1)


# --- somebody waits, and nobody works ---


def test_a_render_that_waits_is_sent_again_and_trusted_for_longer(world: World) -> None:
    world.wish("job-0001")
    world.clock.pass_s(FIRST_CHECK.total_seconds())

    assert world.repair() == "published again"

    assert world.messages == [RenderRequested(render_key=world.key, traceparent=TRACEPARENT)] * 2
    assert world.render.published_at == world.clock.now()
    assert world.render.check_at == world.clock.now() + 2 * FIRST_CHECK


def test_what_was_wished_for_in_bulk_is_sent_again_in_bulk(world: World) -> None:
    bulk = a_render(now=world.clock.now(), changes={"priority": Priority.BULK})
    world.put(bulk, a_job(bulk, job_id="job-0001", now=world.clock.now()))
    world.repair()
    [message] = world.publisher.published[RENDER_REQUESTS_BULK]
    assert decode(RenderRequested, message.data).render_key == world.key
    assert message.attributes["render_key"] == world.key
    assert not world.publisher.published[RENDER_REQUESTS]


def test_a_render_whose_holder_died_is_sent_again_and_can_be_taken_over(world: World) -> None:
    world.wish("job-0001")
    world.claim("dead")
    world.lose_messages()
    world.clock.pass_s(LEASE_S)

    assert world.repair() == "published again"

    world.work()
    assert (world.render.state, world.render.holder) == (State.COMPLETED, "honest")
    assert world.job("job-0001").status is Status.COMPLETED


def test_while_nobody_takes_messages_the_render_stays_due(world: World) -> None:
    world.wish("job-0001")
    before = world.everything()
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.repair()
    assert world.everything() == before


def test_a_message_that_was_sent_but_not_noted_is_sent_once_more(world: World) -> None:
    world.wish("job-0001")
    world.store.meddling.append(no_answer)
    with pytest.raises(Retryable, match="no answer"):
        world.repair()
    assert world.repair() == "published again"
    assert len(world.messages) == 3


# --- attempts are spent ---


def test_a_render_whose_attempts_are_spent_fails_with_all_its_jobs(world: World) -> None:
    world.wish("job-0001", "job-0002")
    spend_attempts(world)

    assert world.repair() == "settled"

    assert world.render.state is State.FAILED
    for job_id in ("job-0001", "job-0002"):
        job = world.job(job_id)
        assert (job.status, job.error, job.event_pending) == (Status.FAILED, world.render.error, False)
    assert world.render.error
    assert (world.render.error.code, str(MAX_ATTEMPTS) in world.render.error.message) == (
        ErrorCode.RENDER_FAILED,
        True,
    )
    assert sorted(event.job_id for event in world.events) == ["job-0001", "job-0002"]


def test_the_last_attempt_is_left_to_its_holder(world: World) -> None:
    world.wish("job-0001")
    spend_attempts(world)
    world.clock.pass_s(-2)  # its lease has not ended yet
    assert world.repair() == "is being made"
    assert world.job("job-0001").status is Status.QUEUED


def test_a_video_that_is_there_after_all_attempts_completes_its_jobs(world: World) -> None:
    world.wish("job-0001")
    spend_attempts(world)
    world.put_video()
    assert world.repair() == "settled"
    assert world.job("job-0001").status is Status.COMPLETED


# --- somebody works ---


def test_a_live_lease_is_left_alone_and_looked_at_later(world: World) -> None:
    world.wish("job-0001")
    world.claim()
    before = world.render
    world.clock.pass_s(LEASE_S - 1)

    assert world.repair() == "is being made"

    now = world.clock.now()
    assert world.render == before.model_copy(
        update={"published_at": now, "updated_at": now, "check_at": now + LEASED_CHECK}
    )
    assert len(world.messages) == 1


@pytest.mark.parametrize(
    "then",
    [
        lambda lease: lease.renew(Stage.RENDERING, 50),
        lambda lease: lease.release(Ending.PREEMPTED),
        lambda lease: lease.fail(GONE),
    ],
    ids=["renew", "release", "fail"],
)
def test_a_worker_goes_on_though_reconcile_wrote_its_render_meanwhile(
    tmp_path: Path, then: Callable[..., None]
) -> None:
    world = WorkerWorld(tmp_path)
    world.wish("job-aaaa")
    lease = world.claim()
    repairer = Repairer(store=world.store, publisher=world.publisher, artifacts=world.artifacts, now=world.clock.now)
    world.store.meddling.before("commit", lambda: assert_postponed(repairer, world.key))

    then(lease)

    assert (world.render.token, world.render.holder) == (1, "worker-a")
    assert world.render.state is lease.render.state


def assert_postponed(repairer: Repairer, render_key: str) -> None:
    assert repairer.repair(render_key) == "is being made"


def test_a_slow_worker_whose_message_was_sent_again_keeps_its_lease_until_another_takes_it(tmp_path: Path) -> None:
    world = WorkerWorld(tmp_path)
    world.wish("job-aaaa")
    lease = world.claim()
    world.clock.pass_s(LEASE_S + 1)
    repairer = Repairer(store=world.store, publisher=world.publisher, artifacts=world.artifacts, now=world.clock.now)
    assert repairer.repair(world.key) == "published again"

    lease.renew(Stage.RENDERING, 50)

    assert world.render.lease_left_s(world.clock.now()) == LEASE_S
    assert world.job("job-aaaa").status is Status.IN_PROGRESS


# --- nobody waits ---


def cancel(world: World) -> None:
    world.change_job("job-0001", lambda job: cancel_job(job, now=world.clock.now()))


def test_a_render_that_nobody_waits_for_is_put_to_rest(world: World) -> None:
    world.wish("job-0001")
    cancel(world)
    assert world.repair() == "retired"
    assert (world.render.state, world.render.published_at, world.render.check_at) == (State.IDLE, None, None)
    assert len(world.messages) == 1


def test_a_dead_workers_lease_on_what_nobody_waits_for_ends_and_costs_no_attempt(world: World) -> None:
    world.wish("job-0001")
    world.claim()
    cancel(world)
    world.clock.pass_s(LEASE_S)
    assert world.repair() == "retired"
    assert (world.render.state, world.render.attempts, world.render.check_at) == (State.IDLE, 0, None)


def test_a_render_that_nobody_waits_for_does_not_fail_though_its_attempts_are_spent(world: World) -> None:
    world.wish("job-0001")
    spend_attempts(world)
    cancel(world)
    assert world.repair() == "retired"
    assert world.render.state is State.IDLE


def test_who_attaches_in_the_moment_of_rest_is_seen_to(world: World) -> None:
    world.wish("job-0001")
    cancel(world)
    world.store.meddling.append(lambda: world.wish("job-0002"))

    assert world.repair() == "published again"

    world.lose_messages()
    world.clock.pass_s(FIRST_CHECK.total_seconds())
    world.repair()
    world.work()
    assert world.job("job-0002").status is Status.COMPLETED


def test_who_attaches_after_the_rest_sends_a_message(world: World) -> None:
    world.wish("job-0001")
    cancel(world)
    world.repair()
    world.lose_messages()
    world.wish("job-0002")
    world.work()
    assert world.job("job-0002").status is Status.COMPLETED


# --- what is final ---


def test_a_video_whose_event_was_lost_completes_render_and_jobs(world: World) -> None:
    world.wish("job-0001")
    world.claim()
    world.put_video()
    assert world.repair() == "settled"
    assert (world.render.state, world.render.check_at) == (State.COMPLETED, None)
    assert (world.job("job-0001").status, world.job("job-0001").video) == (Status.COMPLETED, world.render.video)
    assert [event.job_id for event in world.events] == ["job-0001"]


def test_what_lies_in_place_of_the_video_fails_the_render_and_its_jobs_with_a_reason(world: World) -> None:
    world.wish("job-0001")
    world.artifacts.create(video_path(world.key), b"holiday", content_type="video/mp4")
    assert world.repair() == "settled"
    error = world.job("job-0001").error
    assert error
    assert "no worker made it" in error.message
    assert world.render.check_at is None


def test_repairing_what_is_settled_changes_nothing_and_says_nothing(world: World) -> None:
    world.wish("job-0001")
    world.work()
    before, events = world.everything(), world.events
    assert world.repair() == "settled"
    assert world.everything() == before
    assert world.events == events


def test_there_is_nothing_to_do_for_a_render_that_is_not_there(world: World) -> None:
    assert world.repair() is None
    assert world.everything() == {}


# --- others at the same time ---


def test_a_worker_that_claims_in_the_same_moment_keeps_its_lease(world: World) -> None:
    world.wish("job-0001")
    world.store.meddling.append(world.claim)
    assert world.repair() == "published again"
    assert (world.render.state, world.render.token) == (State.LEASED, 1)


def test_a_worker_that_takes_over_in_the_same_moment_is_not_given_up(world: World) -> None:
    world.wish("job-0001")
    spend_attempts(world)
    world.change(lambda render: release_render(render, now=world.clock.now(), ending=Ending.BROKEN))
    world.store.meddling.append(world.claim)
    assert world.repair() == "is being made"
    assert world.job("job-0001").status is Status.QUEUED


def test_a_last_job_that_is_canceled_in_the_same_moment_harms_nobody(world: World) -> None:
    world.wish("job-0001")
    world.store.meddling.append(lambda: cancel(world))
    world.repair()
    world.work()
    assert world.job("job-0001").status is Status.CANCELED
    assert world.render.published_at is None


def test_two_who_repair_at_once_send_a_message_too_many_and_lose_none(world: World) -> None:
    world.wish("job-0001")
    world.lose_messages()
    world.store.meddling.append(world.repair)
    world.repair()
    assert len(world.messages) in {2, 3, 4}
    world.work()
    assert world.job("job-0001").status is Status.COMPLETED
    assert [event.job_id for event in world.events] == ["job-0001"]


def test_two_who_give_up_at_once_tell_each_job_once(world: World) -> None:
    world.wish("job-0001")
    spend_attempts(world)
    world.store.meddling.append(world.repair)
    world.repair()
    assert [event.job_id for event in world.events] == ["job-0001"]


@pytest.mark.parametrize("commits_before", [0, 1, 2])
def test_a_store_that_falls_silent_at_any_write_is_made_up_for_by_the_next_repair(
    world: World, commits_before: int
) -> None:
    world.wish("job-0001")
    world.put_video()
    world.store.meddling.extend([*[lambda: None] * commits_before, no_answer])
    with pytest.raises(Retryable, match="no answer"):
        world.repair()
    world.repair()
    assert (world.job("job-0001").status, world.job("job-0001").event_pending) == (Status.COMPLETED, False)
    assert world.render.check_at is None


# --- the end of one job ---


def test_a_job_that_is_ended_fails_with_the_reason_and_is_told_of(world: World) -> None:
    world.wish("job-0001")
    assert world.repairer.end(world.stored_job("job-0001"), GONE)
    job = world.job("job-0001")
    assert (job.status, job.error, job.event_pending) == (Status.FAILED, GONE, False)
    assert [(event.status, event.error) for event in world.events] == [(Status.FAILED, GONE)]


def test_a_job_that_changed_meanwhile_is_not_ended(world: World) -> None:
    world.wish("job-0001")
    stale = world.stored_job("job-0001")
    world.change_job("job-0001", lambda job: touch(job, now=world.clock.now() + timedelta(seconds=1)))
    assert not world.repairer.end(stale, GONE)
    assert world.job("job-0001").status is Status.QUEUED
    assert world.events == []


def test_a_job_that_is_ended_while_nobody_takes_events_keeps_its_event(world: World) -> None:
    world.wish("job-0001")
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.repairer.end(world.stored_job("job-0001"), GONE)
    assert (world.job("job-0001").status, world.job("job-0001").event_pending) == (Status.FAILED, True)
