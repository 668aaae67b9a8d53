"""Batches: many wishes at once, ``batches/{batch_id}``: the document, its one transition table, and its pure moves.

The rows lie in an object as JSON lines. They are read in chunks; the cursor says how far. Nothing here reads a clock or
a store.

    accepted ──▶ placing ──▶ placed                        (every row was read: it is a job, or a fault)
       └▶ checking ──▶ placing | failed                    (atomic: all rows are checked before the first is placed)
    any but canceled ──cancel──▶ canceling ──▶ canceled    (canceling: its jobs are being canceled, some at a time)
    accepted, checking, placing ──fail──▶ failed           (its manifest is gone, or its time is up)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from shared.documents import JOB_ID_PATTERN, Document, JobError
from shared.errors import Fault
from shared.jobs import RETENTION
from shared.requests import Priority
from shared.transitions import ForbiddenTransitionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

#: Kept in the document; more are counted. With the bounds below they stay under 100 KB; a document may have 1 MiB.
MAX_KEPT_FAULTS: Final = 100
MAX_FAULT_CHARS: Final = 300
#: A batch whose message may be lost is looked at after this long. Longer than any chunk takes, and its redelivery.
CHECK_EVERY: Final = timedelta(minutes=15)
#: A batch that was not read to its end by then fails.
BATCH_DEADLINE: Final = timedelta(hours=24)


class BatchState(StrEnum):
    """How far a batch is. What became of its jobs is theirs to say."""

    ACCEPTED = "accepted"
    CHECKING = "checking"
    PLACING = "placing"
    PLACED = "placed"
    FAILED = "failed"
    CANCELING = "canceling"
    CANCELED = "canceled"


class BatchMove(StrEnum):
    """The causes of a transition."""

    CHECK = "check"
    PLACE = "place"
    FINISH = "finish"
    FAIL = "fail"
    CANCEL = "cancel"


#: The one table: what is not in it is forbidden.
BATCH_TRANSITIONS: Final[dict[tuple[BatchState, BatchMove], BatchState]] = {
    (BatchState.ACCEPTED, BatchMove.CHECK): BatchState.CHECKING,
    (BatchState.ACCEPTED, BatchMove.PLACE): BatchState.PLACING,
    (BatchState.ACCEPTED, BatchMove.FAIL): BatchState.FAILED,
    (BatchState.ACCEPTED, BatchMove.CANCEL): BatchState.CANCELING,
    (BatchState.CHECKING, BatchMove.CHECK): BatchState.CHECKING,
    (BatchState.CHECKING, BatchMove.PLACE): BatchState.PLACING,
    (BatchState.CHECKING, BatchMove.FAIL): BatchState.FAILED,
    (BatchState.CHECKING, BatchMove.CANCEL): BatchState.CANCELING,
    (BatchState.PLACING, BatchMove.PLACE): BatchState.PLACING,
    (BatchState.PLACING, BatchMove.FINISH): BatchState.PLACED,
    (BatchState.PLACING, BatchMove.FAIL): BatchState.FAILED,
    (BatchState.PLACING, BatchMove.CANCEL): BatchState.CANCELING,
    (BatchState.PLACED, BatchMove.CANCEL): BatchState.CANCELING,
    # It may have placed jobs before it failed.
    (BatchState.FAILED, BatchMove.CANCEL): BatchState.CANCELING,
    (BatchState.CANCELING, BatchMove.FINISH): BatchState.CANCELED,
}


@dataclass(frozen=True, kw_only=True)
class RowFault(Fault):
    """One thing that is wrong with a row."""

    #: Number of the line, from 1.
    row: int


class Manifest(Document):
    """The object that holds the rows, one JSON request a line, as it was when the batch was accepted."""

    bucket: str
    name: str
    generation: int
    size_bytes: int


class Cursor(Document):
    """How far the rows were read."""

    row: Annotated[int, Field(ge=0)] = 0
    """Number of the last line that was read."""
    offset: Annotated[int, Field(ge=0)] = 0
    """Where the next line begins, in bytes."""


class Batch(Document):
    """Many wishes of one caller."""

    schema_version: Literal[1] = 1
    batch_id: Annotated[str, Field(pattern=JOB_ID_PATTERN)]
    owner: str
    """Who may see it; its jobs have the same."""
    state: BatchState
    source: Literal["requests", "manifest", "plan"]
    """Where its rows came from. Those of a list and of a plan are written down as a manifest too."""
    plan: str | None
    """Id of the plan, if it is one."""
    manifest: Manifest
    atomic: bool
    """Nothing is placed when any row has a fault."""
    priority: Priority
    """Of the rows that name none."""
    cursor: Cursor = Cursor()
    total: int | None = None
    """How many rows there are; null until all were read."""
    placed: int = 0
    """Rows that are jobs now."""
    rejected: int = 0
    """Rows that have faults."""
    faults: tuple[RowFault, ...] = ()
    """The first hundred."""
    error: JobError | None = None
    """Why it failed."""
    created_at: AwareDatetime
    updated_at: AwareDatetime
    finished_at: AwareDatetime | None = None
    """When the last row was read, or the last job canceled."""
    check_at: AwareDatetime | None
    """When reconcile looks at it; null: nothing is left to do."""
    expires_at: AwareDatetime
    """It may be deleted after this."""
    fingerprint: str
    """SHA-256 of the raw body: the same Idempotency-Key with another body is refused."""
    traceparent: str | None = None
    """W3C trace context of its acceptance, and of its jobs."""

    @property
    def is_read(self) -> bool:
        """No row is left to be read."""
        return self.state not in {BatchState.ACCEPTED, BatchState.CHECKING, BatchState.PLACING}

    @property
    def has_own_rows(self) -> bool:
        """Its rows are ours to delete; a caller's own manifest is not."""
        return self.source != "manifest"

    @property
    def is_canceled(self) -> bool:
        """No job of it shall wait."""
        return self.state in {BatchState.CANCELING, BatchState.CANCELED}

    @property
    def must_be_checked(self) -> bool:
        """Whether its rows are to be looked at before any is placed."""
        return self.state is BatchState.CHECKING or (self.atomic and self.state is BatchState.ACCEPTED)


def rows_path(batch_id: str, content: bytes) -> str:
    """Where the rows of a list or a plan are written down, in the artifact bucket.

    Other rows lie elsewhere: those of a body that was refused or lost must not be taken for those of the next.
    """
    return f"batches/{batch_id}/{hashlib.sha256(content).hexdigest()[:16]}.jsonl"


def job_id_of_row(batch_id: str, row: int) -> str:
    """The id that this row always gives: reading it twice adds nothing."""
    return hashlib.sha256(f"row\n{batch_id}\n{row}".encode()).hexdigest()[:32]


def new_batch(
    *,
    batch_id: str,
    owner: str,
    source: Literal["requests", "manifest", "plan"],
    plan: str | None,
    manifest: Manifest,
    atomic: bool,
    priority: Priority,
    fingerprint: str,
    now: datetime,
    traceparent: str | None,
) -> Batch:
    """Many wishes that were just accepted."""
    return Batch(
        batch_id=batch_id,
        owner=owner,
        state=BatchState.ACCEPTED,
        source=source,
        plan=plan,
        manifest=manifest,
        atomic=atomic,
        priority=priority,
        created_at=now,
        updated_at=now,
        check_at=now + CHECK_EVERY,
        expires_at=now + RETENTION,
        fingerprint=fingerprint,
        traceparent=traceparent,
    )


def checked(batch: Batch, *, cursor: Cursor, faults: Sequence[RowFault], now: datetime) -> Batch:
    """Some rows more were looked at, and none was placed."""
    return _move(batch, BatchMove.CHECK, **_read(batch, cursor, faults, now=now))


def begin_placing(batch: Batch, *, now: datetime) -> Batch:
    """All rows are good: read them again, from the first, to place them."""
    return _move(batch, BatchMove.PLACE, cursor=Cursor(), updated_at=now, check_at=now + CHECK_EVERY)


def placed(batch: Batch, *, cursor: Cursor, jobs: int, faults: Sequence[RowFault], now: datetime) -> Batch:
    """Some rows more are jobs, or have faults."""
    return _move(batch, BatchMove.PLACE, placed=batch.placed + jobs, **_read(batch, cursor, faults, now=now))


def finished(batch: Batch, *, now: datetime) -> Batch:
    """No row is left to be placed, or no job to be canceled."""
    total = batch.placed + batch.rejected if batch.state is BatchState.PLACING else batch.total
    return _move(batch, BatchMove.FINISH, total=total, finished_at=now, updated_at=now, check_at=None)


def failed(batch: Batch, *, error: JobError, now: datetime) -> Batch:
    """It can't be read to its end. Jobs that were placed stay."""
    return _move(batch, BatchMove.FAIL, error=error, finished_at=now, updated_at=now, check_at=None)


def canceled(batch: Batch, *, now: datetime) -> Batch:
    """Its owner does not want it any more: nothing more is placed, and what waits is canceled bit by bit."""
    return _move(batch, BatchMove.CANCEL, finished_at=None, updated_at=now, check_at=now + CHECK_EVERY)


def postponed(batch: Batch, *, now: datetime) -> Batch:
    """A message for it is on its way: look again later."""
    return batch.model_copy(update={"updated_at": now, "check_at": now + CHECK_EVERY})


def can(batch: Batch, move: BatchMove) -> bool:
    """Whether the table has the arrow."""
    return (batch.state, move) in BATCH_TRANSITIONS


def bounded(fault: Fault, *, row: int) -> RowFault:
    """The fault of a row, not longer than a document can bear: a field may be named by a stranger."""
    return RowFault(
        field=fault.field[:MAX_FAULT_CHARS], code=fault.code, message=fault.message[:MAX_FAULT_CHARS], row=row
    )


def _read(batch: Batch, cursor: Cursor, faults: Sequence[RowFault], *, now: datetime) -> dict[str, object]:
    return {
        "cursor": cursor,
        "rejected": batch.rejected + len({fault.row for fault in faults}),
        "faults": (*batch.faults, *faults)[:MAX_KEPT_FAULTS],
        "updated_at": now,
        "check_at": now + CHECK_EVERY,
    }


def _move(batch: Batch, move: BatchMove, **changes: object) -> Batch:
    to = BATCH_TRANSITIONS.get((batch.state, move))
    if to is None:
        raise ForbiddenTransitionError(f"batch is {batch.state}: no {move} from there")
    return batch.model_copy(update={"state": to, **changes})
