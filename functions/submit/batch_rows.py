"""The rows of a batch: streamed from the manifest piece by piece, each one checked by itself.

Enters: a manifest and a cursor. Leaves: one `Row` after the other, and of each a `Wish` or its faults. No more is held
than a piece of the manifest and a row.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.batches import Cursor, RowFault, bounded, job_id_of_row
from shared.errors import Fault, Rejected
from shared.jobs import BULK_DEADLINE, new_job
from shared.requests import MAX_BODY_BYTES, fill_in, parse_request, render_key, render_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from admission import Admission

    from shared.batches import Batch, Manifest
    from shared.documents import Job
    from shared.manifest_store import ManifestStore
    from shared.requests import Offer, Priority, RenderSpec, Request

#: One ranged read: large enough that its latency does not count, small enough not to be noticed in memory.
PIECE_BYTES = 1024 * 1024
_BOM = b"\xef\xbb\xbf"
#: A line that is longer has no chance, whatever is in it: a largest row, a mark at its beginning, a "\\r" at its end.
MAX_LINE_BYTES = MAX_BODY_BYTES + len(_BOM) + 1


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a manifest that is not blank; or, without data, how far it was read where there are only such."""

    data: bytes
    #: Behind this row: its number, and where the next line begins.
    cursor: Cursor

    @property
    def number(self) -> int:
        """Of the line, from 1, as an editor shows it."""
        return self.cursor.row


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A row that is good."""

    job: Job
    spec: RenderSpec


def read_rows(manifest: Manifest, *, cursor: Cursor, manifests: ManifestStore) -> Iterator[Row]:
    """The rows behind the cursor. Of a line that is too long only the beginning is kept: enough to be refused.

    A piece without any row gives one without data, so that whoever reads can stop in the middle of an endless line, or
    of blank ones, and go on from its cursor.

    Raises:
        Permanent: the manifest is gone.
        Retryable: the store does not answer.
    """
    number, last, line = cursor.row, cursor.offset, b""
    # The cursor may stand within a line that is too long, which is passed over. Mostly it ends at the byte before.
    offset, is_passed_over = max(0, last - 1), last > 0
    while piece := manifests.read(manifest, offset=offset, size=PIECE_BYTES):
        is_without_row = True
        *ended, rest = piece.split(b"\n")
        for part in ended:
            offset += len(part) + 1
            if not is_passed_over:
                number += 1
                if data := _text(line + part, is_first=number == 1):
                    yield Row(data=data, cursor=Cursor(row=number, offset=offset))
                    is_without_row, last = False, offset
            line, is_passed_over = b"", False
        offset += len(rest)
        if not is_passed_over:
            line += rest
        if len(line) > MAX_LINE_BYTES:
            number += 1
            yield Row(data=line[: MAX_LINE_BYTES + 1], cursor=Cursor(row=number, offset=offset))
            is_without_row, last = False, offset
            line, is_passed_over = b"", True
        begin = offset - len(line)
        if is_without_row and last < begin and offset < manifest.size_bytes:
            yield Row(data=b"", cursor=Cursor(row=number, offset=begin))
            last = begin
    if data := _text(line, is_first=number == 0):
        yield Row(data=data, cursor=Cursor(row=number + 1, offset=offset))


def parse_row(data: bytes, *, priority: Priority, offer: Offer, admission: Admission) -> Request:
    """The request of a row; one that names no priority gets that of the batch. Raises `Rejected`."""
    if len(data) > MAX_BODY_BYTES:
        fault = Fault(field="", code="row_too_long", message=f"must be at most {MAX_BODY_BYTES} bytes")
        raise Rejected("The row is too long.", faults=[fault])
    request = parse_request(data, offer=offer)
    admission.check_prompt(request)
    return request if "priority" in request.model_fields_set else request.model_copy(update={"priority": priority})


def faults_of_row(rejection: Rejected, *, row: int) -> tuple[RowFault, ...]:
    """What is wrong with a row; at least one fault."""
    faults = rejection.faults or (Fault(field="", code=rejection.code.value, message=rejection.detail),)
    return tuple(bounded(fault, row=row) for fault in faults)


def wish_of(row: Row, batch: Batch, *, offer: Offer, admission: Admission, now: datetime) -> Wish:
    """The job that a row asks for, its id made from the batch and the row's number. Raises `Rejected`."""
    request = parse_row(row.data, priority=batch.priority, offer=offer, admission=admission)
    job_id = job_id_of_row(batch.batch_id, row.number)
    filled = fill_in(request, job_id=job_id, offer=offer)
    spec = render_spec(filled, owner=batch.owner, offer=offer)
    job = new_job(
        job_id=job_id,
        owner=batch.owner,
        request=filled,
        render_key=render_key(spec),
        fingerprint=hashlib.sha256(row.data).hexdigest(),
        now=now,
        traceparent=batch.traceparent,
    )
    changes = {"batch_id": batch.batch_id, "deadline_at": now + BULK_DEADLINE}
    return Wish(job=job.model_copy(update=changes), spec=spec)


def _text(line: bytes, *, is_first: bool) -> bytes:
    if len(line) > MAX_LINE_BYTES:
        return line[: MAX_LINE_BYTES + 1]
    return (line.removeprefix(_BOM) if is_first else line).strip()
