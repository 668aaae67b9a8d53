"""The message source on Pub/Sub by unary pull.

Unary, because a worker renders one video at a time and renews the deadline itself; and because the emulator goes on
sending to streams that have died, which swallows messages for a minute or two.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from google.api_core import exceptions as google
from google.api_core.retry import Retry, if_exception_type
from google.cloud import pubsub_v1

from gpu_job.message_source import MAX_DELAY_S, Message, turns
from shared.errors import Retryable
from shared.messages import SUBSCRIPTION_OF_PRIORITY
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

#: The client by itself would go on for a minute, as long as a lease.
TIMEOUT_S = 5.0
_RETRY = Retry(predicate=if_exception_type(google.ServiceUnavailable, google.ResourceExhausted), initial=0.1, maximum=2)
#: How long a pull waits at a queue that is probably empty. The emulator answers an empty pull 0.94 s before the
#: client's deadline, so this is a glance to it; to the cloud it is time enough for an answer. A pull is never canceled:
#: a message that was on its way would come again only after its deadline.
GLANCE_S = 1.0


class PubSubMessageSource:
    """One worker's own; not to be shared between threads.

    Args:
        project: of the subscriptions.
        timeout_s: longest answer to what is no pull.
        draw: see `turns`.
        takes_bulk: asked before each pull.
    """

    def __init__(
        self,
        *,
        project: str,
        timeout_s: float = TIMEOUT_S,
        draw: Callable[[int], int] = secrets.randbelow,
        takes_bulk: Callable[[], bool] = lambda: True,
    ) -> None:
        self._takes_bulk = takes_bulk
        self._limits = {"retry": _RETRY.with_timeout(timeout_s), "timeout": timeout_s}
        self._client = pubsub_v1.SubscriberClient()
        self._paths = {
            priority: self._client.subscription_path(project, name)
            for priority, name in SUBSCRIPTION_OF_PRIORITY.items()
        }
        self._turns = turns(draw)
        self._was_empty = False

    def pull(self, *, timeout_s: float) -> Message | None:
        """See `MessageSource.pull`. After a message, the next pull only glances at each queue; else it waits."""
        wait_s = max(GLANCE_S, timeout_s) if self._was_empty else GLANCE_S
        first, takes_bulk = next(self._turns), self._takes_bulk()
        if not takes_bulk:
            found = self._pull(Priority.INTERACTIVE, wait_s)
        elif first is Priority.BULK:
            found = self._pull(Priority.BULK, GLANCE_S) or self._pull(Priority.INTERACTIVE, wait_s)
        else:
            found = self._pull(Priority.INTERACTIVE, wait_s) or self._pull(Priority.BULK, GLANCE_S)
        self._was_empty = found is None
        return found

    def acknowledge(self, message: Message) -> None:
        """See `MessageSource.acknowledge`."""
        path = self._paths[message.priority]
        _answered(lambda: self._client.acknowledge(subscription=path, ack_ids=[message.ack_id], **self._limits))

    def extend(self, message: Message, *, deadline_s: int) -> None:
        """See `MessageSource.extend`."""
        path = self._paths[message.priority]
        _answered(
            lambda: self._client.modify_ack_deadline(
                subscription=path, ack_ids=[message.ack_id], ack_deadline_seconds=deadline_s, **self._limits
            )
        )

    def put_back(self, message: Message, *, delay_s: int = 0) -> None:
        """See `MessageSource.put_back`."""
        self.extend(message, deadline_s=min(delay_s, MAX_DELAY_S))

    def close(self) -> None:
        """End the client's connections."""
        self._client.close()

    def _pull(self, priority: Priority, timeout_s: float) -> Message | None:
        path = self._paths[priority]
        try:
            response = self._client.pull(subscription=path, max_messages=1, timeout=timeout_s, retry=None)
        except google.DeadlineExceeded:  # this is how an empty queue looks
            return None
        except (google.GoogleAPICallError, google.RetryError) as exc:
            raise _unanswered(exc) from exc
        if not response.received_messages:
            return None
        [received] = response.received_messages
        return Message(data=received.message.data, priority=priority, ack_id=received.ack_id)


def _answered(call: Callable[[], None]) -> None:
    """Translate the vendor's exceptions, once."""
    try:
        call()
    except (google.GoogleAPICallError, google.RetryError) as exc:
        raise _unanswered(exc) from exc


def _unanswered(exc: Exception) -> Retryable:
    return Retryable(f"pub/sub does not answer: {type(exc).__name__}")
