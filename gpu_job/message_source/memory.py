"""The message source in memory: for tests and the embedded form. Held to the same contract tests as Pub/Sub."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from gpu_job.message_source import MAX_DELAY_S, Message, turns
from shared.messages import TOPIC_OF_PRIORITY
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.publisher.memory import InMemoryPublisher, PublishedMessage


@dataclass(kw_only=True)
class _Pending:
    priority: Priority
    data: bytes
    #: Monotonic time from which it may be delivered.
    due: float
    number: int
    ack_id: str = field(default="")


class InMemoryMessageSource:
    """Subscribes to the two topics of an in-memory publisher. Several workers may share it.

    Args:
        publisher: of the topics.
        ack_deadline_s: until a message comes again.
        takes_bulk: asked before each pull.
    """

    def __init__(
        self,
        publisher: InMemoryPublisher,
        *,
        ack_deadline_s: float = 60,
        takes_bulk: Callable[[], bool] = lambda: True,
    ) -> None:
        self._takes_bulk = takes_bulk
        self._ack_deadline_s = ack_deadline_s
        self._changed = threading.Condition()
        self._numbers = itertools.count(1)
        self._turns = turns(lambda _: 0)  # it lives as long as its messages, so nobody has pulled before
        self._pending: list[_Pending] = []
        for priority, topic in TOPIC_OF_PRIORITY.items():
            publisher.subscribe(topic, partial(self._receive, priority))

    def pull(self, *, timeout_s: float) -> Message | None:
        """See `MessageSource.pull`."""
        first = next(self._turns)
        wanted = set(Priority) if self._takes_bulk() else {Priority.INTERACTIVE}
        give_up_at = time.monotonic() + timeout_s
        with self._changed:
            while True:
                now = time.monotonic()
                due = [each for each in self._pending if each.due <= now and each.priority in wanted]
                if due:
                    chosen = min(due, key=lambda each: (each.priority is not first, each.number))
                    chosen.due = now + self._ack_deadline_s
                    chosen.ack_id = f"delivery-{next(self._numbers)}"
                    return Message(data=chosen.data, priority=chosen.priority, ack_id=chosen.ack_id)
                if now >= give_up_at:
                    return None
                self._changed.wait(
                    min([give_up_at, *(each.due for each in self._pending if each.priority in wanted)]) - now
                )

    def acknowledge(self, message: Message) -> None:
        """See `MessageSource.acknowledge`."""
        with self._changed:
            self._pending = [each for each in self._pending if each.ack_id != message.ack_id]

    def extend(self, message: Message, *, deadline_s: int) -> None:
        """See `MessageSource.extend`."""
        with self._changed:
            for each in self._pending:
                if each.ack_id == message.ack_id:
                    each.due = time.monotonic() + deadline_s
            self._changed.notify_all()

    def put_back(self, message: Message, *, delay_s: int = 0) -> None:
        """See `MessageSource.put_back`."""
        self.extend(message, deadline_s=min(delay_s, MAX_DELAY_S))

    def _receive(self, priority: Priority, message: PublishedMessage) -> None:
        with self._changed:
            number = next(self._numbers)
            self._pending.append(_Pending(priority=priority, data=message.data, due=0.0, number=number))
            self._changed.notify_all()
