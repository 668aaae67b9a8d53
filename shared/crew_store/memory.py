"""The crew store in memory: for tests and the embedded form."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

from shared.crew_store import StoredOrders
from shared.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.crew import Orders, Presence


class InMemoryCrewStore:
    """Thread-safe; versions count up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions = itertools.count(1)
        self._present: dict[str, Presence] = {}
        self._orders: StoredOrders | None = None

    def report(self, presence: Presence) -> None:
        """See `CrewStore.report`."""
        with self._lock:
            self._present[presence.holder] = presence

    def leave(self, holder: str) -> None:
        """See `CrewStore.leave`."""
        with self._lock:
            self._present.pop(holder, None)

    def present(self, *, since: datetime, limit: int) -> Sequence[Presence]:
        """See `CrewStore.present`."""
        with self._lock:
            seen = [each for each in self._present.values() if each.seen_at >= since]
        return sorted(seen, key=lambda each: each.seen_at, reverse=True)[:limit]

    def orders(self) -> StoredOrders | None:
        """See `CrewStore.orders`."""
        with self._lock:
            return self._orders

    def create_orders(self, value: Orders) -> StoredOrders:
        """See `CrewStore.create_orders`."""
        with self._lock:
            if self._orders is not None:
                raise Conflict("there are orders")
            return self._write(value)

    def replace_orders(self, stored: StoredOrders, value: Orders) -> StoredOrders:
        """See `CrewStore.replace_orders`."""
        with self._lock:
            if self._orders is None or self._orders.version != stored.version:
                raise Conflict("the orders changed")
            return self._write(value)

    def _write(self, value: Orders) -> StoredOrders:
        self._orders = StoredOrders(value=value, version=next(self._versions))
        return self._orders
