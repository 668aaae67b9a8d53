"""Rows of a batch that can't be jobs: each is a fault with its number, and none takes more than its share of time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from batch_rows import MAX_LINE_BYTES, PIECE_BYTES

from shared.batches import (
    MAX_FAULT_CHARS,
    MAX_KEPT_FAULTS,
    BatchState,
    job_id_of_row,
)
from shared.errors import ErrorCode
from shared.requests import MAX_BODY_BYTES
from tests.unit.batch_world import BUCKET, World, a_row, limited, lines


@pytest.fixture
def world() -> World:
    return World()


# --- rows with faults ---


def test_bad_rows_are_named_by_their_numbers_and_the_others_are_placed(world: World) -> None:
    batch = world.accept_manifest(
        a_row(1), b"{no json", a_row(3), {"perspective": "stone", "seed": -1}, b"[]", b"\xff", a_row(7)
    )
    world.deliver()
    done = world.batch(batch)
    assert (done.state, done.total, done.placed, done.rejected) == (BatchState.PLACED, 7, 3, 4)
    assert [(fault.row, fault.field, fault.code) for fault in done.faults] == [
        (2, "", "malformed_request"),
        (4, "perspective", "unknown_perspective"),
        (4, "seed", "greater_than_equal"),
        (5, "", "model_type"),
        (6, "", "malformed_request"),
    ]
    assert world.seeds == [1, 3, 7]
    assert {job.job_id for job in world.jobs} == {job_id_of_row(batch.batch_id, row) for row in (1, 3, 7)}


def test_blank_lines_and_windows_line_ends_are_no_rows_but_count_as_lines(world: World) -> None:
    text = b"\xef\xbb\xbf" + lines(a_row(1), b"", b"  \r", json.dumps(a_row(4)).encode() + b"\r", b"{")
    world.manifests.put(BUCKET, "rows.jsonl", text)
    batch = world.accept(manifest=f"gs://{BUCKET}/rows.jsonl")
    world.deliver()
    assert world.seeds == [1, 4]
    assert [fault.row for fault in world.batch(batch).faults] == [5]
    assert world.batch(batch).total == 3


def test_the_last_row_needs_no_line_end(world: World) -> None:
    world.manifests.put(BUCKET, "rows.jsonl", lines(a_row(1), a_row(2)).rstrip())
    world.accept(manifest=f"gs://{BUCKET}/rows.jsonl")
    world.deliver()
    assert world.seeds == [1, 2]


def test_an_endless_line_is_one_fault_and_is_never_held_as_a_whole(world: World) -> None:
    batch = world.accept_manifest(a_row(1), b"x" * (3 * 1024 * 1024), a_row(3), b" " * (MAX_BODY_BYTES + 1) + b"{}")
    world.deliver()
    assert [(fault.row, fault.code) for fault in world.batch(batch).faults][:1] == [(2, "row_too_long")]
    assert world.seeds == [1, 3]
    assert max(world.manifests.sizes) <= 1024 * 1024


@pytest.mark.parametrize("around", [0, 2, MAX_LINE_BYTES])
def test_a_line_that_is_too_long_is_a_fault_whatever_it_begins_with(
    world: World, around: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for piece_bytes in (MAX_BODY_BYTES // 3, MAX_LINE_BYTES, MAX_LINE_BYTES + 1, PIECE_BYTES):
        monkeypatch.setattr("batch_rows.PIECE_BYTES", piece_bytes)
        long = b" " * (MAX_LINE_BYTES + 1 + around) + json.dumps(a_row(2)).encode()
        batch = world.accept_manifest(a_row(1), long, a_row(3))
        world.deliver()
        assert [(fault.row, fault.code) for fault in world.batch(batch).faults] == [(2, "row_too_long")]
        assert (world.batch(batch).placed, world.batch(batch).total) == (2, 3)


ENDLESS = {"one line": b"x" * 5000, "blanks": b" " * 5000, "blank lines": b"\n" * 5000, "both": b" \r\n" * 1500}


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("endless", ENDLESS.values(), ids=list(ENDLESS))
def test_the_time_limit_holds_where_there_are_no_rows(
    endless: bytes,
    atomic: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("batch_rows.PIECE_BYTES", 100)
    monkeypatch.setattr("batch_rows.MAX_LINE_BYTES", 200)
    world = limited(chunk_s=10, max_rows=100_000)
    read = world.manifests.read

    def slow(*args: Any, **kwargs: Any) -> bytes:
        world.clock.pass_s(1)
        return read(*args, **kwargs)

    monkeypatch.setattr(world.manifests, "read", slow)
    batch = world.accept_manifest(a_row(1), endless, a_row(3), atomic=atomic)
    begun = world.clock.monotonic()
    chunks, longest = 0, 0.0
    while world.deliver(most=1):
        chunks, longest = chunks + 1, max(longest, world.clock.monotonic() - begun)
        begun = world.clock.monotonic()
    assert chunks > 3
    assert longest <= 15
    if endless in (ENDLESS["one line"], ENDLESS["blanks"]):
        assert [fault.row for fault in world.batch(batch).faults] == [2]
        assert world.seeds == ([] if atomic else [1, 3])
    else:
        assert world.batch(batch).state is BatchState.PLACED
        assert world.seeds == [1, 3]


@pytest.mark.parametrize("atomic", [False, True])
def test_blank_lines_without_end_are_no_rows_either(atomic: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    monkeypatch.setattr("batch_rows.PIECE_BYTES", 100)
    world = limited(chunk_rows=2, max_rows=100_000)
    batch = world.accept_manifest(*[b" "] * 1000, atomic=atomic)
    assert world.deliver() > 3
    done = world.batch(batch)
    assert (done.state, done.rejected) == (BatchState.FAILED, 0)
    assert done.error
    assert "no rows" in done.error.message


def test_more_blank_lines_than_a_batch_may_have_rows_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batch_rows.PIECE_BYTES", 100)
    world = limited(max_rows=1000)
    batch = world.accept_manifest(a_row(1), *[b""] * 100_000, a_row(2))
    world.deliver()
    done = world.batch(batch)
    assert (done.state, [fault.code for fault in done.faults]) == (BatchState.PLACED, ["too_many_rows"])
    assert sum(world.manifests.sizes) < 2000


def test_only_the_first_hundred_faults_are_kept_and_all_are_counted(world: World) -> None:
    batch = world.accept_manifest(*([b"{"] * 250), a_row(1))
    world.deliver()
    done = world.batch(batch)
    assert (done.rejected, done.placed, len(done.faults)) == (250, 1, MAX_KEPT_FAULTS)
    assert [fault.row for fault in done.faults] == list(range(1, 101))


def test_a_field_with_an_endless_name_does_not_fill_the_document(world: World) -> None:
    batch = world.accept_manifest({"x" * 15_000: 1, "perspective": "curious-cat"})
    world.deliver()
    assert [len(fault.field) for fault in world.batch(batch).faults] == [MAX_FAULT_CHARS]


def test_faults_never_repeat_what_a_row_held(world: World) -> None:
    batch = world.accept_manifest({"perspective": "curious-cat", "seed": "secret", "prompt": ["secret"]})
    world.deliver()
    assert world.batch(batch).rejected == 1
    assert "secret" not in world.batch(batch).model_dump_json()


def test_more_rows_than_a_batch_may_have_are_not_read() -> None:
    world = limited(max_rows=4)
    batch = world.accept_manifest(*(a_row(seed) for seed in range(50)))
    world.deliver()
    done = world.batch(batch)
    assert (done.state, done.placed, done.rejected) == (BatchState.PLACED, 4, 1)
    assert [(fault.row, fault.code) for fault in done.faults] == [(5, "too_many_rows")]
    assert world.seeds == [0, 1, 2, 3]


def test_a_manifest_of_blank_lines_alone_fails(world: World) -> None:
    batch = world.accept_manifest(b"", b" ")
    world.deliver()
    done = world.batch(batch)
    assert done.state is BatchState.FAILED
    assert done.error
    assert done.error.code is ErrorCode.INVALID_REQUEST


# --- all or nothing ---


def test_an_atomic_manifest_is_checked_to_its_end_before_the_first_row_is_placed(world: World) -> None:
    batch = world.accept_manifest(*(a_row(seed) for seed in range(10)), b"{", atomic=True)
    world.deliver()
    done = world.batch(batch)
    assert (done.state, done.placed, [fault.row for fault in done.faults]) == (BatchState.FAILED, 0, [11])
    assert done.error
    assert done.error.code is ErrorCode.INVALID_REQUEST
    assert world.jobs == []
    assert world.woken == []


def test_an_atomic_manifest_without_faults_is_placed_as_a_whole(world: World) -> None:
    batch = world.accept_manifest(*(a_row(seed) for seed in range(10)), atomic=True)
    world.deliver()
    assert (world.batch(batch).state, world.batch(batch).placed) == (BatchState.PLACED, 10)
    assert world.seeds == list(range(10))


def test_an_atomic_check_ends_early_when_it_is_hopeless() -> None:
    world = limited(group_rows=50)
    batch = world.accept_manifest(*([b"{"] * 500), atomic=True)
    world.deliver()
    assert (world.batch(batch).state, world.batch(batch).rejected) == (BatchState.FAILED, MAX_KEPT_FAULTS)


def test_an_atomic_manifest_in_many_chunks_is_checked_and_then_placed() -> None:
    world = limited(chunk_rows=3)
    batch = world.accept_manifest(*(a_row(seed) for seed in range(10)), atomic=True)
    assert world.deliver() > 6
    assert (world.batch(batch).state, world.batch(batch).placed) == (BatchState.PLACED, 10)
