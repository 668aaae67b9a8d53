"""What `top` sees of a service, by its documents."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from cli.admin import moves
from cli.admin.overview import Doing, Overview, look_around
from cli.admin.overview_view import age, sights, view
from shared.crew import GONE_AFTER
from shared.documents import Status
from shared.errors import Retryable
from shared.requests import Priority
from shared.testing import Clock
from tests.unit.admin_world import LEASE_S, World
from tests.unit.admission_world import a_budget
from tests.unit.test_budget import MIDNIGHT, NOON, spend

if TYPE_CHECKING:
    from rich.console import RenderableType

    from shared.documents import Job
    from shared.job_store import Stored


@pytest.fixture
def world() -> World:
    return World()


def look(world: World, **limits: float) -> Overview:
    budget = a_budget(world.store, world.clock, **limits)
    return look_around(where="here", store=world.store, crew=world.crew, budget=budget, now=world.clock.now())


def key_of(job: Stored[Job]) -> str:
    assert job.value.render_key
    return job.value.render_key


def drawn(seen: Overview) -> str:
    return on_screen(view(seen))


def on_screen(sight: RenderableType) -> str:
    out = io.StringIO()
    Console(width=200, file=out).print(sight)
    return out.getvalue()


def test_who_holds_a_lease_works_and_who_reports_waits(world: World) -> None:
    job = world.wish()
    world.claim(key_of(job), holder="worker-a")
    world.report("worker-a")
    world.report("worker-b")

    workers = {each.holder: each for each in look(world).workers}

    assert {holder: each.doing for holder, each in workers.items()} == {
        "worker-a": Doing.WORKING,
        "worker-b": Doing.WAITING,
    }
    assert (workers["worker-a"].render_key, workers["worker-a"].token) == (key_of(job), 1)
    assert workers["worker-a"].lease_left_s == LEASE_S


def test_a_job_that_waits_for_days_is_counted_for_as_long_as_bulk_may_wait(world: World) -> None:
    world.wish()
    world.clock.pass_s(6 * 24 * 3600)

    assert look(world).waiting == {Status.QUEUED: 1, Status.IN_PROGRESS: 0}


def test_a_worker_that_renders_for_long_is_seen_by_its_lease_alone(world: World) -> None:
    world.report("worker-a")
    world.clock.pass_s(GONE_AFTER.total_seconds() + 1)
    world.claim(key_of(world.wish()), holder="worker-a")

    [worker] = look(world).workers

    assert worker.doing is Doing.WORKING
    assert worker.since is None


def test_a_worker_that_died_in_a_render_is_lost_and_one_that_died_waiting_is_gone(world: World) -> None:
    world.claim(key_of(world.wish()), holder="worker-a")
    world.report("worker-b")
    world.clock.pass_s(max(LEASE_S, GONE_AFTER.total_seconds()) + 1)

    [worker] = look(world).workers

    assert (worker.holder, worker.doing, worker.lease_left_s) == ("worker-a", Doing.LOST, 0)


def test_a_worker_that_lost_one_lease_and_works_on_another_render_works(world: World) -> None:
    first, second = world.wish(), world.wish("job-0002", seed=2)
    world.claim(key_of(first), holder="worker-a")
    world.clock.pass_s(LEASE_S + 1)
    world.claim(key_of(second), holder="worker-a")

    [worker] = look(world).workers

    assert (worker.doing, worker.render_key) == (Doing.WORKING, key_of(second))


def test_what_is_to_do_waits_and_ended_lately_is_counted(world: World) -> None:
    old = world.wish("job-0000", seed=9)
    world.break_render(key_of(old))
    world.clock.pass_s(3601)
    broken = world.wish("job-0001", seed=1)
    world.break_render(key_of(broken))
    world.wish("job-0002", seed=2)
    world.wish("job-0003", seed=2)

    seen = look(world)

    assert seen.to_do == {Priority.INTERACTIVE: 1, Priority.BULK: 0}
    assert seen.waiting == {Status.QUEUED: 2, Status.IN_PROGRESS: 0}
    assert seen.ended == {Status.COMPLETED: 0, Status.FAILED: 1, Status.CANCELED: 0}
    lines = {each.job_id: each for each in seen.jobs}
    assert set(lines) == {"job-0000", "job-0001", "job-0002", "job-0003"}
    assert lines["job-0001"].code == "render_failed"
    assert lines["job-0000"].age_s == 3601


def test_the_table_says_what_was_seen_and_no_words_of_a_prompt(world: World) -> None:
    job = world.wish(prompt="my secret garden")
    world.claim(key_of(job), holder="worker-a")
    moves.order(is_draining=True, reason="a new model", site=world.site)

    text = drawn(look(world))

    for words in ("DRAINED", "a new model", "worker-a", "working", "job-0001", "curious-cat", "1 interactive"):
        assert words in text
    assert "secret" not in text


def test_bulk_that_waits_for_another_day_is_said_to_wait_and_until_when() -> None:
    world = World(Clock(NOON))
    world.wish(changes={"priority": Priority.BULK})
    spend(world.store, 60, at=NOON)

    seen = look(world, budget_bulk_gpu_s=50, budget_gpu_s=100)

    assert (seen.to_do[Priority.BULK], seen.bulk_paused_until) == (1, MIDNIGHT)
    text = drawn(seen)
    assert "BULK IS PAUSED until 2026-01-02 00:00 UTC: what it may spend today is spent." in text
    assert "GPU seconds    60 today (UTC), of 50 for bulk and 100 for all" in text


def test_within_its_budget_bulk_does_not_wait() -> None:
    world = World(Clock(NOON))
    spend(world.store, 49, at=NOON)

    seen = look(world, budget_gpu_s=50)

    assert seen.bulk_paused_until is None
    assert "PAUSED" not in drawn(seen)
    assert "GPU seconds    49 today (UTC), of 50 for bulk and 50 for all" in drawn(seen)


def test_where_nobody_tells_the_limits_what_is_spent_stands_alone() -> None:
    world = World(Clock(NOON))
    spend(world.store, 60, at=NOON)

    assert "GPU seconds    60 today (UTC)\n" in drawn(look(world)).replace(" \n", "\n")


def test_watching_goes_on_when_a_look_gets_no_answer(world: World) -> None:
    def no_answer() -> None:
        raise Retryable("firestore does not answer: ServiceUnavailable")

    world.wish()
    world.store.meddling.before("leased_renders", no_answer)
    seen = sights(lambda: look(world))

    first, second = (on_screen(next(seen)) for _ in range(2))

    assert first == "No answer: firestore does not answer: ServiceUnavailable\n"
    assert "job-0001" in second


def test_an_empty_service_is_no_error(world: World) -> None:
    text = drawn(look(world))

    assert "No worker is there." in text
    assert "No job waits" in text


def test_the_json_is_the_overview(world: World) -> None:
    world.wish()
    seen = look(world)

    assert Overview.model_validate_json(seen.model_dump_json()) == seen
    assert json.loads(seen.model_dump_json())["to_do"] == {"interactive": 1, "bulk": 0}


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.9, "0 s"), (59, "59 s"), (65, "1 m 05 s"), (3600 * 26 + 60, "26 h 01 m")]
)
def test_ages_are_short(seconds: float, said: str) -> None:
    assert age(seconds) == said
