"""Chunks of a batch: nothing is lost or done twice, whatever is delivered twice or breaks in between."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.batch_waking import wake_lost_batches
from shared.batches import (
    BATCH_DEADLINE,
    CHECK_EVERY,
    BatchState,
)
from shared.documents import State
from shared.errors import ErrorCode, Retryable
from shared.job_store import Create, Replace
from shared.jobs import claim_render, publish
from shared.messages import BatchChunk, encode
from shared.testing import TRACEPARENT, a_render
from tests.unit.batch_world import BUCKET, World, a_row, broken, limited, lines


@pytest.fixture
def world() -> World:
    return World()


# --- chunks ---


def test_a_long_manifest_is_read_in_chunks_each_from_where_the_last_ended() -> None:
    world = limited(chunk_rows=6)
    batch = world.accept_manifest(*(a_row(seed) for seed in range(20)))
    states = []
    while world.deliver(most=1):
        states.append((world.batch(batch).state.value, world.batch(batch).placed))
    assert states == [("placing", 6), ("placing", 12), ("placing", 18), ("placed", 20)]
    assert world.seeds == list(range(20))


def test_a_chunk_ends_when_its_time_is_up() -> None:
    world = limited(chunk_s=10)
    batch = world.accept_manifest(*(a_row(seed) for seed in range(9)))
    world.batches.meddling = [lambda: world.clock.pass_s(6)] * 3
    assert world.deliver(most=1) == 1
    assert world.batch(batch).placed == 6
    world.deliver()
    assert world.batch(batch).placed == 9


def test_reading_is_exact_wherever_the_pieces_and_chunks_happen_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for piece_bytes in (1, 7, 31, 32, 33, 100):
        monkeypatch.setattr("batch_rows.PIECE_BYTES", piece_bytes)
        world = limited(chunk_rows=3, group_rows=2)
        batch = world.accept_manifest(
            a_row(0), b"", a_row(1, theme="first-snow"), b"{", *(a_row(n) for n in range(2, 9))
        )
        world.deliver()
        assert world.seeds == list(range(9))
        assert [fault.row for fault in world.batch(batch).faults] == [4]


def test_a_chunk_that_is_delivered_twice_adds_nothing(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(7)])
    for _ in range(3):
        world.take(world.chunks[0])
    assert (world.batch(batch).placed, world.seeds) == (7, list(range(7)))
    assert len(world.woken) == 7


def test_an_old_chunk_that_comes_late_goes_on_where_the_document_says() -> None:
    world = limited(chunk_rows=3)
    batch = world.accept(requests=[a_row(seed) for seed in range(9)])
    for _ in range(5):
        world.take(world.chunks[0])
    assert (world.batch(batch).state, world.batch(batch).placed) == (BatchState.PLACED, 9)


def test_two_chunks_at_once_place_each_row_once_and_one_of_them_stops(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(9)])
    chunk = world.chunks[0]
    world.batches.meddling = [lambda: world.take(chunk)]  # the other is faster, and reads all of it
    world.take(chunk)
    done = world.batch(batch)
    assert (done.state, done.placed, done.rejected) == (BatchState.PLACED, 9, 0)
    assert world.seeds == list(range(9))
    assert len(world.woken) == 9


@pytest.mark.parametrize("after", range(4))
def test_a_crash_between_two_groups_loses_and_repeats_nothing(world: World, after: int) -> None:
    batch = world.accept_manifest(*(a_row(seed) for seed in range(9)), b"{")
    world.batches.meddling = [*([lambda: None] * after), broken]
    with pytest.raises(Retryable):
        world.take(world.chunks[0])
    world.take(world.chunks[0])
    done = world.batch(batch)
    assert (done.state, done.placed, done.rejected, len(done.faults)) == (BatchState.PLACED, 9, 1, 1)
    assert world.seeds == list(range(9))
    assert len(world.woken) == 9


@pytest.mark.parametrize("after", range(6))
def test_a_crash_in_the_middle_of_a_group_loses_and_repeats_nothing(world: World, after: int) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(9)])
    world.store.meddling.extend([*([lambda: None] * after), broken])
    with pytest.raises(Retryable):
        world.take(world.chunks[0])
    world.take(world.chunks[0])
    assert (world.batch(batch).state, world.batch(batch).placed) == (BatchState.PLACED, 9)
    assert world.seeds == list(range(9))
    assert set(world.woken) == {job.render_key for job in world.jobs}
    assert all(each.value.published_at for each in world.store.renders(world.woken).values())


def test_while_messages_are_not_taken_the_chunk_is_tried_again(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(4)])
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.take(world.chunks[0])
    world.publisher.is_down = False
    world.take(world.chunks[0])
    assert world.batch(batch).state is BatchState.PLACED
    assert len(world.woken) == 4


def test_while_the_manifest_is_out_of_reach_the_chunk_is_tried_again(world: World) -> None:
    batch = world.accept_manifest(a_row(1))
    world.manifests.is_down = True
    with pytest.raises(Retryable):
        world.take(world.chunks[0])
    world.manifests.is_down = False
    world.take(world.chunks[0])
    assert world.batch(batch).state is BatchState.PLACED


def test_somebody_who_wishes_the_same_at_the_same_moment_costs_no_row(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(3)])
    render = a_render(now=world.clock.now(), seed=1)
    published = publish(render, now=world.clock.now())
    world.store.meddling.append(lambda: world.store.commit(Create(value=published)))
    world.deliver()
    assert (world.batch(batch).placed, world.seeds) == (3, [0, 1, 2])
    assert len(world.woken) == 2, "the other's message is on its way already"


def test_workers_that_are_faster_than_the_marks_are_left_alone(world: World) -> None:
    world.accept(requests=[a_row(seed) for seed in range(3)])

    def claim() -> None:
        stored = world.store.render(world.woken[0])
        assert stored
        claimed = claim_render(stored.value, holder="a", lease_s=60, now=world.clock.now())
        world.store.commit(Replace(stored=stored, value=claimed))

    world.store.meddling.extend([lambda: None, claim])
    world.deliver()
    renders = [each.value for each in world.store.renders(world.woken).values()]
    assert sorted(render.state for render in renders) == [State.IDLE, State.IDLE, State.LEASED]
    assert all(render.published_at for render in renders if render.state is State.IDLE)


@pytest.mark.parametrize(
    "chunk", [b"", b"{", b'{"batch_id": "x", "cursor": 0}', b'{"batch_id": "never-seen", "cursor": 0}']
)
def test_a_chunk_of_nothing_is_acknowledged(world: World, chunk: bytes) -> None:
    world.take(chunk)
    assert not world.has_written_anything


def test_a_hundred_thousand_rows_are_read_piece_by_piece() -> None:
    """Checked only: placing them in memory would hold the jobs, and measure the double."""
    world = limited(group_rows=1000, chunk_rows=200_000)
    text = json.dumps(a_row(1)).encode() + b"\n"
    world.manifests.put(BUCKET, "rows.jsonl", text * 99_999 + b"{\n")
    batch = world.accept(manifest=f"gs://{BUCKET}/rows.jsonl", atomic=True)
    world.deliver()
    assert [fault.row for fault in world.batch(batch).faults] == [100_000]


# --- the manifest changes ---


def test_a_manifest_that_is_overwritten_after_acceptance_fails_the_batch_and_keeps_what_was_placed() -> None:
    world = limited(chunk_rows=3)
    batch = world.accept_manifest(*(a_row(seed) for seed in range(9)))
    world.deliver(most=1)
    world.manifests.put(BUCKET, "rows.jsonl", lines(a_row(99)))
    world.deliver()
    done = world.batch(batch)
    assert (done.state, done.placed) == (BatchState.FAILED, 3)
    assert done.error
    assert done.error.code is ErrorCode.MANIFEST_GONE
    assert world.seeds == [0, 1, 2]


# --- its rows go, since they may hold private prompts ---


@pytest.mark.parametrize("body", [{"requests": [a_row(1, prompt="a moth")]}, {"plan": "fresh-takes"}])
def test_rows_of_ours_are_deleted_when_the_last_is_placed(world: World, body: dict[str, Any]) -> None:
    batch = world.accept(**body)
    assert world.manifests._objects
    world.deliver()
    assert world.batch(batch).state is BatchState.PLACED
    assert not world.manifests._objects


def test_rows_of_ours_are_deleted_when_the_batch_fails(world: World) -> None:
    world.accept(requests=[a_row(1)])
    world.clock.pass_s((BATCH_DEADLINE + timedelta(seconds=1)).total_seconds())
    wake_lost(world)
    assert world.the_batch.state is BatchState.FAILED
    world.deliver()
    assert not world.manifests._objects


@pytest.mark.parametrize("delivered", [0, 1])
def test_rows_of_ours_are_deleted_when_the_batch_is_canceled(delivered: int) -> None:
    world = limited(chunk_rows=1)
    batch = world.accept(requests=[a_row(seed) for seed in range(9)])
    world.deliver(most=delivered)
    assert world.manifests._objects
    world.cancel(batch)
    world.deliver()
    assert world.batch(batch).state is BatchState.CANCELED
    assert not world.manifests._objects


@pytest.mark.parametrize("end", ["placed", "canceled", "failed"])
def test_a_callers_own_manifest_is_never_deleted(world: World, end: str) -> None:
    batch = world.accept_manifest(a_row(1), *([b"{"] if end == "failed" else []), atomic=end == "failed")
    if end == "canceled":
        world.cancel(batch)
    world.deliver()
    assert world.batch(batch).state.value == end
    assert world.manifests.find(BUCKET, "rows.jsonl") == batch.manifest


def test_rows_that_could_not_be_deleted_go_when_the_chunk_comes_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = world.accept(requests=[a_row(1)])
    with monkeypatch.context() as patch:
        patch.setattr(world.manifests, "delete", lambda _: broken())
        with pytest.raises(Retryable):
            world.take(world.chunks[0])
    assert world.batch(batch).state is BatchState.PLACED
    world.take(world.chunks[0])
    assert not world.manifests._objects
    assert world.seeds == [1]


def test_a_chunk_whose_rows_are_deleted_by_another_that_placed_them_stops(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(9)])
    read = world.manifests.read

    def late(*args: Any, **kwargs: Any) -> bytes:
        world.manifests.read = read  # type: ignore[method-assign]
        world.take(world.chunks[0])
        return read(*args, **kwargs)

    world.manifests.read = late  # type: ignore[method-assign]
    world.take(world.chunks[0])
    assert (world.batch(batch).state, world.batch(batch).placed, world.batch(batch).error) == (
        BatchState.PLACED,
        9,
        None,
    )


# --- what was lost ---


def test_a_batch_whose_message_was_lost_is_woken_by_reconcile(world: World) -> None:
    world.publisher.is_down = True
    batch = world.accept(requests=[a_row(1)])
    assert (world.batch(batch).state, world.chunks) == (BatchState.ACCEPTED, [])
    world.publisher.is_down = False

    assert wake_lost(world) == 0, "not yet"
    world.clock.pass_s(CHECK_EVERY.total_seconds())
    assert wake_lost(world) == 1
    assert wake_lost(world) == 0, "once"
    world.deliver()
    assert world.batch(batch).state is BatchState.PLACED
    world.clock.pass_s(CHECK_EVERY.total_seconds())
    assert wake_lost(world) == 0, "nothing is left to do"


def test_a_batch_that_never_ends_fails(world: World) -> None:
    batch = world.accept(requests=[a_row(1)])
    world.clock.pass_s((BATCH_DEADLINE + timedelta(seconds=1)).total_seconds())
    wake_lost(world)
    done = world.batch(batch)
    assert done.state is BatchState.FAILED
    assert done.error
    assert done.error.code is ErrorCode.DEADLINE_EXCEEDED


def test_waking_a_batch_that_moves_in_the_same_moment_leaves_it_alone(world: World) -> None:
    batch = world.accept(requests=[a_row(1)])
    world.clock.pass_s(CHECK_EVERY.total_seconds())
    world.batches.meddling = [lambda: world.take(world.chunks[0])]
    wake_lost(world)
    assert (world.batch(batch).state, len(world.chunks)) == (BatchState.PLACED, 1)


def wake_lost(world: World) -> int:
    return wake_lost_batches(batches=world.batches, publisher=world.publisher, now=world.clock.now)


def test_a_chunk_says_how_far_the_batch_was(world: World) -> None:
    batch = world.accept(requests=[a_row(1)])
    assert world.chunks == [encode(BatchChunk(batch_id=batch.batch_id, cursor=0, traceparent=TRACEPARENT))]
