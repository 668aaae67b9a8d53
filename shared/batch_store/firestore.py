"""The batch store on Firestore. Documents hold exactly the fields of `Batch`; compare-and-set is by their update time.

``due`` asks about one field, so it needs no composite index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.base_query import FieldFilter

from shared.batch_store import StoredBatch
from shared.batches import Batch
from shared.job_store.firestore import TIMEOUT_S, answered, limits, readable, written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from google.cloud import firestore

BATCHES = "batches"


class FirestoreBatchStore:
    """Thread-safe, as the client is. Built once per process."""

    def __init__(self, client: firestore.Client, *, timeout_s: float = TIMEOUT_S) -> None:
        self._client = client
        self._limits = limits(timeout_s)

    def batch(self, batch_id: str) -> StoredBatch | None:
        """See `BatchStore.batch`."""
        snapshot = answered(lambda: self._client.document(BATCHES, batch_id).get(**self._limits))
        return _stored(snapshot) if snapshot.exists else None

    def create(self, batch: Batch) -> StoredBatch:
        """See `BatchStore.create`."""
        reference = self._client.document(BATCHES, batch.batch_id)
        result = written(lambda: reference.create(_fields(batch), **self._limits))
        return StoredBatch(value=batch, version=result.update_time)

    def replace(self, stored: StoredBatch, value: Batch) -> StoredBatch:
        """See `BatchStore.replace`."""
        reference = self._client.document(BATCHES, value.batch_id)
        option = self._client.write_option(last_update_time=stored.version)
        before, after = _fields(stored.value), _fields(value)
        changed = {name: field for name, field in after.items() if field != before[name]} or after
        result = written(lambda: reference.update(changed, option=option, **self._limits))
        return StoredBatch(value=value, version=result.update_time)

    def due(self, now: datetime, *, limit: int) -> Sequence[StoredBatch]:
        """See `BatchStore.due`."""
        query = self._client.collection(BATCHES).where(filter=FieldFilter("check_at", "<=", now)).order_by("check_at")
        return readable(query, _stored, limit=limit, options=self._limits)


def _fields(batch: Batch) -> dict[str, Any]:
    """The document's fields. Dates stay dates; Firestore knows lists, not tuples."""
    fields = batch.model_dump(mode="python")
    return fields | {"faults": list(fields["faults"])}


def _stored(snapshot: firestore.DocumentSnapshot) -> StoredBatch:
    return StoredBatch(value=Batch.model_validate(snapshot.to_dict()), version=snapshot.update_time)
