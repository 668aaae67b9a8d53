"""What the API tells of time and money: when a job will be final, and what one's own jobs have cost."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.crew import KEPT, Orders, Presence
from shared.errors import Retryable
from shared.job_store import Replace, StoreNotReadyError
from shared.jobs import follow
from tests.unit.http_world import WISH, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.documents import Render
    from shared.job_store import Stored


@pytest.fixture
def world() -> World:
    return World(WORKER_START_MIN_S="10", WORKER_START_MAX_S="20")


def finish_some(world: World, *, number: int = 9, seconds: float = 30) -> list[dict[str, Any]]:
    """Videos of other wishes, each made in so many seconds."""
    made = []
    for seed in range(100, 100 + number):
        job = world.post({**WISH, "seed": seed}).body
        world.claim(job["render_key"])
        stored, render = world.store.job(job["job_id"]), world.store.render(job["render_key"])
        assert stored
        assert render
        started = follow(stored.value, render.value, now=world.clock.now())
        world.store.commit(Replace(stored=stored, value=started))
        world.clock.pass_s(seconds)
        world.finish(job["render_key"])
        made.append(job)
    world.clock.pass_s(1000)
    return made


def shown(world: World, job: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = world.get(f"/jobs/{job['job_id']}").body
    return body


def report(world: World, holder: str, *, models: tuple[str, ...] = ("pocket",), ago_s: float = 0) -> None:
    """A worker says that it is there."""
    seen_at = world.clock.now() - timedelta(seconds=ago_s)
    world.crew.report(Presence(holder=holder, models=models, since=seen_at, seen_at=seen_at, expires_at=seen_at + KEPT))


def test_as_long_as_nothing_was_ever_finished_there_is_no_eta(world: World) -> None:
    assert "eta" not in shown(world, world.post().body)


def test_a_job_that_waits_is_told_when_it_will_be_final(world: World) -> None:
    finish_some(world)
    view = shown(world, world.post().body)
    assert set(view["eta"]) == {"seconds", "low", "high"}
    assert 35 <= view["eta"]["low"] <= view["eta"]["seconds"] <= view["eta"]["high"] <= 55
    assert view["queue_position"] == 0


def test_one_that_is_being_made_is_told_less_and_one_that_is_final_nothing(world: World) -> None:
    finish_some(world)
    job = world.post().body
    world.claim(job["render_key"])
    world.clock.pass_s(20)
    assert shown(world, job)["eta"]["high"] <= 12
    world.finish(job["render_key"])
    assert "eta" not in shown(world, job)


def test_a_worker_whose_lease_has_ended_is_none(world: World) -> None:
    finish_some(world)
    dead = world.post({**WISH, "seed": 50}).body
    world.claim(dead["render_key"])
    world.clock.pass_s(61)
    assert shown(world, world.post().body)["eta"]["low"] >= 35


# --- who is there ---


def test_a_worker_that_waits_for_work_is_counted_on_and_one_that_was_not_seen_lately_is_not(world: World) -> None:
    finish_some(world)
    job = world.post().body
    report(world, "gone", ago_s=61)
    assert shown(world, job)["eta"]["low"] >= 35
    report(world, "a")
    world.clock.pass_s(5)
    assert shown(world, job)["eta"]["high"] <= 35, "it waits for no other to start"


def test_a_worker_that_has_left_is_not_counted_on_though_it_has_just_finished_something(world: World) -> None:
    finish_some(world)
    job = world.post().body
    world.claim(job["render_key"])
    world.clock.pass_s(30)
    world.finish(job["render_key"])
    world.crew.leave("a")
    assert shown(world, world.post({**WISH, "seed": 2}).body)["eta"]["low"] >= 35


def test_while_workers_are_drained_nobody_is_promised_when_what_waits_is_final(world: World) -> None:
    finish_some(world)
    being_made = world.post().body
    world.claim(being_made["render_key"])
    world.clock.pass_s(1)
    waits = world.post({**WISH, "seed": 2}).body
    report(world, "here")
    drained = world.crew.create_orders(Orders(is_draining=True, reason="a new model", changed_at=world.clock.now()))

    view = shown(world, waits)
    assert view["queue_position"] == 1
    assert "eta" not in view
    assert shown(world, being_made)["eta"]["high"] <= 35, "who works finishes"

    world.crew.replace_orders(drained, Orders(is_draining=False, reason="", changed_at=world.clock.now()))
    world.clock.pass_s(5)
    assert "eta" in shown(world, waits)


def test_bulk_that_a_budget_holds_back_for_hours_says_nothing_of_when_an_interactive_wish_is_final() -> None:
    limits = {"BUDGET_BULK_GPU_S": "1", "WORKER_START_MIN_S": "10", "WORKER_START_MAX_S": "20"}
    etas = []
    for held_back in (0, 20):
        world = World(**limits)
        world.clock.pass_s(600)
        finish_some(world)
        for seed in range(held_back):
            world.post({**WISH, "seed": 500 + seed, "priority": "bulk"})
        world.clock.pass_s(3 * 3600)
        etas.append(shown(world, world.post().body)["eta"])
    assert etas[0] == etas[1]
    assert etas[0]["high"] <= 60


def test_where_nobody_can_tell_who_is_there_it_is_guessed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_some(world)
    job = world.post().body
    world.claim(job["render_key"])
    world.clock.pass_s(30)
    world.finish(job["render_key"])

    def away(**_: object) -> list[Presence]:
        raise Retryable("nobody answers")

    monkeypatch.setattr(world.crew, "present", away)
    eta = shown(world, world.post({**WISH, "seed": 2}).body)["eta"]
    assert eta["high"] <= 35, "the worker that has just finished something takes it"


def test_a_drain_is_heard_though_nobody_can_tell_who_is_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_some(world)
    world.crew.create_orders(Orders(is_draining=True, reason="a new model", changed_at=world.clock.now()))

    def away(**_: object) -> list[Presence]:
        raise StoreNotReadyError("no index")

    monkeypatch.setattr(world.crew, "present", away)
    assert "eta" not in shown(world, world.post().body)


def test_many_who_ask_have_the_crew_read_once_in_five_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_some(world)
    asked: Counter[str] = Counter()
    for name in ("orders", "present"):
        read = getattr(world.crew, name)

        def counted(name: str = name, read: Callable[..., Any] = read, **options: Any) -> Any:
            asked[name] += 1
            return read(**options)

        monkeypatch.setattr(world.crew, name, counted)
    jobs = [world.post({**WISH, "seed": seed}).body for seed in range(3)]
    for job in jobs * 4:
        shown(world, job)
        world.clock.pass_s(0.4)
    assert asked == {"orders": 1, "present": 1}


def test_many_who_ask_have_the_finished_renders_read_once_a_minute(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish_some(world)
    asked: list[int] = []
    read = world.store.latest_finished

    def counted(*, limit: int) -> Sequence[Stored[Render]]:
        asked.append(limit)
        return read(limit=limit)

    monkeypatch.setattr(world.store, "latest_finished", counted)
    job = world.post().body
    for _ in range(5):
        shown(world, job)
        world.clock.pass_s(6)
    assert asked == [200]


def test_a_job_is_shown_without_an_eta_while_an_index_is_missing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    finish_some(world)

    def not_ready(*, limit: int) -> list[Any]:
        raise StoreNotReadyError(f"no index for {limit}")

    monkeypatch.setattr(world.store, "latest_finished", not_ready)
    view = shown(world, world.post().body)
    assert view["status"] == "queued"
    assert "eta" not in view


def test_a_store_that_does_not_answer_is_503_as_everywhere(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.post().body

    def away(*, limit: int) -> list[Any]:
        raise Retryable(f"nobody answers {limit}")

    monkeypatch.setattr(world.store, "leased_renders", away)
    assert world.get(f"/jobs/{job['job_id']}").status == 503


# --- money ---


def test_a_completed_job_shows_its_share_and_who_comes_later_has_it_for_nothing(world: World) -> None:
    first, second = world.post().body, world.post().body
    world.finish(first["render_key"])
    world.clock.pass_s(1)
    late = world.post().body
    costs = [shown(world, each)["cost"] for each in (first, second, late)]
    assert costs == [{"gpu_s": each, "amount": None, "currency": None} for each in (2.25, 2.25, 0.0)]


def test_usage_has_the_quota_and_what_of_it_is_used(world: World) -> None:
    jobs = finish_some(world, number=2, seconds=30)
    world.post()
    usage = world.get("/usage")
    assert usage.status == 200
    assert usage.body == {
        "day": "2026-01-01",
        "resets_at": "2026-01-02T00:00:00+00:00",
        "jobs": {"active": 1, "quota": 100},
        "gpu_s": {"used": 9.0, "quota": 1800.0},
        "cost": {"gpu_s": 9.0, "amount": None, "currency": None},
    }
    assert len(jobs) == 2
    assert world.get("/usage", Authorization=world.bearer("grace")).body["cost"] == {
        "gpu_s": 0.0,
        "amount": 0.0,
        "currency": "USD",
    }


def test_what_yesterday_has_cost_is_not_todays(world: World) -> None:
    finish_some(world, number=1)
    world.clock.pass_s(24 * 3600)
    assert world.get("/usage").body["cost"]["gpu_s"] == 0


def test_a_batch_shows_what_its_jobs_have_cost(world: World) -> None:
    batch = world.post({"requests": [WISH]}, to="/batches").body
    for job in (world.post().body, world.post().body):
        stored = world.store.job(job["job_id"])
        assert stored
        moved = stored.value.model_copy(update={"batch_id": batch["batch_id"]})
        world.store.commit(Replace(stored=stored, value=moved))
    world.finish(job["render_key"])
    assert world.get(f"/batches/{batch['batch_id']}").body["cost"] == {"gpu_s": 4.5, "amount": None, "currency": None}


@pytest.mark.parametrize("failure", [StoreNotReadyError("the index is being made"), Retryable("no answer")])
def test_what_stands_beside_a_sum_of_costs_is_shown_without_it(failure: Exception) -> None:
    world = World()
    batch = world.post({"requests": [WISH]}, to="/batches").body
    world.store.sum_failure = failure

    for path in ("/usage", f"/batches/{batch['batch_id']}"):
        answer = world.get(path)
        assert (answer.status, answer.body["cost"]) == (200, None)
