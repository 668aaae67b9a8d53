"""The publisher on Pub/Sub."""

from __future__ import annotations

from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from typing import TYPE_CHECKING

from google.api_core import exceptions as google
from google.api_core.retry import Retry, if_exception_type
from google.cloud import pubsub_v1

from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

#: A message that was not taken by then is given up; the client by itself would go on for ten minutes.
TIMEOUT_S = 10.0
_RETRY = Retry(predicate=if_exception_type(google.ServiceUnavailable, google.ResourceExhausted), initial=0.1, maximum=2)


class PubSubPublisher:
    """Thread-safe, as the client is. Built once per process."""

    def __init__(self, *, project: str, timeout_s: float = TIMEOUT_S) -> None:
        self._project = project
        self._timeout_s = timeout_s
        self._limits = {"retry": _RETRY.with_timeout(timeout_s), "timeout": timeout_s}
        # A single message is waited for, so a batch would only add its latency.
        self._client = pubsub_v1.PublisherClient(batch_settings=pubsub_v1.types.BatchSettings(max_messages=1))
        # 200 messages on the emulator: 20 ms, and 350 ms one by one on 16 threads.
        self._batching = pubsub_v1.PublisherClient(batch_settings=pubsub_v1.types.BatchSettings(max_messages=500))

    def publish(self, topic: str, data: bytes, *, attributes: Mapping[str, str]) -> str:
        """See `Publisher.publish`."""
        with _translated(topic):
            future = self._client.publish(self._path(topic), data, **self._limits, **attributes)
            # A moment longer than the client itself, which knows better why nobody answered.
            return str(future.result(timeout=self._timeout_s + 1))

    def publish_all(self, topic: str, messages: Iterable[tuple[bytes, Mapping[str, str]]]) -> None:
        """See `Publisher.publish_all`."""
        path = self._path(topic)
        with _translated(topic):
            futures = [
                self._batching.publish(path, data, **self._limits, **attributes) for data, attributes in messages
            ]
            for future in futures:
                future.result(timeout=self._timeout_s + 1)

    def close(self) -> None:
        """Send what is on its way and end the client's threads."""
        self._client.stop()
        self._batching.stop()

    def _path(self, topic: str) -> str:
        return str(self._client.topic_path(self._project, topic))


@contextmanager
def _translated(topic: str) -> Iterator[None]:
    """Translate the vendor's exceptions, once."""
    try:
        yield
    except (google.GoogleAPICallError, google.RetryError, FutureTimeoutError) as exc:
        raise Retryable(f"pub/sub does not take messages for {topic}: {type(exc).__name__}") from exc
