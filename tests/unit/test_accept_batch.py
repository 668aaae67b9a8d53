"""Accepting a batch: what is refused at the door, with every fault and its row, and what the same key adds: nothing."""

from __future__ import annotations

from typing import Any

import pytest
from accept_batch import MAX_INLINE_REQUESTS
from callers import Caller

from shared.batches import BatchState, RowFault
from shared.errors import MAX_FAULTS, ErrorCode, Rejected, Retryable
from shared.requests import MAX_BODY_BYTES
from tests.unit.batch_world import BUCKET, World, a_row, broken, limited, lines

GRACE = Caller(owner="grace")


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
    closed = World(limits=type(world.limits)(max_rows_of_person=1))
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


def test_an_unknown_plan_is_refused_with_those_there_are(world: World) -> None:
    rejected = refusal(world, plan="world-domination")
    assert faults(rejected) == [("plan", "unknown_plan")]
    assert "fresh-takes" in rejected.summary


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
