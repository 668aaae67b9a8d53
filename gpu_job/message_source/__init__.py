"""The seam to the subscriptions of render requests: one message at a time, and its deadline under control."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: One pull of so many starts with the bulk queue, so that bulk never starves.
BULK_SHARE = 5
#: Pub/Sub takes no longer deadline.
MAX_DELAY_S = 600


@dataclass(frozen=True, kw_only=True)
class Message:
    """A delivery. It comes again when its deadline passes before it is acknowledged."""

    data: bytes
    #: The queue it came from.
    priority: Priority
    #: What the source knows this delivery by; opaque.
    ack_id: str


def turns(draw: Callable[[int], int]) -> Iterator[Priority]:
    """Which queue each pull of a source starts with, without end.

    Args:
        draw: a number below the one it is given, by chance: where to begin to count. Many a worker is preempted before
            its fifth pull, and if all began at the same place, bulk might never have its turn.
    """
    for number in itertools.count(draw(BULK_SHARE) + 1):
        yield Priority.BULK if number % BULK_SHARE == 0 else Priority.INTERACTIVE


class MessageSource(Protocol):
    """Receives render requests, interactive ones first.

    All methods raise `Retryable` when the service does not answer.
    """

    def pull(self, *, timeout_s: float) -> Message | None:
        """The next message; None when none came in time. While the source is told to take no bulk, that stays there."""

    def acknowledge(self, message: Message) -> None:
        """It never comes again. An acknowledgement that comes after the deadline may be forgotten."""

    def extend(self, message: Message, *, deadline_s: int) -> None:
        """It stays with this worker for so long from now."""

    def put_back(self, message: Message, *, delay_s: int = 0) -> None:
        """It comes again, here or elsewhere, after a delay of at most `MAX_DELAY_S`."""
