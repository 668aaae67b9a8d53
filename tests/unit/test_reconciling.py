"""Reconcile: whatever was lost on the way, every job reaches a final status and every event is told."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import reconciling
from reconciling import LEFT_WAITING, reconcile_all
from repairing import TOO_LATE

from shared.documents import Job, Status
from shared.errors import ErrorCode, Retryable
from shared.job_store import Stored
from shared.jobs import (
    FIRST_CHECK,
    JOB_DEADLINE,
    LAST_CHECK,
    claim_render,
)
from shared.outbox import OLD_EVENT
from shared.settling import settle
from shared.testing import a_job, a_render
from tests.unit import stuck_jobs
from tests.unit.notify_world import LEASE_S, World

DEADLINE_MIN = int(JOB_DEADLINE.total_seconds()) // 60


@pytest.fixture
def world() -> World:
    return World()


def minutes(period: timedelta) -> int:
    return int(period.total_seconds()) // 60


# --- every way to get stuck ---

SOON_MIN, FIRST_MIN, LEFT_MIN = 3, minutes(FIRST_CHECK) + 2, minutes(LEFT_WAITING) + 2
STUCK = [
    (stuck_jobs.message_lost, Status.COMPLETED, None, FIRST_MIN),
    (stuck_jobs.publish_failed, Status.COMPLETED, None, SOON_MIN),
    (stuck_jobs.worker_died_and_message_lost, Status.COMPLETED, None, FIRST_MIN),
    (stuck_jobs.worker_was_told_to_go_and_its_message_lost, Status.COMPLETED, None, FIRST_MIN),
    (stuck_jobs.every_attempt_died, Status.FAILED, ErrorCode.RENDER_FAILED, FIRST_MIN),
    (stuck_jobs.worker_died_after_its_commit_and_event_lost, Status.COMPLETED, None, FIRST_MIN),
    (stuck_jobs.event_lost, Status.COMPLETED, None, SOON_MIN),
    (stuck_jobs.notify_crashed_between_render_and_jobs, Status.COMPLETED, None, SOON_MIN),
    (stuck_jobs.notify_crashed_between_jobs_and_events, Status.COMPLETED, None, SOON_MIN),
    (stuck_jobs.worker_crashed_between_failed_render_and_jobs, Status.FAILED, ErrorCode.RENDER_FAILED, SOON_MIN),
    (stuck_jobs.attacher_died_before_a_resting_render, Status.COMPLETED, None, LEFT_MIN),
    (stuck_jobs.attacher_died_and_worker_too, Status.COMPLETED, None, LEFT_MIN),
    (stuck_jobs.attacher_died_before_a_completed_render, Status.COMPLETED, None, LEFT_MIN),
    (stuck_jobs.attacher_died_before_a_failed_render, Status.FAILED, ErrorCode.RENDER_FAILED, LEFT_MIN),
    (stuck_jobs.render_deleted, Status.FAILED, ErrorCode.RENDER_GONE, LEFT_MIN),
    (stuck_jobs.something_else_lies_there, Status.FAILED, ErrorCode.RENDER_FAILED, FIRST_MIN),
    (stuck_jobs.event_of_a_cancel_never_published, Status.CANCELED, None, SOON_MIN),
    (stuck_jobs.event_of_a_rejection_never_published, Status.FAILED, ErrorCode.RENDER_FAILED, SOON_MIN),
    (stuck_jobs.event_of_a_copied_video_never_published, Status.COMPLETED, None, SOON_MIN),
    (stuck_jobs.deadline_passed_with_a_video, Status.COMPLETED, None, SOON_MIN),
    (stuck_jobs.deadline_passed_without_a_video, Status.FAILED, ErrorCode.DEADLINE_EXCEEDED, SOON_MIN),
]
WAYS = [each[0] for each in STUCK]


def minutes_until_told(world: World, *, with_a_worker: bool = True) -> int:
    """Let reconcile run every minute until the job is final and its event is out."""
    for minute in range(1, DEADLINE_MIN + 10):
        world.clock.pass_s(60)
        world.reconcile()
        if with_a_worker:
            world.work()
        job = world.job("job-0001")
        if job.is_final and not job.event_pending:
            return minute
    raise AssertionError("never final")


@pytest.mark.parametrize(("way", "status", "code", "within"), STUCK, ids=[way.__name__ for way in WAYS])
def test_however_a_job_gets_stuck_it_ends_as_it_should_and_in_time(
    world: World, way: Callable[[World], None], status: Status, code: ErrorCode | None, within: int
) -> None:
    way(world)

    assert minutes_until_told(world) <= within

    job = world.job("job-0001")
    assert (job.status, job.error.code if job.error else None) == (status, code)
    assert [(event.status, event.error) for event in world.events if event.job_id == "job-0001"] == [
        (status, job.error)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_however_a_job_gets_stuck_it_ends_though_there_is_no_worker_at_all(
    world: World, way: Callable[[World], None]
) -> None:
    way(world)
    assert minutes_until_told(world, with_a_worker=False) <= DEADLINE_MIN
    assert [event.job_id for event in world.events].count("job-0001") == 1


@pytest.mark.parametrize("way", WAYS)
def test_after_everything_ended_nothing_is_due_any_more(world: World, way: Callable[[World], None]) -> None:
    way(world)
    minutes_until_told(world, with_a_worker=False)
    world.clock.pass_s(LAST_CHECK.total_seconds())
    world.reconcile()
    world.clock.pass_s(LAST_CHECK.total_seconds())
    before = world.everything()
    assert world.reconcile() == {}
    assert world.everything() == before


@pytest.mark.parametrize("way", WAYS)
def test_two_reconcilers_at_once_end_every_job_the_same(world: World, way: Callable[[World], None]) -> None:
    alone = World()
    way(alone)
    minutes_until_told(alone)
    way(world)

    for _ in range(LEFT_MIN):
        world.clock.pass_s(60)
        world.store.meddling.append(world.reconcile)
        world.reconcile()
        world.store.meddling.clear()
        world.work()

    job, other = world.job("job-0001"), alone.job("job-0001")
    assert (job.status, job.error, job.event_pending) == (other.status, other.error, False)
    assert {event.event_id for event in world.events if event.job_id == "job-0001"} == {"job-0001"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("commits_before", [0, 1, 2])
def test_a_store_that_falls_silent_in_the_middle_is_made_up_for(
    world: World, way: Callable[[World], None], commits_before: int
) -> None:
    def no_answer() -> None:
        raise Retryable("no answer")

    way(world)
    world.clock.pass_s(LEFT_WAITING.total_seconds())
    world.store.meddling.extend([*[lambda: None] * commits_before, no_answer])
    world.reconcile()
    world.store.meddling.clear()
    minutes_until_told(world)


# --- what is in order is left alone ---


def test_a_fresh_job_whose_message_is_on_its_way_is_left_alone(world: World) -> None:
    world.wish("job-0001")
    before = world.everything()
    world.clock.pass_s(FIRST_CHECK.total_seconds() - 1)
    assert world.reconcile() == {}
    assert world.everything() == before


def test_an_event_that_may_be_on_its_way_is_not_repeated(world: World) -> None:
    stuck_jobs.notify_crashed_between_jobs_and_events(world)
    world.clock.pass_s(OLD_EVENT.total_seconds() - 1)
    world.reconcile()
    assert world.events == []


def test_what_nobody_can_render_is_sent_ever_more_rarely_and_not_after_its_jobs_ended(world: World) -> None:
    world.wish("job-0001")
    sent_after_min: list[int] = []
    for minute in range(1, 3 * DEADLINE_MIN):
        world.clock.pass_s(60)
        before = len(world.messages)
        world.reconcile()
        sent_after_min += [minute] * (len(world.messages) - before)
    assert sent_after_min == [10, 30, 70, 150, 310, 630, 990, 1350]
    assert world.job("job-0001").error == TOO_LATE
    assert (world.render.published_at, world.render.check_at) == (None, None)


def test_a_job_that_ends_late_does_not_end_those_that_have_time(world: World) -> None:
    world.wish("job-0001")
    world.clock.pass_s(3600)
    world.wish("job-0002")
    world.clock.pass_s(JOB_DEADLINE.total_seconds() - 3600)
    world.reconcile()
    assert (world.job("job-0001").error, world.job("job-0002").status) == (TOO_LATE, Status.QUEUED)
    world.work()
    assert world.job("job-0002").status is Status.COMPLETED


def test_a_worker_whose_last_job_ends_late_keeps_nothing_and_spoils_nothing(world: World) -> None:
    world.wish("job-0001")
    world.clock.pass_s(JOB_DEADLINE.total_seconds() - 10)
    world.claim()
    world.clock.pass_s(10)
    world.reconcile()
    world.put_video()
    world.hear()
    assert world.job("job-0001").error == TOO_LATE
    assert [event.status for event in world.events] == [Status.FAILED]


@pytest.mark.parametrize(
    "way",
    [
        stuck_jobs.message_lost,
        stuck_jobs.worker_died_and_message_lost,
        stuck_jobs.attacher_died_before_a_resting_render,
    ],
)
def test_after_an_incident_what_is_due_later_is_seen_to_now(world: World, way: Callable[[World], None]) -> None:
    way(world)
    world.clock.pass_s(LEASE_S)
    assert world.reconcile() == {}
    world.reconcile(ahead=LAST_CHECK)
    world.work()
    assert world.job("job-0001").status is Status.COMPLETED


def test_to_see_to_what_is_due_later_ends_nobody_before_the_deadline_and_sends_each_message_once(world: World) -> None:
    world.wish("job-0001")
    world.clock.pass_s(JOB_DEADLINE.total_seconds() - 60)
    sent = len(world.messages)
    world.reconcile(ahead=LAST_CHECK)
    assert world.job("job-0001").status is Status.QUEUED
    assert len(world.messages) == sent + 1


# --- what can't be repaired ---


def test_those_that_cannot_be_repaired_do_not_hide_those_that_can(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciling, "PAGE", 3)
    broken = [a_render(now=world.clock.now(), seed=100 + number) for number in range(10)]
    world.put(*broken)
    world.clock.pass_s(1)
    stuck_jobs.message_lost(world)
    get = world.artifacts.get

    def failing_get(name: str) -> object:
        if world.key not in name:
            raise Retryable("no answer")
        return get(name)

    monkeypatch.setattr(world.artifacts, "get", failing_get)
    world.clock.pass_s(FIRST_CHECK.total_seconds())
    assert world.reconcile() == {"failed": 10, "published again": 1}


@pytest.mark.parametrize("failure", [Retryable("no answer"), ValueError("a fault of ours")])
def test_one_thing_that_cannot_be_repaired_does_not_keep_the_others_from_it(
    world: World, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = a_render(now=world.clock.now(), seed=2)
    world.put(broken, a_job(broken, job_id="job-0002", now=world.clock.now()))
    stuck_jobs.message_lost(world)
    get = world.artifacts.get

    def failing_get(name: str) -> object:
        if broken.render_key in name:
            raise failure
        return get(name)

    monkeypatch.setattr(world.artifacts, "get", failing_get)
    world.clock.pass_s(FIRST_CHECK.total_seconds())

    assert world.reconcile() == {"failed": 1, "published again": 1}
    world.work()
    assert world.job("job-0001").status is Status.COMPLETED

    monkeypatch.undo()
    assert world.reconcile()["published again"] == 1


@pytest.mark.parametrize(
    "query", ["jobs_past_deadline", "jobs_with_old_event", "renders_to_check", "jobs_left_waiting"]
)
def test_a_query_that_is_not_answered_keeps_no_other_from_it(
    world: World, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_answer(*_: object, **__: object) -> list[Stored[Job]]:
        raise Retryable("there is no index")

    old = a_render(now=world.clock.now(), seed=5)
    world.put(a_job(old, job_id="job-late", now=world.clock.now()))
    world.clock.pass_s(JOB_DEADLINE.total_seconds())
    stuck_jobs.event_of_a_rejection_never_published(world)
    world.put_job("job-left", render=a_render(now=world.clock.now(), seed=6))
    world.clock.pass_s(LEFT_WAITING.total_seconds())
    world.put(a_render(now=world.clock.now() - FIRST_CHECK, seed=7))
    all_of_it = {"too late": 1, "told": 1, "retired": 1, "waited for nothing": 1}
    of_query = dict(
        zip(
            ["jobs_past_deadline", "jobs_with_old_event", "renders_to_check", "jobs_left_waiting"],
            all_of_it,
            strict=True,
        )
    )
    monkeypatch.setattr(world.store, query, no_answer)

    done = reconcile_all(repairer=world.repairer, time_limit_s=45, monotonic=world.clock.monotonic)

    expected = {name: n for name, n in all_of_it.items() if name != of_query[query]}
    expected["failed"] = 2 if query == "renders_to_check" else 1  # asked for each priority
    if query == "jobs_past_deadline":  # it has waited for long too
        expected["waited for nothing"] = 2
    assert done == expected


def test_settling_again_is_no_work_for_reconcile(world: World) -> None:
    world.wish("job-0001")
    world.put_video()
    world.hear()
    settle(world.stored_render, store=world.store, publisher=world.publisher, now=world.clock.now)
    world.clock.pass_s(LEFT_WAITING.total_seconds())
    assert world.reconcile() == {}


def test_a_message_claimed_before_it_was_noted_does_not_make_reconcile_publish_at_every_run(world: World) -> None:
    """The note lost against a claim, and reconcile was away for an hour."""
    world.put(world.example, a_job(world.example, job_id="job-0001", now=world.clock.now()))
    world.clock.pass_s(3600)
    world.change(lambda render: claim_render(render, holder="dead", lease_s=LEASE_S, now=world.clock.now()))
    world.clock.pass_s(LEASE_S)
    for _ in range(minutes(FIRST_CHECK)):
        world.reconcile()
        world.clock.pass_s(60)
    assert len(world.messages) == 1
