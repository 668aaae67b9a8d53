"""The seam to the documents ``batches/{batch_id}``: every write is a create or a compare-and-set on what was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.batches import Batch


@dataclass(frozen=True, kw_only=True)
class StoredBatch:
    """A batch as it was read or just written."""

    value: Batch
    #: What a compare-and-set compares; opaque.
    version: object


class BatchStore(Protocol):
    """Reads and writes batches. All methods raise `Retryable` when the store does not answer."""

    def batch(self, batch_id: str) -> StoredBatch | None:
        """The batch of that id."""

    def create(self, batch: Batch) -> StoredBatch:
        """Write a batch that must not exist. Raises `Conflict` when it does."""

    def replace(self, stored: StoredBatch, value: Batch) -> StoredBatch:
        """Write a batch that must still be as it was read. Raises `Conflict` when it is not, or is gone."""

    def due(self, now: datetime, *, limit: int) -> Sequence[StoredBatch]:
        """Batches that should have been looked at by now, the longest waiting first. What can't be read is left out."""
