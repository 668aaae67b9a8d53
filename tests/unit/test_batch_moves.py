"""How a batch moves: every arrow of the one table, and no other."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from shared.batches import (
    BATCH_TRANSITIONS,
    Batch,
    BatchMove,
    BatchState,
    Cursor,
    Manifest,
    RowFault,
    begin_placing,
    can,
    canceled,
    checked,
    failed,
    finished,
    job_id_of_row,
    new_batch,
    placed,
)
from shared.documents import JobError
from shared.errors import ErrorCode
from shared.requests import Priority
from shared.transitions import ForbiddenTransitionError

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ERROR = JobError(code=ErrorCode.MANIFEST_GONE, message="gone")
FAULT = RowFault(row=3, field="seed", code="missing", message="is missing")
CURSOR = Cursor(row=7, offset=99)
MOVES: dict[BatchMove, list[Callable[[Batch], Batch]]] = {
    BatchMove.CHECK: [lambda batch: checked(batch, cursor=CURSOR, faults=[FAULT], now=NOW)],
    BatchMove.PLACE: [
        lambda batch: placed(batch, cursor=CURSOR, jobs=6, faults=[FAULT, FAULT], now=NOW),
        lambda batch: begin_placing(batch, now=NOW),
    ],
    BatchMove.FINISH: [lambda batch: finished(batch, now=NOW)],
    BatchMove.FAIL: [lambda batch: failed(batch, error=ERROR, now=NOW)],
    BatchMove.CANCEL: [lambda batch: canceled(batch, now=NOW)],
}


def a_batch(state: BatchState) -> Batch:
    manifest = Manifest(bucket="wishes", name="rows.jsonl", generation=1, size_bytes=100)
    return new_batch(
        batch_id="some-batch",
        owner="ada",
        source="manifest",
        plan=None,
        manifest=manifest,
        atomic=False,
        priority=Priority.BULK,
        fingerprint="0" * 64,
        now=NOW,
        traceparent=None,
    ).model_copy(update={"state": state})


@pytest.mark.parametrize(("state", "move"), list(itertools.product(BatchState, BatchMove)))
def test_a_batch_moves_as_the_table_says_and_in_no_other_way(state: BatchState, move: BatchMove) -> None:
    for make in MOVES[move]:
        if (state, move) in BATCH_TRANSITIONS:
            assert can(a_batch(state), move)
            assert make(a_batch(state)).state is BATCH_TRANSITIONS[state, move]
        else:
            assert not can(a_batch(state), move)
            with pytest.raises(ForbiddenTransitionError, match=state.value):
                make(a_batch(state))


def test_every_state_is_reached_and_a_canceled_batch_stays_so() -> None:
    assert set(BATCH_TRANSITIONS.values()) | {BatchState.ACCEPTED} == set(BatchState)
    assert not any(can(a_batch(BatchState.CANCELED), move) for move in BatchMove)


@pytest.mark.parametrize("state", BatchState)
def test_reconcile_looks_at_a_batch_until_nothing_is_left_to_do(state: BatchState) -> None:
    for move in BatchMove:
        if can(a_batch(state), move):
            after = MOVES[move][0](a_batch(state))
            is_over = after.state in {BatchState.PLACED, BatchState.FAILED, BatchState.CANCELED}
            assert (after.check_at is None) == (after.finished_at is not None) == is_over


def test_rows_are_counted_once_however_many_faults_they_have() -> None:
    batch = placed(a_batch(BatchState.PLACING), cursor=CURSOR, jobs=6, faults=[FAULT, FAULT], now=NOW)
    done = finished(batch, now=NOW)
    assert (done.placed, done.rejected, done.total, done.faults) == (6, 1, 7, (FAULT, FAULT))


def test_job_ids_of_rows_differ_by_batch_and_row() -> None:
    ids = {job_id_of_row(batch, row) for batch in ("a", "b", "a1") for row in (1, 11, 111)}
    assert len(ids) == 9
