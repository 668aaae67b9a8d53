"""What every job store finds for estimates, budgets and bills: what was made last, what waits longest, and sums."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.documents import Cost, Job, Render, State
from shared.jobs import retire
from shared.requests import Priority
from shared.testing import a_job, a_render
from tests.contract.job_store_world import NOW, STORES, each_store, put

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.job_store import JobStore, Stored


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[JobStore]:
    """Every store in turn, empty."""
    yield from each_store(request)


@pytest.fixture
def render() -> Render:
    return a_render(now=NOW)


def keys(renders: Sequence[Stored[Render]]) -> list[str]:
    return [each.value.render_key for each in renders]


def render_of(seed: int, state: State, *, age_s: float, priority: Priority = Priority.INTERACTIVE) -> Render:
    changes = {"state": state, "priority": priority}
    return a_render(now=NOW - timedelta(seconds=age_s), seed=seed, changes=changes)


def completed(
    seed: int, hour: int, *, gpu_s: float | None = None, amount: float | None = None, **more: object
) -> Render:
    cost = None if gpu_s is None else Cost(gpu_s=gpu_s, amount=amount, currency="USD" if amount is not None else None)
    changes = {"state": State.COMPLETED, "finished_at": NOW + timedelta(hours=hour), "cost": cost, **more}
    return a_render(now=NOW, seed=seed, changes=changes)


def test_the_latest_finished_are_of_everybody_and_come_the_newest_first(store: JobStore) -> None:
    own = a_render(
        now=NOW, prompt="my own words", changes={"state": State.COMPLETED, "finished_at": NOW + timedelta(hours=2)}
    )
    public = [completed(1, 1), completed(2, 3)]
    put(store, own, *public, render_of(5, State.FAILED, age_s=1), render_of(6, State.LEASED, age_s=1))

    assert keys(store.latest_finished(limit=9)) == [public[1].render_key, own.render_key, public[0].render_key]
    assert keys(store.latest_finished(limit=1)) == [public[1].render_key]


def test_the_longest_waiting_are_idle_and_waited_for_the_oldest_first(store: JobStore) -> None:
    waiting = [
        render_of(1, State.IDLE, age_s=20),
        render_of(2, State.IDLE, age_s=40, priority=Priority.BULK),
        render_of(3, State.IDLE, age_s=30),
    ]
    put(store, *waiting, render_of(4, State.LEASED, age_s=99), retire(render_of(5, State.IDLE, age_s=99), now=NOW))

    in_order = [waiting[each].render_key for each in (1, 2, 0)]
    assert keys(store.longest_waiting(limit=9)) == in_order
    assert keys(store.longest_waiting(limit=2)) == in_order[:2]


def test_what_renders_have_cost_is_added_up_between_two_moments_the_first_of_them_included(store: JobStore) -> None:
    assert store.cost_of_renders(since=NOW, until=NOW + timedelta(days=1)) == (0, 0)
    put(
        store,
        completed(1, 0, gpu_s=10, amount=0.5),
        completed(2, 1, gpu_s=5.5, amount=0.25),
        completed(3, 1, gpu_s=4),
        completed(4, 1),
        completed(5, 2, gpu_s=1000, amount=9),
        completed(6, -1, gpu_s=1000, amount=9),
        completed(7, 1, gpu_s=1000, amount=9, state=State.FAILED),
    )

    assert store.cost_of_renders(since=NOW, until=NOW + timedelta(hours=2)) == (19.5, 0.75)


def test_what_a_batch_and_what_an_owner_have_cost_is_the_sum_of_their_jobs(store: JobStore, render: Render) -> None:
    def cost_job(number: int, hour: int | None, **more: object) -> Job:
        finished_at = None if hour is None else NOW + timedelta(hours=hour)
        changes = {
            "finished_at": finished_at,
            "cost": Cost(gpu_s=2.5, amount=0.125, currency="USD"),
            "batch_id": "batch-0001",
            **more,
        }
        return a_job(render, job_id=f"job-number-{number}", now=NOW, owner="ada").model_copy(update=changes)

    put(
        store,
        cost_job(1, 0),
        cost_job(2, 3, cost=Cost(gpu_s=4, amount=None, currency=None)),
        cost_job(3, -1),
        cost_job(4, None, cost=None),
        cost_job(5, 3, owner="bob", batch_id="batch-0002"),
    )

    assert store.cost_of_batch("batch-0001") == (9, 0.25)
    assert store.cost_of_batch("batch-0003") == (0, 0)
    assert store.cost_of_owner("ada", since=NOW) == (6.5, 0.125)
    assert store.cost_of_owner("bob", since=NOW) == (2.5, 0.125)
    assert store.cost_of_owner("ada", since=NOW + timedelta(hours=4)) == (0, 0)
