"""Topics and subscriptions on the Pub/Sub emulator, as Terraform makes them in the cloud.

Through the emulator's REST form, since Google's clients find it by the environment of their own process alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import requests

from local.errors import LocalStackError
from shared.messages import (
    BATCH_CHUNKS,
    JOB_REQUESTS,
    RENDER_REQUESTS_DEAD,
    SCHEDULE,
    SUBSCRIPTION_OF_PRIORITY,
    TOPIC_OF_PRIORITY,
    TOPICS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The function that each topic is pushed to.
PUSHED: Final = {JOB_REQUESTS: "intake", RENDER_REQUESTS_DEAD: "bury", BATCH_CHUNKS: "expand", SCHEDULE: "schedule"}
#: Putting a message back counts as a delivery, so there may be many.
MAX_DELIVERY_ATTEMPTS = 100
#: As long as a lease: a crash is redelivered soon.
ACK_DEADLINE_S = 60
#: Longer than a function may take: a chunk of a batch takes minutes.
PUSH_ACK_DEADLINE_S = 600


def make_topology(endpoint: str, *, project: str, urls: Mapping[str, str]) -> None:
    """Make all topics and subscriptions of an empty emulator at ``host:port``.

    Args:
        endpoint: of the emulator.
        project: Google Cloud project.
        urls: address of each function in `PUSHED`.

    Raises:
        LocalStackError: the emulator refused.
    """
    parent = f"projects/{project}"
    for name in TOPICS:
        _put(endpoint, f"{parent}/topics/{name}", {})
    for priority, name in SUBSCRIPTION_OF_PRIORITY.items():
        dead_letters = {
            "deadLetterTopic": f"{parent}/topics/{RENDER_REQUESTS_DEAD}",
            "maxDeliveryAttempts": MAX_DELIVERY_ATTEMPTS,
        }
        _subscribe(endpoint, parent, TOPIC_OF_PRIORITY[priority], name, {"deadLetterPolicy": dead_letters})
    for topic, function in PUSHED.items():
        push = {
            "pushConfig": {"pushEndpoint": urls[function]},
            "ackDeadlineSeconds": PUSH_ACK_DEADLINE_S,
            "retryPolicy": {"minimumBackoff": "1s", "maximumBackoff": "60s"},
        }
        _subscribe(endpoint, parent, topic, f"{topic}-{function}", push)


def _subscribe(endpoint: str, parent: str, topic: str, name: str, options: dict[str, Any]) -> None:
    base = {"topic": f"{parent}/topics/{topic}", "ackDeadlineSeconds": ACK_DEADLINE_S}
    _put(endpoint, f"{parent}/subscriptions/{name}", base | options)


def _put(endpoint: str, path: str, body: dict[str, Any]) -> None:
    try:
        answer = requests.put(f"http://{endpoint}/v1/{path}", json=body, timeout=10)
    except requests.RequestException as exc:
        raise LocalStackError(f"The Pub/Sub emulator does not answer: {exc}") from exc
    if not answer.ok:
        raise LocalStackError(f"The Pub/Sub emulator refused {path}: {answer.text[:200]}")
