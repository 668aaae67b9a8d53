"""The publisher on Pub/Sub."""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TYPE_CHECKING

from google.api_core import exceptions as google
from google.api_core.retry import Retry, if_exception_type
from google.cloud import pubsub_v1

from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A message that was not taken by then is given up; the client by itself would go on for ten minutes.
TIMEOUT_S = 10.0
_RETRY = Retry(predicate=if_exception_type(google.ServiceUnavailable, google.ResourceExhausted), initial=0.1, maximum=2)


class PubSubPublisher:
    """Thread-safe, as the client is. Built once per process."""

    def __init__(self, *, project: str, timeout_s: float = TIMEOUT_S) -> None:
        self._project = project
        self._timeout_s = timeout_s
        # Every message is waited for, so a batch would only add its latency.
        self._client = pubsub_v1.PublisherClient(batch_settings=pubsub_v1.types.BatchSettings(max_messages=1))

    def publish(self, topic: str, data: bytes, *, attributes: Mapping[str, str]) -> str:
        """See `Publisher.publish`."""
        try:
            path = self._client.topic_path(self._project, topic)
            limits = {"retry": _RETRY.with_timeout(self._timeout_s), "timeout": self._timeout_s}
            # A moment longer than the client itself, which knows better why nobody answered.
            return str(self._client.publish(path, data, **limits, **attributes).result(timeout=self._timeout_s + 1))
        except (google.GoogleAPICallError, google.RetryError, FutureTimeoutError) as exc:
            raise Retryable(f"pub/sub does not take messages for {topic}: {type(exc).__name__}") from exc

    def close(self) -> None:
        """Send what is on its way and end the client's threads."""
        self._client.stop()
