"""The publisher on Pub/Sub."""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

from google.api_core import exceptions as google
from google.cloud import pubsub_v1

from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 10.0


class PubSubPublisher:
    """Thread-safe, as the client is. Built once per process."""

    def __init__(self, *, project: str) -> None:
        self._project = project
        # Every message is waited for, so a batch would only add its latency.
        self._client = pubsub_v1.PublisherClient(batch_settings=pubsub_v1.types.BatchSettings(max_messages=1))

    def publish(self, topic: str, data: bytes, *, attributes: Mapping[str, str]) -> str:
        """See `Publisher.publish`."""
        try:
            path = self._client.topic_path(self._project, topic)
            return str(self._client.publish(path, data, timeout=TIMEOUT_S, **attributes).result(timeout=TIMEOUT_S))
        except (google.GoogleAPICallError, google.RetryError, FutureTimeoutError) as exc:
            raise Retryable(f"pub/sub does not take messages for {topic}: {type(exc).__name__}") from exc

    def close(self) -> None:
        """Send what is on its way and end the client's threads."""
        self._client.stop()
