"""Waking batches: the message that has the next chunk of a batch done, and its repetition when it was lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.batches import BATCH_DEADLINE, BatchMove, can, failed, postponed
from shared.documents import JobError
from shared.errors import Conflict, ErrorCode
from shared.messages import BATCH_CHUNKS, BatchChunk, encode
from shared.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.batch_store import BatchStore
    from shared.batches import Batch
    from shared.publisher import Publisher

log = logging.getLogger(__name__)

#: Looked at in one go; the next call sees to the rest.
MAX_WOKEN = 100


def wake_batch(batch: Batch, *, publisher: Publisher) -> None:
    """Ask for the next chunk. Raises `Retryable` when nobody takes the message."""
    chunk = BatchChunk(batch_id=batch.batch_id, cursor=batch.cursor.row, traceparent=batch.traceparent)
    publisher.publish(BATCH_CHUNKS, encode(chunk), attributes={"schema_version": "1", "batch_id": batch.batch_id})


def wake_lost_batches(*, batches: BatchStore, publisher: Publisher, now: Callable[[], datetime]) -> int:
    """See to the batches whose message seems to be lost, and end those that are too old; how many there were.

    A message too many does no harm: each chunk starts where the document says, by compare-and-set.
    """
    due = batches.due(now(), limit=MAX_WOKEN)
    for stored in due:
        batch = stored.value
        is_too_old = now() - batch.created_at > BATCH_DEADLINE and can(batch, BatchMove.FAIL)
        error = JobError(code=ErrorCode.DEADLINE_EXCEEDED, message="The batch was not read to its end in time.")
        after = failed(batch, error=error, now=now()) if is_too_old else postponed(batch, now=now())
        try:
            batches.replace(stored, after)
        except Conflict:  # somebody is at work on it
            continue
        with context(batch_id=batch.batch_id, traceparent=batch.traceparent):
            log.warning("batch was stuck", extra={"action": "wake", "state": after.state})
        wake_batch(after, publisher=publisher)  # one that failed too: its rows are to be deleted
    return len(due)
