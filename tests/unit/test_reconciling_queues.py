"""Reconcile beside long queues: what waits rightly hides nothing that is stuck, and costs little."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
import reconciling
from reconciling import LEFT_WAITING, PAGE
from repairing import GONE

from shared.documents import Status
from shared.jobs import (
    FIRST_CHECK_OF_BULK,
    LAST_CHECK,
    SOON,
    cancel_job,
    publish,
)
from shared.messages import RENDER_REQUESTS_BULK
from shared.requests import Priority
from shared.testing import a_job, a_render
from tests.unit import stuck_jobs
from tests.unit.notify_world import World


@pytest.fixture
def world() -> World:
    return World()


def minutes(period: timedelta) -> int:
    return int(period.total_seconds()) // 60


# --- many, and few that are stuck ---


def test_jobs_that_wait_rightly_do_not_hide_one_that_is_stuck(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "PAGE", 3)
    for number in range(20):  # all older than the one that is stuck
        render = a_render(now=world.clock.now(), seed=100 + number)
        world.put(
            render.model_copy(update={"check_at": world.clock.now() + LAST_CHECK}),
            a_job(render, job_id=f"legit-{number:04}", now=world.clock.now()),
        )
        world.clock.pass_s(1)
    world.put_job("job-0001")
    world.clock.pass_s(LEFT_WAITING.total_seconds())

    ticks = iter(range(1000))
    for _ in range(10):  # a run has time for a few things
        world.reconcile(time_limit_s=8, monotonic=lambda: next(ticks))

    assert world.job("job-0001").error == GONE
    assert {world.job(f"legit-{number:04}").status for number in range(20)} == {Status.QUEUED}


def test_jobs_of_one_popular_render_are_looked_at_together(world: World) -> None:
    job_ids = [f"job-{number:04}" for number in range(50)]
    world.wish(*job_ids)
    world.work()
    for job_id in job_ids:
        world.put_job(job_id.replace("job", "late"))
    world.clock.pass_s(LEFT_WAITING.total_seconds())
    assert world.reconcile() == {"settled": 1}
    assert {world.job(job_id.replace("job", "late")).status for job_id in job_ids} == {Status.COMPLETED}


def test_one_run_goes_on_page_after_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "PAGE", 3)
    for number in range(10):
        world.put_job(f"job-{number:04}", render=a_render(now=world.clock.now(), seed=number))
    world.clock.pass_s(LEFT_WAITING.total_seconds())
    assert world.reconcile() == {"waited for nothing": 10}


def test_a_run_ends_when_its_time_is_up_and_the_next_goes_on(world: World) -> None:
    for number in range(10):
        world.put_job(f"job-{number:04}", render=a_render(now=world.clock.now(), seed=number))
    world.clock.pass_s(LEFT_WAITING.total_seconds())
    ticks = iter(range(1000))
    first = world.reconcile(time_limit_s=8, monotonic=lambda: next(ticks))
    assert first["out of time"]
    assert 0 < first["waited for nothing"] < 10
    assert world.reconcile() == {"waited for nothing": 10 - first["waited for nothing"]}


# --- a long queue of bulk ---


def test_thousands_of_bulk_renders_that_are_due_do_not_keep_one_that_somebody_waits_for(world: World) -> None:
    overdue = {"priority": Priority.BULK, "check_at": world.clock.now()}
    bulk = [a_render(now=world.clock.now(), seed=100 + number, changes=overdue) for number in range(1000)]
    for render in bulk:
        world.put(render, a_job(render, job_id=f"bulk-{render.render_key[:20]}", now=world.clock.now()))
    world.clock.pass_s(1)
    stuck_jobs.publish_failed(world)
    world.clock.pass_s(SOON.total_seconds())

    ticks = iter(range(10_000))
    world.reconcile(time_limit_s=45, monotonic=lambda: next(ticks))  # a second each: the time of one run

    assert [message.render_key for message in world.messages] == [world.key]
    assert 20 < len(world.publisher.published[RENDER_REQUESTS_BULK]) < 50


def test_a_bulk_render_whose_message_was_lost_is_found_within_hours(world: World) -> None:
    world.example = world.example.model_copy(update={"priority": Priority.BULK})
    world.put(publish(world.example, now=world.clock.now()))
    world.put_job("job-0001")
    world.clock.pass_s(FIRST_CHECK_OF_BULK.total_seconds() - 1)
    assert "published again" not in world.reconcile()

    world.clock.pass_s(1)
    assert world.reconcile()["published again"] == 1

    assert len(world.publisher.published[RENDER_REQUESTS_BULK]) == 1


# --- a hundred thousand jobs of a batch ---


def wait_rightly(world: World, number: int) -> None:
    """Jobs whose messages are in a long queue, each of a render of its own."""
    for each in range(number):
        render = a_render(now=world.clock.now(), seed=each)
        world.put(
            render.model_copy(update={"check_at": world.clock.now() + 10 * LAST_CHECK}),
            a_job(render, job_id=f"wait-{each:04}", now=world.clock.now()),
        )
    world.clock.pass_s(LEFT_WAITING.total_seconds())


def count_calls(world: World, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often the store is asked from now on, by method."""
    calls: Counter[str] = Counter()

    def counting(name: str, method: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **options: object) -> object:
            calls[name] += 1
            return method(*args, **options)

        return call

    for name in ("commit", "renders", "jobs_left_waiting"):
        monkeypatch.setattr(world.store, name, counting(name, getattr(world.store, name)))
    return calls


def test_jobs_that_wait_rightly_are_looked_at_by_the_hundred(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wait_rightly(world, 1000)
    calls = count_calls(world, monkeypatch)
    world.reconcile()
    pages = 1000 // PAGE
    assert calls["commit"] <= 2 * pages
    assert calls["jobs_left_waiting"] <= 2 * pages
    assert calls["renders"] <= 2 * pages
    calls.clear()
    world.reconcile()
    assert (calls["commit"], calls["jobs_left_waiting"]) == (0, 1)


@pytest.mark.parametrize("ahead", [timedelta(0), LAST_CHECK])
def test_each_job_that_waits_rightly_is_looked_at_once_a_run_however_far_it_looks_ahead(
    world: World, ahead: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_rightly(world, 1000)
    calls = count_calls(world, monkeypatch)
    world.reconcile(ahead=ahead)
    assert calls["commit"] <= 2 * 1000 // PAGE


def test_one_job_that_changes_in_the_same_moment_does_not_keep_the_others_where_they_are(world: World) -> None:
    wait_rightly(world, 5)
    world.store.meddling.append(lambda: world.change_job("wait-0002", lambda job: cancel_job(job, now=job.created_at)))
    world.reconcile()
    assert {world.job(f"wait-{each:04}").updated_at for each in (0, 1, 3, 4)} == {world.clock.now()}
    assert world.job("wait-0002").status is Status.CANCELED
