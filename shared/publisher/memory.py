"""The publisher in memory: for tests, the embedded form and simulations."""

from __future__ import annotations

import itertools
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import Retryable
from shared.messages import TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(frozen=True, kw_only=True)
class PublishedMessage:
    """A message as every subscription of its topic gets it."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]


class InMemoryPublisher:
    """Hands each message to every subscriber of its topic, in the publisher's thread, and remembers it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._subscribers: dict[str, list[Callable[[PublishedMessage], None]]] = defaultdict(list)
        #: All that was published, by topic, in order.
        self.published: dict[str, list[PublishedMessage]] = defaultdict(list)

    def subscribe(self, topic: str, receive: Callable[[PublishedMessage], None]) -> None:
        """From now on, hand every message of a topic to ``receive``, which must only queue it."""
        with self._lock:
            self._subscribers[topic].append(receive)

    def publish(self, topic: str, data: bytes, *, attributes: Mapping[str, str]) -> str:
        """See `Publisher.publish`."""
        if topic not in TOPICS:
            raise Retryable(f"there is no topic {topic}")
        with self._lock:
            message = PublishedMessage(message_id=str(next(self._ids)), data=data, attributes=dict(attributes))
            self.published[topic].append(message)
            subscribers = list(self._subscribers[topic])
        for receive in subscribers:
            receive(message)
        return message.message_id

    def publish_all(self, topic: str, messages: Iterable[tuple[bytes, Mapping[str, str]]]) -> None:
        """See `Publisher.publish_all`."""
        for data, attributes in messages:
            self.publish(topic, data, attributes=attributes)
