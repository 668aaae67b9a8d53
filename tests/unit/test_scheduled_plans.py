"""Plans: named batches, by themselves and on a schedule, once in each period."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from accept_batch import SCHEDULER

from shared.batches import BatchState
from shared.perspectives import perspectives
from shared.plans import Plan, plans
from shared.requests import parse_request
from shared.testing import AN_OFFER, TRACEPARENT
from tests.unit.batch_world import World

#: Rows of the plan "fresh-takes": three of every perspective.
TAKES = 3 * len(perspectives())
TICK = b'{"schema_version": 1, "plan": "fresh-takes"}'


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("name", list(plans()))
def test_every_row_of_every_plan_is_a_good_request(name: str) -> None:
    rows = list(plans()[name].rows("some-batch", offer=AN_OFFER))
    assert {row["perspective"] for row in rows} == set(perspectives())
    assert all(parse_request(json.dumps(row), offer=AN_OFFER) for row in rows)
    assert rows == list(plans()[name].rows("some-batch", offer=AN_OFFER)), "the same batch, the same rows"


def test_fresh_takes_are_other_seeds_in_every_batch() -> None:
    plan = plans()["fresh-takes"]
    one, other = ({row["seed"] for row in plan.rows(batch, offer=AN_OFFER)} for batch in ("one", "other"))
    assert len(one) == TAKES
    assert not one & other


def test_popular_wishes_are_all_that_a_wish_without_a_seed_may_draw() -> None:
    rows = list(plans()["popular-wishes"].rows("some-batch", offer=AN_OFFER))
    assert {row["seed"] for row in rows} == set(range(AN_OFFER.seed_pool))
    assert len(rows) == AN_OFFER.seed_pool * len(perspectives())


def test_a_plan_may_name_themes_of_the_catalogue_alone() -> None:
    entry = {"id": "x", "version": 1, "name": "x", "summary": "x", "seeds": "fresh", "takes": 1}
    plan = Plan.model_validate({**entry, "themes": ["", "first-snow"]})
    assert [row.get("theme") for row in plan.rows("b", offer=AN_OFFER)][:2] == [None, "first-snow"]
    with pytest.raises(ValueError, match="noon"):
        Plan.model_validate({**entry, "themes": ["noon"]})


def test_a_plan_becomes_a_batch_of_its_rows(world: World) -> None:
    batch = world.accept(plan="fresh-takes")
    world.deliver()
    done = world.batch(batch)
    assert (done.source, done.plan, done.placed, done.rejected) == ("plan", "fresh-takes", TAKES, 0)


def test_a_schedule_starts_a_plan_under_the_schedules_name(world: World) -> None:
    world.schedule(TICK)
    world.deliver()
    batch = world.the_batch
    assert (batch.owner, batch.plan, batch.state, batch.placed) == (SCHEDULER, "fresh-takes", BatchState.PLACED, TAKES)
    assert {job.owner for job in world.jobs} == {SCHEDULER}


def a_tick(**fields: str) -> bytes:
    return json.dumps({"schema_version": 1, "plan": "fresh-takes", **fields}).encode()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_schedules_message_that_is_delivered_twice_adds_nothing(world: World) -> None:
    for _ in range(3):
        world.schedule(TICK)
    world.deliver()
    assert len(world.jobs) == TAKES
    world.clock.pass_s(86_400)
    world.schedule(TICK, published_at=world.clock.now() - timedelta(days=1))
    world.deliver()
    assert len(world.jobs) == TAKES, "a redelivery a day later was still published when it was"


@pytest.mark.parametrize(
    ("every", "first", "second"),
    [
        ("hour", "2026-11-23T07:00:00Z", "2026-11-23T07:59:59Z"),
        ("day", "2026-11-23T00:00:00Z", "2026-11-23T23:59:59Z"),
        ("week", "2026-11-23T00:00:00Z", "2026-11-29T23:59:59Z"),
        ("week", "2026-12-28T00:00:00Z", "2027-01-03T23:59:59Z"),
        ("day", "2026-11-23T23:30:00-01:00", "2026-11-24T01:00:00Z"),
    ],
)
def test_a_second_message_of_the_same_period_adds_nothing(world: World, every: str, first: str, second: str) -> None:
    """Cloud Scheduler publishes at least once: the same tick may come as two messages, each with a trace of its own."""
    world.schedule(a_tick(every=every), published_at=at(first))
    world.schedule(a_tick(every=every, traceparent=TRACEPARENT), published_at=at(second))
    world.deliver()
    assert world.the_batch.state is BatchState.PLACED
    assert len(world.jobs) == TAKES


@pytest.mark.parametrize(
    ("every", "first", "second"),
    [
        ("hour", "2026-11-23T07:59:59Z", "2026-11-23T08:00:00Z"),
        ("hour", "2026-11-23T07:00:00Z", "2026-11-24T07:00:00Z"),
        ("day", "2026-11-23T23:59:59Z", "2026-11-24T00:00:00Z"),
        ("week", "2026-11-29T23:59:59Z", "2026-11-30T00:00:00Z"),
        ("week", "2026-01-05T00:00:00Z", "2027-01-04T00:00:00Z"),
    ],
)
def test_a_tick_of_the_next_period_is_another_batch_with_other_takes(
    world: World, every: str, first: str, second: str
) -> None:
    for published_at in (first, second):
        world.schedule(a_tick(every=every), published_at=at(published_at))
    world.deliver()
    assert len({job.render_key for job in world.jobs}) == 2 * TAKES


def test_a_schedule_that_does_not_say_how_often_is_one_of_days(world: World) -> None:
    world.schedule(a_tick(), published_at=at("2026-11-23T01:00:00Z"))
    world.schedule(a_tick(every="day"), published_at=at("2026-11-23T02:00:00Z"))
    assert world.the_batch.plan == "fresh-takes"


def test_two_plans_of_the_same_period_are_two_batches(world: World) -> None:
    world.schedule(a_tick())
    world.schedule(a_tick(plan="popular-wishes"))
    assert {stored.value.plan for stored in world.batches._batches.values()} == {"fresh-takes", "popular-wishes"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"plan": "world-domination"}',
        b'{"schema_version": 2, "plan": "fresh-takes"}',
        b'{"plan": "fresh-takes", "every": "minute"}',
    ],
)
def test_a_schedule_that_can_never_be_granted_is_acknowledged(world: World, data: bytes) -> None:
    world.schedule(data)
    assert not world.has_written_anything
