"""Rows of a batch: each is a job, once, or a fault with its number."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from batch_rows import MAX_LINE_BYTES, PIECE_BYTES
from place_rows import HOLDING_TRIES

from shared.batches import (
    BATCH_JOB_DEADLINE,
    MAX_FAULT_CHARS,
    MAX_KEPT_FAULTS,
    BatchState,
    job_id_of_row,
)
from shared.documents import State, Status
from shared.errors import ErrorCode
from shared.job_store import Create, Replace
from shared.jobs import RETENTION, claim_render, retire, touch
from shared.messages import RENDER_REQUESTS, RENDER_REQUESTS_BULK
from shared.requests import MAX_BODY_BYTES, PUBLIC, Priority
from shared.testing import TRACEPARENT, a_render, put_video
from tests.unit.batch_world import BUCKET, World, a_row, limited, lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.documents import Render


@pytest.fixture
def world() -> World:
    return World()


# --- rows become jobs ---


def test_a_list_becomes_jobs_of_the_same_owner_each_with_the_batchs_name(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(7)])
    assert (batch.state, batch.owner, batch.total, batch.source) == (BatchState.ACCEPTED, "ada", None, "requests")
    assert world.jobs == []

    world.deliver()

    done = world.batch(batch)
    assert (done.state, done.total, done.placed, done.rejected) == (BatchState.PLACED, 7, 7, 0)
    assert (done.check_at, done.finished_at) == (None, world.clock.now())
    assert world.seeds == list(range(7))
    assert {(job.owner, job.batch_id, job.traceparent) for job in world.jobs} == {("ada", batch.batch_id, TRACEPARENT)}
    assert world.counts(batch) == {Status.QUEUED: 7}


def test_every_new_render_gets_one_message_and_its_mark(world: World) -> None:
    world.accept(requests=[a_row(seed) for seed in range(7)])
    world.deliver()
    assert sorted(world.woken) == sorted({job.render_key for job in world.jobs if job.render_key})
    renders = world.store.renders(world.woken)
    assert all(each.value.published_at for each in renders.values())


def test_the_batch_goes_after_people_unless_it_or_a_row_says_otherwise(world: World) -> None:
    world.accept(requests=[a_row(1), a_row(2, priority="interactive")])
    world.accept(requests=[a_row(3)], priority="interactive")
    world.deliver()
    by_seed = {job.request.seed: job.request.priority for job in world.jobs if job.request}
    assert by_seed == {1: Priority.BULK, 2: Priority.INTERACTIVE, 3: Priority.INTERACTIVE}
    assert len(world.publisher.published[RENDER_REQUESTS_BULK]) == 1
    assert len(world.publisher.published[RENDER_REQUESTS]) == 2


def test_a_job_of_a_batch_has_longer_than_one_that_a_person_waits_for(world: World) -> None:
    world.accept(requests=[a_row(1)])
    world.deliver()
    assert [job.deadline_at for job in world.jobs] == [world.clock.now() + BATCH_JOB_DEADLINE]


def test_equal_rows_are_jobs_of_one_render(world: World) -> None:
    world.accept(requests=[a_row(1)] * 5)
    world.deliver()
    assert len(world.jobs) == 5
    assert len(world.woken) == 1


def test_a_row_without_a_seed_draws_the_same_one_each_time(world: World) -> None:
    rows = [{"perspective": "curious-cat"}] * 3
    batch = world.accept(requests=rows)
    world.deliver()
    before = world.seeds
    again = World()
    assert again.batches.create(batch)
    again.manifests.write(batch.manifest.name, lines(*rows))
    again.take(world.chunks[0])
    assert again.seeds == before


def test_a_private_prompt_of_a_row_is_shared_with_nobody(world: World) -> None:
    world.accept(requests=[a_row(1, prompt="a moth"), a_row(1)])
    world.deliver()
    scopes = {each.value.spec.scope for each in world.store.renders(world.woken).values()}
    assert scopes == {"ada", PUBLIC}


# --- renders that are there already ---


def test_a_row_whose_video_is_there_is_completed_at_once(world: World) -> None:
    world.accept(requests=[a_row(1)])
    world.deliver()
    [key] = world.woken
    put_video(world.artifacts, key)
    stored = world.store.render(key)
    assert stored
    done = stored.value.model_copy(update={"state": State.COMPLETED})
    world.store.commit(Replace(stored=stored, value=done))

    batch = world.accept(requests=[a_row(1), a_row(2)])
    world.deliver()

    assert world.counts(batch) == {Status.COMPLETED: 1, Status.QUEUED: 1}


def test_a_row_whose_render_waits_already_adds_a_job_and_no_message(world: World) -> None:
    world.accept(requests=[a_row(1)])
    world.deliver()
    batch = world.accept(requests=[a_row(1), a_row(1)])
    world.deliver()
    assert world.counts(batch) == {Status.QUEUED: 2}
    assert len(world.woken) == 1


def test_a_row_whose_render_was_never_published_wakes_a_worker(world: World) -> None:
    render = a_render(now=world.clock.now())
    world.store.commit(Create(value=render))
    world.accept(requests=[a_row(1)])
    world.deliver()
    assert world.woken == [render.render_key]


def test_a_row_whose_render_is_being_made_and_has_no_message_any_more_sends_one(world: World) -> None:
    """Another worker may be about to acknowledge the one message there was, and the holder may die."""
    world.accept(requests=[a_row(1)])
    world.deliver()
    [key] = world.woken
    change(world, key, lambda render: claim(retire(render, now=world.clock.now()), world))

    world.accept(requests=[a_row(1), a_row(1)])
    world.deliver()

    assert world.woken == [key, key]
    assert render_of(world, key).published_at


@pytest.mark.parametrize("is_leased", [False, True])
def test_rows_that_must_not_wait_put_the_render_of_a_bulk_batch_first(world: World, is_leased: bool) -> None:  # noqa: FBT001
    world.accept(requests=[a_row(1)])
    world.deliver()
    [key] = world.woken
    if is_leased:
        change(world, key, lambda render: claim(render, world))

    world.accept(requests=[a_row(1), a_row(1, priority="interactive"), a_row(1)])
    world.deliver()

    assert render_of(world, key).priority is Priority.INTERACTIVE
    assert render_of(world, key).published_at
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_of_equal_new_rows_one_that_must_not_wait_is_enough(world: World) -> None:
    world.accept(requests=[a_row(1), a_row(1, priority="interactive")])
    world.deliver()
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1
    assert RENDER_REQUESTS_BULK not in world.publisher.published or not world.publisher.published[RENDER_REQUESTS_BULK]


@pytest.mark.parametrize("wish", [{}, {"prompt": "a moth"}])
def test_a_render_that_waits_is_kept_for_as_long_as_the_rows_that_attach_to_it(
    world: World, wish: dict[str, str]
) -> None:
    world.accept(requests=[a_row(1, **wish)])
    world.deliver()
    [key] = world.woken
    world.clock.pass_s(timedelta(days=20).total_seconds())

    world.accept(requests=[a_row(1, **wish)] * 3)
    world.deliver()

    assert render_of(world, key).expires_at == world.clock.now() + RETENTION
    assert len(world.woken) == 1


def test_workers_that_write_a_render_at_every_try_cost_no_row(world: World) -> None:
    world.accept(requests=[a_row(1, prompt="a moth")])
    world.deliver()
    [key] = world.woken

    def progress() -> None:
        change(world, key, lambda render: touch(render, now=world.clock.now()))

    world.store.meddling.extend([lambda: None, *[progress] * HOLDING_TRIES])
    batch = world.accept(requests=[a_row(1, prompt="a moth")] * 3)
    world.deliver()

    assert world.counts(batch) == {Status.QUEUED: 3}
    assert len(world.woken) == 1


def change(world: World, key: str, change_to: Callable[[Render], Render]) -> None:
    stored = world.store.render(key)
    assert stored
    world.store.commit(Replace(stored=stored, value=change_to(stored.value)))


def claim(render: Render, world: World) -> Render:
    return claim_render(render, holder="a", lease_s=60, now=world.clock.now())


def render_of(world: World, key: str) -> Render:
    stored = world.store.render(key)
    assert stored
    return stored.value


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
