"""The batch store in memory: for tests, the embedded form and simulations."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

from shared.batch_store import StoredBatch
from shared.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.batches import Batch


class InMemoryBatchStore:
    """Thread-safe; versions count up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions = itertools.count(1)
        self._batches: dict[str, StoredBatch] = {}

    def batch(self, batch_id: str) -> StoredBatch | None:
        """See `BatchStore.batch`."""
        with self._lock:
            return self._batches.get(batch_id)

    def create(self, batch: Batch) -> StoredBatch:
        """See `BatchStore.create`."""
        with self._lock:
            if batch.batch_id in self._batches:
                raise Conflict(f"{batch.batch_id} exists")
            return self._write(batch)

    def replace(self, stored: StoredBatch, value: Batch) -> StoredBatch:
        """See `BatchStore.replace`."""
        with self._lock:
            found = self._batches.get(value.batch_id)
            if found is None or found.version != stored.version:
                raise Conflict(f"{value.batch_id} changed")
            return self._write(value)

    def due(self, now: datetime, *, limit: int) -> Sequence[StoredBatch]:
        """See `BatchStore.due`."""
        with self._lock:
            waiting = [
                (each.value.check_at, each)
                for each in self._batches.values()
                if each.value.check_at is not None and each.value.check_at <= now
            ]
        return [each for _, each in sorted(waiting, key=lambda pair: pair[0])[:limit]]

    def _write(self, batch: Batch) -> StoredBatch:
        stored = StoredBatch(value=batch, version=next(self._versions))
        self._batches[batch.batch_id] = stored
        return stored
