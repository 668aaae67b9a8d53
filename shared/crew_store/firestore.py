"""The crew store on Firestore. Orders are compared and set by update time; a presence has one writer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from google.cloud.firestore_v1.base_query import FieldFilter
from pydantic import ValidationError

from shared.crew import Orders, Presence
from shared.crew_store import StoredOrders
from shared.errors import Retryable
from shared.job_store.firestore import DESCENDING, TIMEOUT_S, answered, limits, readable, written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from google.cloud import firestore

log = logging.getLogger(__name__)

WORKERS = "workers"
ORDERS = ("control", "workers")


class FirestoreCrewStore:
    """Thread-safe, as the client is. Built once per process."""

    def __init__(self, client: firestore.Client, *, timeout_s: float = TIMEOUT_S) -> None:
        self._client = client
        self._limits = limits(timeout_s)

    def report(self, presence: Presence) -> None:
        """See `CrewStore.report`."""
        reference = self._client.document(WORKERS, presence.holder)
        written(lambda: reference.set(_fields(presence), **self._limits))

    def leave(self, holder: str) -> None:
        """See `CrewStore.leave`."""
        reference = self._client.document(WORKERS, holder)
        written(lambda: reference.delete(**self._limits))

    def present(self, *, since: datetime, limit: int) -> Sequence[Presence]:
        """See `CrewStore.present`."""
        query: Any = self._client.collection(WORKERS).where(filter=FieldFilter("seen_at", ">=", since))
        query = query.order_by("seen_at", direction=DESCENDING)
        return readable(query, lambda each: Presence.model_validate(each.to_dict()), limit=limit, options=self._limits)

    def orders(self) -> StoredOrders | None:
        """See `CrewStore.orders`."""
        snapshot = answered(lambda: self._client.document(*ORDERS).get(**self._limits))
        if not snapshot.exists:
            return None
        try:
            value = Orders.model_validate(snapshot.to_dict())
        except ValidationError as exc:
            log.exception("orders can't be read", extra={"action": "read", "documents": ["/".join(ORDERS)]})
            raise Retryable(f"{'/'.join(ORDERS)} can't be read by this release") from exc
        return StoredOrders(value=value, version=snapshot.update_time)

    def create_orders(self, value: Orders) -> StoredOrders:
        """See `CrewStore.create_orders`."""
        reference = self._client.document(*ORDERS)
        result = written(lambda: reference.create(_fields(value), **self._limits))
        return StoredOrders(value=value, version=result.update_time)

    def replace_orders(self, stored: StoredOrders, value: Orders) -> StoredOrders:
        """See `CrewStore.replace_orders`."""
        reference = self._client.document(*ORDERS)
        option = self._client.write_option(last_update_time=stored.version)
        result = written(lambda: reference.update(_fields(value), option=option, **self._limits))
        return StoredOrders(value=value, version=result.update_time)


def _fields(value: Presence | Orders) -> dict[str, Any]:
    """The document's fields. Dates stay dates; Firestore knows lists, not tuples."""
    return {
        name: list(each) if isinstance(each, tuple) else each for name, each in value.model_dump(mode="python").items()
    }
