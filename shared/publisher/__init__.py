"""The seam to Pub/Sub topics, the sending side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Publisher(Protocol):
    """Sends messages."""

    def publish(self, topic: str, data: bytes, *, attributes: Mapping[str, str]) -> str:
        """Send one message and wait until the service has it.

        Returns:
            The message's id.

        Raises:
            Retryable: the service does not answer, or there is no such topic.
        """

    def publish_all(self, topic: str, messages: Iterable[tuple[bytes, Mapping[str, str]]]) -> None:
        """Send many messages, data and attributes of each, and wait until the service has all of them.

        Raises:
            Retryable: some were not taken; which of them, nobody knows.
        """
