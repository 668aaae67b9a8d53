"""Accepting a batch: what is refused at the door, with every fault and its row, and what the same key adds: nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from accept_batch import MAX_INLINE_REQUESTS, SCHEDULER
from callers import Caller

from shared.batches import BatchState, RowFault
from shared.errors import MAX_FAULTS, ErrorCode, Rejected, Retryable
from shared.perspectives import perspectives
from shared.plans import Plan, plans
from shared.requests import MAX_BODY_BYTES, parse_request
from shared.testing import AN_OFFER, TRACEPARENT
from tests.unit.batch_world import BUCKET, World, a_row, broken, limited, lines

GRACE = Caller(owner="grace")
TICK = b'{"schema_version": 1, "plan": "fresh-takes"}'


@pytest.fixture
def world() -> World:
    return World()


def refusal(world: World, **body: Any) -> Rejected:
    """How a body is refused; it must not have written anything."""
    with pytest.raises(Rejected) as caught:
        world.accept(**body)
    assert not world.batches._batches
    assert not world.publisher.published
    return caught.value


def faults(rejected: Rejected) -> list[tuple[str, str]]:
    return [(fault.field, fault.code) for fault in rejected.faults]


# --- the body ---


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"requests"])
def test_a_body_that_is_no_json_is_malformed(world: World, body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        world.accept_body(body)
    assert caught.value.code is ErrorCode.MALFORMED_REQUEST


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"atomic": True},
        {"plan": "fresh-takes", "manifest": f"gs://{BUCKET}/rows.jsonl"},
        {"plan": "fresh-takes", "requests": [a_row(1)]},
    ],
)
def test_exactly_one_source_is_named(world: World, body: dict[str, Any]) -> None:
    assert faults(refusal(world, **body)) == [("", "one_source")]


def test_every_fault_of_the_body_is_named_at_once(world: World) -> None:
    rejected = refusal(world, requests=[], atomic="yes", priority="soon", owner="grace")
    assert {fault.field for fault in rejected.faults} == {"requests", "atomic", "priority", "owner"}


def test_faults_of_the_source_are_named_together_with_all_others(world: World) -> None:
    rejected = refusal(world, manifest="rows.jsonl", plan="world-domination", atomic="yes")
    assert faults(rejected) == [
        ("atomic", "bool_type"),
        ("", "one_source"),
        ("manifest", "bad_uri"),
        ("plan", "unknown_plan"),
    ]
    rejected = refusal(world, manifest="gs://videos/rows.jsonl", requests=[a_row(1)])
    assert faults(rejected) == [("", "one_source"), ("manifest", "bucket_not_allowed")]
    assert faults(refusal(world, owner="grace")) == [("owner", "extra_forbidden"), ("", "one_source")]


@pytest.mark.parametrize("body", [b"[]", b"7", b"null", b'"requests"'])
def test_a_body_that_is_no_object_has_that_one_fault(world: World, body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        world.accept_body(body)
    assert len(caught.value.faults) == 1


def test_more_requests_than_a_body_may_hold_belong_into_a_manifest(world: World) -> None:
    rejected = refusal(world, requests=[a_row(1)] * (MAX_INLINE_REQUESTS + 1))
    assert faults(rejected) == [("requests", "too_long")]
    assert world.accept(requests=[a_row(1)] * MAX_INLINE_REQUESTS)


# --- a list ---


def test_an_atomic_list_with_one_bad_row_is_refused_with_its_number(world: World) -> None:
    rejected = refusal(world, requests=[a_row(1), a_row(-1), a_row(3), {"theme": "noon"}], atomic=True)
    assert [(fault.row, fault.field, fault.code) for fault in rejected.faults if isinstance(fault, RowFault)] == [
        (2, "seed", "greater_than_equal"),
        (4, "perspective", "missing"),
        (4, "theme", "unknown_theme"),
    ]
    assert "2 of 4 rows" in rejected.detail


def test_a_list_with_a_bad_row_is_accepted_without_it(world: World) -> None:
    batch = world.accept(requests=[a_row(1), a_row(-1)])
    world.deliver()
    done = world.batch(batch)
    assert (done.placed, done.rejected, [fault.row for fault in done.faults]) == (1, 1, [2])


def test_a_list_without_a_good_row_is_refused(world: World) -> None:
    assert faults(refusal(world, requests=[a_row(-1)])) == [("seed", "greater_than_equal")]


def test_of_many_faults_some_are_named_and_the_rest_counted(world: World) -> None:
    rejected = refusal(world, requests=[a_row(-1)] * 80, atomic=True)
    assert len(rejected.faults) == MAX_FAULTS + 1
    assert rejected.faults[-1].message == f"and {80 - MAX_FAULTS} more faults"


def test_a_row_of_a_list_may_be_as_large_as_a_request_and_no_larger(world: World) -> None:
    assert faults(refusal(world, requests=[a_row(1, prompt="x" * 20_000)])) == [("", "row_too_long")]


# --- a manifest ---


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("rows.jsonl", "bad_uri"),
        ("https://storage.googleapis.com/wishes/rows.jsonl", "bad_uri"),
        ("gs://wishes", "bad_uri"),
        ("gs://wishes/", "bad_uri"),
        ("gs:///rows.jsonl", "bad_uri"),
        ("gs://wishes/a\nb", "bad_uri"),
        ("gs://videos/renders/x/video.mp4", "bucket_not_allowed"),
        ("gs://wishes.evil/rows.jsonl", "bucket_not_allowed"),
        ("gs://wishes/../videos/rows.jsonl", "no_such_object"),
        ("gs://wishes/missing.jsonl", "no_such_object"),
        ("gs://wishes/empty.jsonl", "empty"),
    ],
)
def test_a_manifest_that_is_not_there_or_not_for_us_is_refused(world: World, uri: str, code: str) -> None:
    world.manifests.put(BUCKET, "empty.jsonl", b"")
    world.manifests.put("videos", "renders/x/video.mp4", b"{}")
    assert faults(refusal(world, manifest=uri)) == [("manifest", code)]


def test_without_allowed_buckets_there_are_no_manifests() -> None:
    world = World()
    closed = World(limits=type(world.limits)())
    closed.manifests.put(BUCKET, "rows.jsonl", lines(a_row(1)))
    assert faults(refusal(closed, manifest=f"gs://{BUCKET}/rows.jsonl")) == [("manifest", "bucket_not_allowed")]


def test_a_manifest_that_is_larger_than_all_its_rows_may_be_is_refused() -> None:
    world = limited(max_rows=2)
    world.manifests.put(BUCKET, "rows.jsonl", b" " * 2 * (MAX_BODY_BYTES + 1) + b"\n")
    rejected = refusal(world, manifest=f"gs://{BUCKET}/rows.jsonl")
    assert faults(rejected) == [("manifest", "too_large")]
    assert str(2 * (MAX_BODY_BYTES + 1)) in rejected.summary
    world.manifests.put(BUCKET, "rows.jsonl", b" " * 2 * (MAX_BODY_BYTES + 1))
    assert world.accept(manifest=f"gs://{BUCKET}/rows.jsonl")


def test_the_generation_is_pinned_when_the_batch_is_accepted(world: World) -> None:
    batch = world.accept_manifest(a_row(1))
    found = world.manifests.find(BUCKET, "rows.jsonl")
    assert batch.manifest == found


# --- the same again ---


def test_the_same_key_and_body_are_the_same_batch(world: World) -> None:
    first, second = (world.accept(requests=[a_row(1), a_row(2)], key="k1") for _ in range(2))
    assert first == second
    world.deliver()
    assert world.seeds == [1, 2]


def test_the_same_key_later_shows_how_far_the_batch_is(world: World) -> None:
    world.accept(requests=[a_row(1)], key="k1")
    world.deliver()
    assert world.accept(requests=[a_row(1)], key="k1").state is BatchState.PLACED
    assert len(world.chunks) == 1


def test_the_same_key_sends_the_message_that_was_lost(world: World) -> None:
    world.publisher.is_down = True
    world.accept(requests=[a_row(1)], key="k1")
    world.publisher.is_down = False
    world.accept(requests=[a_row(1)], key="k1")
    world.deliver()
    assert world.seeds == [1]


def test_the_same_key_with_another_body_is_refused(world: World) -> None:
    world.accept(requests=[a_row(1)], key="k1")
    with pytest.raises(Rejected) as caught:
        world.accept(requests=[a_row(2)], key="k1")
    assert caught.value.code is ErrorCode.IDEMPOTENCY_CONFLICT
    world.deliver()
    assert world.seeds == [1]


def test_the_same_key_at_the_same_moment_is_one_batch(world: World) -> None:
    find = world.manifests.write

    def write(name: str, content: bytes) -> Any:
        world.manifests.write = find  # type: ignore[method-assign]
        world.accept(requests=[a_row(1)], key="k1")
        return find(name, content)

    world.manifests.write = write  # type: ignore[method-assign]
    world.accept(requests=[a_row(1)], key="k1")
    world.deliver()
    assert world.seeds == [1]


def test_a_batch_whose_document_was_not_written_leaves_no_rows_to_the_next_of_its_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(world.batches, "create", lambda _: broken())
        with pytest.raises(Retryable):
            world.accept(requests=[a_row(1)], key="k1")
    world.accept(requests=[a_row(2), a_row(3)], key="k1")
    world.deliver()
    assert world.seeds == [2, 3]


def test_the_same_key_after_its_batch_has_expired_is_a_batch_of_the_rows_that_come_with_it(world: World) -> None:
    world.accept(requests=[a_row(1)], key="k1")
    world.batches._batches.clear()
    world.accept(requests=[a_row(2), a_row(3)], key="k1")
    world.deliver()
    assert world.seeds == [2, 3]


def test_another_body_at_the_same_moment_leaves_no_rows_behind(world: World) -> None:
    find = world.manifests.find

    def write(name: str, content: bytes) -> Any:
        del world.manifests.write
        world.accept(requests=[a_row(1)], key="k1")
        return world.manifests.write(name, content)

    world.manifests.write = write  # type: ignore[method-assign]
    with pytest.raises(Rejected):
        world.accept(requests=[a_row(2)], key="k1")
    manifest = world.the_batch.manifest
    assert [each for each, _ in world.manifests._objects.values()] == [manifest]
    assert find(manifest.bucket, manifest.name) == manifest


def test_the_same_key_of_another_caller_is_another_batch(world: World) -> None:
    first = world.accept(requests=[a_row(1)], key="k1")
    second = world.accept(requests=[a_row(1)], key="k1", caller=GRACE)
    assert first.batch_id != second.batch_id


def test_a_key_that_is_no_key_is_refused_with_all_other_faults(world: World) -> None:
    with pytest.raises(Rejected) as caught:
        world.accept(requests=[a_row(1)], key="ü")
    assert faults(caught.value) == [("Idempotency-Key", "bad_idempotency_key")]
    with pytest.raises(Rejected) as caught:
        world.accept(atomic="yes", key="ü")
    assert [field for field, _ in faults(caught.value)] == ["Idempotency-Key", "atomic", ""]
    assert not world.has_written_anything


# --- plans and their schedule ---


@pytest.mark.parametrize("name", list(plans()))
def test_every_row_of_every_plan_is_a_good_request(name: str) -> None:
    rows = list(plans()[name].rows("some-batch", offer=AN_OFFER))
    assert {row["perspective"] for row in rows} == set(perspectives())
    assert all(parse_request(json.dumps(row), offer=AN_OFFER) for row in rows)
    assert rows == list(plans()[name].rows("some-batch", offer=AN_OFFER)), "the same batch, the same rows"


def test_fresh_takes_are_other_seeds_in_every_batch() -> None:
    plan = plans()["fresh-takes"]
    one, other = ({row["seed"] for row in plan.rows(batch, offer=AN_OFFER)} for batch in ("one", "other"))
    assert len(one) == 3 * len(perspectives())
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
    assert (done.source, done.plan, done.placed, done.rejected) == ("plan", "fresh-takes", 24, 0)


def test_an_unknown_plan_is_refused_with_those_there_are(world: World) -> None:
    rejected = refusal(world, plan="world-domination")
    assert faults(rejected) == [("plan", "unknown_plan")]
    assert "fresh-takes" in rejected.summary


def test_a_schedule_starts_a_plan_under_the_schedules_name(world: World) -> None:
    world.schedule(TICK)
    world.deliver()
    batch = world.the_batch
    assert (batch.owner, batch.plan, batch.state, batch.placed) == (SCHEDULER, "fresh-takes", BatchState.PLACED, 24)
    assert {job.owner for job in world.jobs} == {SCHEDULER}


def a_tick(**fields: str) -> bytes:
    return json.dumps({"schema_version": 1, "plan": "fresh-takes", **fields}).encode()


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_schedules_message_that_is_delivered_twice_adds_nothing(world: World) -> None:
    for _ in range(3):
        world.schedule(TICK)
    world.deliver()
    assert len(world.jobs) == 24
    world.clock.pass_s(86_400)
    world.schedule(TICK, published_at=world.clock.now() - timedelta(days=1))
    world.deliver()
    assert len(world.jobs) == 24, "a redelivery a day later was still published when it was"


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
    assert len(world.jobs) == 24


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
    assert len({job.render_key for job in world.jobs}) == 48


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
