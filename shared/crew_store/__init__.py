"""The seam to the documents ``workers/{holder}`` and ``control/workers``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.crew import Orders, Presence


@dataclass(frozen=True, kw_only=True)
class StoredOrders:
    """The orders as they were read or just written."""

    value: Orders
    #: What a compare-and-set compares; opaque.
    version: object


class CrewStore(Protocol):
    """Reads and writes who is there and what they shall do. All methods raise `Retryable` when it does not answer."""

    def report(self, presence: Presence) -> None:
        """Write one's own presence, whatever it was before."""

    def leave(self, holder: str) -> None:
        """Delete one's own presence, if there is one."""

    def present(self, *, since: datetime, limit: int) -> Sequence[Presence]:
        """Who was seen since then, the latest first."""

    def orders(self) -> StoredOrders | None:
        """What was ordered; None: nothing ever, so workers work. Raises `Retryable` also where it can't be read."""

    def create_orders(self, value: Orders) -> StoredOrders:
        """Write the first orders. Raises `Conflict` when there are some."""

    def replace_orders(self, stored: StoredOrders, value: Orders) -> StoredOrders:
        """Write what must still be as it was read. Raises `Conflict` when it is not, or is gone."""
