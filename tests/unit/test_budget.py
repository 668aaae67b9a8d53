"""The budget of a day: how it is added up, what waits when it is spent, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from shared.budget import KEPT_S, BudgetSettings
from shared.documents import Cost, State
from shared.errors import ErrorCode, Retryable
from shared.job_store import Create, Replace, StoreNotReadyError, Sum
from shared.job_store.memory import InMemoryJobStore
from shared.requests import Priority
from shared.testing import Clock, a_render
from tests.unit.admission_world import a_budget
from tests.unit.http_world import TOKEN, WISH, World, is_problem

if TYPE_CHECKING:
    from shared.budget import Budget

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 1, 2, tzinfo=UTC)


class AskedStore(InMemoryJobStore):
    """Remembers which hours it added up."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []
        self.is_ready = True

    def cost_of_renders(self, *, since: datetime, until: datetime) -> Sum:
        if not self.is_ready:
            raise StoreNotReadyError("the index is being made")
        self.asked.append((since.hour, until.hour))
        return super().cost_of_renders(since=since, until=until)


@pytest.fixture
def store() -> AskedStore:
    return AskedStore()


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON)


def spend(store: InMemoryJobStore, gpu_s: float, *, at: datetime) -> None:
    seed = len(store._documents)
    cost = Cost(gpu_s=gpu_s, amount=None, currency=None)
    changes = {"state": State.COMPLETED, "finished_at": at, "cost": cost}
    store.commit(Create(value=a_render(now=at, seed=seed, changes=changes)))


def spent(budget: Budget) -> float:
    return budget.spent_gpu_s()


def test_without_a_budget_nothing_waits_and_nobody_is_asked(store: AskedStore, clock: Clock) -> None:
    budget = a_budget(store, clock)
    assert budget.bulk_paused_until() is None
    assert not budget.is_spent()
    assert store.asked == []


def test_all_that_was_completed_since_midnight_is_added_up(store: AskedStore, clock: Clock) -> None:
    for moment in (NOON, NOON - timedelta(hours=12), NOON - timedelta(hours=3), NOON - timedelta(hours=13)):
        spend(store, 10, at=moment)
    assert spent(a_budget(store, clock)) == 30


def test_hours_that_are_over_are_asked_for_once(store: AskedStore, clock: Clock) -> None:
    budget = a_budget(store, clock)
    assert spent(budget) == 0
    assert len(store.asked) == 12, "eleven hours, and what came after them: noon's clock may be ahead of another"
    spend(store, 5, at=NOON)
    clock.pass_s(KEPT_S)

    assert spent(budget) == 5
    assert store.asked[12:] == [(11, 0)]


def test_a_sum_is_used_again_for_half_a_minute(store: AskedStore, clock: Clock) -> None:
    budget = a_budget(store, clock)
    assert spent(budget) == 0
    spend(store, 5, at=NOON)
    clock.pass_s(KEPT_S - 1)
    assert spent(budget) == 0
    clock.pass_s(1)
    assert spent(budget) == 5


def test_at_midnight_there_is_a_new_one(store: AskedStore, clock: Clock) -> None:
    spend(store, 100, at=NOON)
    budget = a_budget(store, clock, budget_gpu_s=100)
    assert budget.is_spent()
    assert budget.refusal().retry_after_s == 12 * 3600 + 1
    clock.pass_s(12 * 3600)
    assert not budget.is_spent()
    assert budget.bulk_paused_until() is None


def test_a_sum_of_yesterday_is_none_of_today_however_new_it_is(store: AskedStore, clock: Clock) -> None:
    spend(store, 100, at=NOON)
    budget = a_budget(store, clock, budget_gpu_s=100)
    clock.pass_s(12 * 3600 - 2)
    assert budget.is_spent()
    clock.pass_s(4)
    assert not budget.is_spent()
    assert budget.bulk_paused_until() is None


def test_bulk_waits_first_and_interactive_is_refused_at_the_second_limit(store: AskedStore, clock: Clock) -> None:
    budget = a_budget(store, clock, budget_bulk_gpu_s=50, budget_gpu_s=100)
    seen = []
    for _ in range(3):
        seen.append((budget.bulk_paused_until(), budget.is_spent()))
        spend(store, 50, at=clock.now())
        clock.pass_s(KEPT_S)
    assert seen == [(None, False), (MIDNIGHT, False), (MIDNIGHT, True)]


def test_bulk_waits_at_the_latest_when_all_is_spent(store: AskedStore, clock: Clock) -> None:
    spend(store, 100, at=NOON)
    assert a_budget(store, clock, budget_gpu_s=100).bulk_paused_until() == MIDNIGHT


def test_while_the_index_is_made_bulk_waits_rather_than_spending_unseen(store: AskedStore, clock: Clock) -> None:
    store.is_ready = False
    assert a_budget(store, clock, budget_bulk_gpu_s=50).bulk_paused_until() == MIDNIGHT


@pytest.mark.parametrize("limits", [{"budget_gpu_s": 0}, {"budget_bulk_gpu_s": 2, "budget_gpu_s": 1}])
def test_a_budget_that_makes_no_sense_is_told(limits: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        BudgetSettings.model_validate({"google_cloud_project": "life-as-not-me", **limits})


# --- over HTTP ---


def spending_world(gpu_s: float, **environ: str) -> World:
    world = World(**environ)
    spend(world.store, gpu_s, at=world.clock.now())
    return world


LIMITS = {"BUDGET_BULK_GPU_S": "50", "BUDGET_GPU_S": "100"}
BULK = {**WISH, "priority": "bulk"}


def test_bulk_is_accepted_and_says_how_long_it_waits() -> None:
    world = spending_world(60, **LIMITS)
    accepted = world.post(BULK)
    assert accepted.status == 202
    shown = world.get(f"/jobs/{accepted.body['job_id']}").body
    assert (shown["status"], shown["paused_until"]) == ("queued", "2026-01-02T00:00:00+00:00")
    assert "eta" not in shown
    interactive = world.post({**WISH, "seed": 2})
    assert "paused_until" not in world.get(f"/jobs/{interactive.body['job_id']}").body


def test_while_the_sum_can_not_be_had_bulk_waits_and_people_do_not() -> None:
    world = World(**LIMITS)
    world.post({**WISH, "seed": 2})
    world.post(BULK)
    world.store.sum_failure = Retryable("no answer")
    world.clock.pass_s(KEPT_S)
    assert not world.api.queue._budget.takes_bulk()
    shown = world.call("GET", "/queue", headers={"Authorization": f"Bearer {TOKEN}"}).body
    assert shown == {"renders": 1, "interactive": 1, "bulk": 0}


def test_no_worker_is_started_for_bulk_that_waits() -> None:
    world = spending_world(60, **LIMITS)
    world.post(BULK)
    world.post({**WISH, "seed": 2})
    shown = world.call("GET", "/queue", headers={"Authorization": f"Bearer {TOKEN}"}).body
    assert shown == {"renders": 1, "interactive": 1, "bulk": 0}


def test_a_batch_says_that_it_waits() -> None:
    world = spending_world(60, **LIMITS)
    batch = world.post({"requests": [{**WISH, "seed": 5}]}, to="/batches").body
    assert "paused_until" not in world.get(f"/batches/{batch['batch_id']}").body, "none of its jobs waits yet"
    stored = world.store.job(world.post(BULK).body["job_id"])
    assert stored
    world.store.commit(Replace(stored=stored, value=stored.value.model_copy(update={"batch_id": batch["batch_id"]})))
    assert (
        world.get(f"/batches/{batch['batch_id']}").body["paused_until"]
        == world.get(f"/jobs/{stored.value.job_id}").body["paused_until"]
    )


def test_interactive_wishes_are_refused_honestly_when_all_is_spent(caplog: pytest.LogCaptureFixture) -> None:
    world = spending_world(100, **LIMITS)
    caplog.set_level("INFO")
    answer = world.post()
    assert is_problem(answer, ErrorCode.BUDGET_SPENT)
    assert answer.status == 429, "no fault of the service, which an alert would ring for all day"
    [line] = [vars(each) for each in caplog.records if each.message == "refused for now"]
    assert (line["levelname"], line["code"]) == ("INFO", "budget_spent")
    assert answer.headers["Retry-After"] == str(24 * 3600 + 1)
    assert world.store.renders_to_do(Priority.INTERACTIVE) == 0
    assert world.post(BULK).status == 202
    batch = {"requests": [{**WISH, "seed": 5}], "priority": "interactive"}
    assert is_problem(world.post(batch, to="/batches"), ErrorCode.BUDGET_SPENT)


def test_what_adds_no_work_is_taken_all_the_same() -> None:
    world = World(**LIMITS)
    first = world.post(Idempotency_Key="k1").body
    spend(world.store, 100, at=world.clock.now())
    world.clock.pass_s(KEPT_S)
    assert is_problem(world.post({**WISH, "seed": 2}), ErrorCode.BUDGET_SPENT)
    assert world.post(Idempotency_Key="k1").body["job_id"] == first["job_id"]
    assert world.post(Idempotency_Key="k2").status == 202, "it waits for the same video"
    world.finish(first["render_key"])
    assert world.post().status == 200


def test_a_bulk_video_that_waits_is_not_drawn_today_by_wishing_for_it_twice() -> None:
    world = spending_world(100, **LIMITS)
    bulk = world.post(BULK).body
    assert is_problem(world.post(), ErrorCode.BUDGET_SPENT)
    assert world.store.renders_to_do(Priority.INTERACTIVE) == 0
    world.claim(bulk["render_key"])
    assert world.post().status == 202, "a worker makes it already"


def test_what_nobody_is_making_any_more_is_refused_as_new_work_is() -> None:
    world = World(**LIMITS)
    failed, retired, gone = (world.post({**WISH, "seed": seed}).body["render_key"] for seed in range(3))
    world.fail(failed)
    world.retire(retired)
    world.finish(gone)
    world.artifacts._objects.clear()
    left = world.post({**BULK, "seed": 3}).body["render_key"]
    world.claim(left)
    spend(world.store, 100, at=world.clock.now())
    world.clock.pass_s(60)  # the end of that lease
    before = dict(world.store._documents)
    for seed in range(4):
        assert is_problem(world.post({**WISH, "seed": seed}), ErrorCode.BUDGET_SPENT)
    assert world.store._documents == before
