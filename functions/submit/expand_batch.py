"""The use case behind the topic ``batch-chunks``: read some rows more of a batch, or cancel some jobs more.

A chunk is safe to deliver twice, late, or at the same time as another: it starts where the document's cursor stands,
job ids are made from row numbers, and the cursor moves by compare-and-set. Who loses that race stops.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from batch_desk import delete_rows
from batch_rows import Row, Wish, faults_of_row, parse_row, read_rows, wish_of
from cancel_batch import cancel_waiting_jobs
from place_rows import place_rows

from shared.batch_waking import wake_batch
from shared.batches import (
    MAX_KEPT_FAULTS,
    Batch,
    BatchState,
    RowFault,
    begin_placing,
    checked,
    failed,
    finished,
    placed,
)
from shared.documents import JobError
from shared.errors import Conflict, ErrorCode, LifeAsNotMeError, Permanent, Rejected
from shared.measures import SpanName
from shared.messages import BatchChunk, decode
from shared.telemetry import context
from shared.tracing import note, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batch_desk import BatchDesk

    from shared.batch_store import StoredBatch

log = logging.getLogger(__name__)


class OvertakenError(LifeAsNotMeError):
    """Somebody else has written the batch: another chunk, who goes on, or its owner, who has canceled it."""


def take_chunk(data: bytes, *, desk: BatchDesk) -> None:
    """Do a chunk, and ask for the next one if something is left.

    Raises:
        Retryable: a service does not answer; deliver it again.
    """
    try:
        chunk = decode(BatchChunk, data)
    except Rejected:
        log.exception("chunk is unreadable", extra={"action": "expand"})
        return
    with context(batch_id=chunk.batch_id):
        stored = desk.batches.batch(chunk.batch_id)
        if stored is None:
            log.warning("chunk of no batch", extra={"action": "expand"})
            return
        trace = stored.value.traceparent
        with context(traceparent=trace), span(SpanName.EXPAND, parent=trace, batch_id=chunk.batch_id):
            _do(stored, desk=desk)


def _do(stored: StoredBatch, *, desk: BatchDesk) -> None:
    until_s = desk.monotonic() + desk.limits.chunk_s
    if not stored.value.is_read:
        try:
            left = _read_on(stored, until_s=until_s, desk=desk)
        except OvertakenError:
            log.info("chunk stops for another", extra={"action": "expand"})
            found = desk.batches.batch(stored.value.batch_id)
            if found is None or not found.value.is_canceled:
                return
            stored = found  # what was placed in the same moment must go too
        else:
            if left:
                wake_batch(left, publisher=desk.publisher)
            return
    if stored.value.is_canceled and cancel_waiting_jobs(stored, until_s=until_s, desk=desk):
        wake_batch(stored.value, publisher=desk.publisher)
    delete_rows(stored.value, desk=desk)  # also where the last row was read, and who read it died


def _read_on(stored: StoredBatch, *, until_s: float, desk: BatchDesk) -> Batch | None:
    """Read rows from the cursor on, group by group; the batch, if something is left for another chunk."""
    rows, seen = _rows(stored.value, desk=desk), 0
    while not stored.value.is_read:
        if desk.monotonic() >= until_s or seen >= desk.limits.chunk_rows:
            return stored.value
        try:
            group = [] if _is_enough(stored.value, desk=desk) else _group(rows, desk=desk)
        except Permanent as exc:
            error = JobError(code=exc.code, message=exc.detail)
            stored = _save(stored, failed(stored.value, error=error, now=desk.now()), desk=desk)
            continue
        if group:
            stored = _save(stored, _see_to(group, stored.value, desk=desk), desk=desk)
            seen += len(group)
            note(rows=seen)
        else:
            stored = _save(stored, _at_the_end(stored.value, desk=desk), desk=desk)
            rows = _rows(stored.value, desk=desk)
    log.info("batch read", extra={"action": "expand", "state": stored.value.state})
    delete_rows(stored.value, desk=desk)
    return None


def _rows(batch: Batch, *, desk: BatchDesk) -> Iterator[Row]:
    return read_rows(batch.manifest, cursor=batch.cursor, manifests=desk.manifests)


def _group(rows: Iterator[Row], *, desk: BatchDesk) -> list[Row]:
    """The next rows, up to a group's number or to where there was none for long: so the time that passes is noticed."""
    group: list[Row] = []
    for row in rows:
        group.append(row)
        if len(group) >= desk.limits.group_rows or not row.data:
            break
    return group


def _is_enough(batch: Batch, *, desk: BatchDesk) -> bool:
    """Whether reading more would change nothing."""
    is_hopeless = batch.state is BatchState.CHECKING and len(batch.faults) >= MAX_KEPT_FAULTS
    return is_hopeless or batch.cursor.row > desk.limits.rows_of(batch.owner)


def _see_to(group: Sequence[Row], batch: Batch, *, desk: BatchDesk) -> Batch:
    """Check a group of rows, or place it; the batch with its cursor behind it."""
    wishes: list[Wish] = []
    faults: list[RowFault] = []
    most = desk.limits.rows_of(batch.owner)
    for row in group:
        cursor = row.cursor
        if row.number > most:
            message = f"a batch has at most {most} rows: this one and what follows was not read"
            faults.append(RowFault(field="", code="too_many_rows", message=message, row=row.number))
            break
        if not row.data:
            continue
        try:
            if batch.must_be_checked:
                parse_row(row.data, priority=batch.priority, offer=desk.offer, admission=desk.admission)
            else:
                wishes.append(wish_of(row, batch, offer=desk.offer, admission=desk.admission, now=desk.now()))
        except Rejected as exc:
            faults += faults_of_row(exc, row=row.number)
    if batch.must_be_checked:
        return checked(batch, cursor=cursor, faults=faults, now=desk.now())
    if wishes:
        place_rows(wishes, desk=desk)
    log.info("rows placed", extra={"action": "expand", "rows": len(wishes), "row": cursor.row})
    return placed(batch, cursor=cursor, jobs=len(wishes), faults=faults, now=desk.now())


def _at_the_end(batch: Batch, *, desk: BatchDesk) -> Batch:
    """What becomes of a batch that has no row left."""
    if not batch.placed + batch.rejected and batch.state is not BatchState.CHECKING:
        error = JobError(code=ErrorCode.INVALID_REQUEST, message="The manifest holds no rows.")
    elif not batch.must_be_checked:
        return finished(batch, now=desk.now())
    elif not batch.faults:
        return begin_placing(batch, now=desk.now())
    else:
        error = JobError(code=ErrorCode.INVALID_REQUEST, message="Some rows have faults, so none was placed.")
    return failed(batch, error=error, now=desk.now())


def _save(stored: StoredBatch, value: Batch, *, desk: BatchDesk) -> StoredBatch:
    try:
        return desk.batches.replace(stored, value)
    except Conflict as exc:
        raise OvertakenError("the batch changed") from exc
