"""Many wishes at once: every row is a job or a named fault, once, whatever is delivered twice or breaks in between."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from batch_desk import Limits

from shared.batch_waking import wake_lost_batches
from shared.batches import (
    BATCH_DEADLINE,
    BATCH_JOB_DEADLINE,
    CHECK_EVERY,
    MAX_FAULT_CHARS,
    MAX_KEPT_FAULTS,
    BatchState,
    job_id_of_row,
    rows_path,
)
from shared.documents import State, Status
from shared.errors import ErrorCode, Retryable
from shared.job_store import Create, Replace
from shared.jobs import claim_render, publish
from shared.messages import RENDER_REQUESTS, RENDER_REQUESTS_BULK, BatchChunk, encode
from shared.requests import MAX_BODY_BYTES, PUBLIC, Priority
from shared.testing import TRACEPARENT, a_job, a_render, put_video
from tests.unit.batch_world import BUCKET, World, a_row, lines


@pytest.fixture
def world() -> World:
    return World()


def limited(**limits: Any) -> World:
    return World(limits=replace(Limits(buckets=(BUCKET,), group_rows=3), **limits))


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
    again.manifests.write(rows_path(batch.batch_id), lines(*rows))
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


def broken() -> None:
    raise Retryable("firestore does not answer")


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
    assert all(render.published_at for render in renders)


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


# --- cancel ---


def test_canceling_a_batch_cancels_every_job_that_waits_and_tells_of_each(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(7)])
    world.deliver()
    canceled = world.cancel(batch)
    assert (canceled.state, world.counts(batch)) == (BatchState.CANCELING, {Status.QUEUED: 7})
    world.deliver()
    assert (world.batch(batch).state, world.counts(batch)) == (BatchState.CANCELED, {Status.CANCELED: 7})
    assert len(world.publisher.published["job-events"]) == 7
    assert not any(job.event_pending for job in world.jobs)


def test_jobs_of_others_and_jobs_that_are_final_stay_as_they_are(world: World) -> None:
    first = world.accept(requests=[a_row(1)])
    other = world.accept(requests=[a_row(1)])
    world.deliver()
    render = a_render(now=world.clock.now(), seed=5)
    final = a_job(render, job_id="final-job", now=world.clock.now()).model_copy(
        update={"status": Status.COMPLETED, "batch_id": first.batch_id}
    )
    world.store.commit(Create(value=final))
    world.cancel(first)
    world.deliver()
    assert world.counts(first) == {Status.CANCELED: 1, Status.COMPLETED: 1}
    assert world.counts(other) == {Status.QUEUED: 1}


def test_a_batch_that_is_canceled_before_it_is_read_places_nothing(world: World) -> None:
    batch = world.accept(requests=[a_row(1)])
    world.cancel(batch)
    world.deliver()
    assert (world.batch(batch).state, world.jobs) == (BatchState.CANCELED, [])


def test_a_batch_that_is_canceled_in_the_middle_of_a_group_leaves_no_job_waiting(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(9)])
    chunk = world.chunks[0]

    def cancel_and_sweep() -> None:
        world.cancel(batch)
        world.take(world.chunks[-1])  # another instance sweeps while the group is half written

    world.store.meddling.extend([lambda: None, lambda: None, cancel_and_sweep])
    world.take(chunk)
    assert world.batch(batch).state is BatchState.CANCELED
    assert world.batch(batch).placed == 3
    assert world.counts(batch) == {Status.CANCELED: 6}


def test_a_crash_right_after_a_canceled_group_was_written_leaves_no_job_waiting(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(3)])

    def cancel_sweep_and_crash() -> None:
        world.cancel(batch)
        world.take(world.chunks[-1])
        broken()

    world.batches.meddling = [cancel_sweep_and_crash]
    with pytest.raises(Retryable):
        world.take(world.chunks[0])
    world.take(world.chunks[0])  # delivered again
    assert set(world.counts(batch)) == {Status.CANCELED}


def test_a_job_that_a_worker_writes_at_the_same_moment_is_canceled_all_the_same(world: World) -> None:
    batch = world.accept(requests=[a_row(seed) for seed in range(3)])
    world.deliver()
    world.cancel(batch)

    def progress() -> None:
        stored = world.store.job(world.jobs[0].job_id)
        assert stored
        moved = stored.value.model_copy(update={"status": Status.IN_PROGRESS, "progress": 40})
        world.store.commit(Replace(stored=stored, value=moved))

    world.store.meddling.append(progress)
    world.deliver()
    assert world.counts(batch) == {Status.CANCELED: 3}


def test_a_large_batch_is_canceled_in_chunks() -> None:
    world = limited(chunk_s=10)
    batch = world.accept(requests=[a_row(seed) for seed in range(9)])
    world.deliver()
    world.cancel(batch)
    world.store.meddling.extend([lambda: world.clock.pass_s(6)] * 4)  # two commits a group
    assert world.deliver(most=1) == 1
    assert world.counts(batch)[Status.QUEUED] > 0
    assert world.deliver() > 0
    assert world.counts(batch) == {Status.CANCELED: 9}


def test_events_that_nobody_takes_stay_pending_and_the_jobs_are_canceled(world: World) -> None:
    batch = world.accept(requests=[a_row(1)])
    world.deliver()
    world.cancel(batch)
    world.publisher.is_down = True
    world.take(world.chunks[-1])
    assert world.counts(batch) == {Status.CANCELED: 1}
    assert all(job.event_pending for job in world.jobs)


def test_canceling_twice_is_canceling_once(world: World) -> None:
    batch = world.accept(requests=[a_row(1)])
    world.deliver()
    for _ in range(2):
        world.cancel(batch)
        world.deliver()
    assert world.batch(batch).state is BatchState.CANCELED
    assert len(world.publisher.published["job-events"]) == 1


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
