"""Topics and subscriptions on the Pub/Sub emulator, as Terraform makes them in the cloud.

Through the emulator's REST form, since Google's clients find it by the environment of their own process alone.
"""

from __future__ import annotations

from typing import Any

import requests

from local.errors import LocalStackError
from shared.messages import JOB_REQUESTS, RENDER_REQUESTS_DEAD, SUBSCRIPTION_OF_PRIORITY, TOPIC_OF_PRIORITY, TOPICS

#: Putting a message back counts as a delivery, so there may be many.
MAX_DELIVERY_ATTEMPTS = 100
#: As long as a lease: a crash is redelivered soon.
ACK_DEADLINE_S = 60


def make_topology(endpoint: str, *, project: str, intake_url: str) -> None:
    """Make all topics and subscriptions of an empty emulator at ``host:port``.

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
    # A topic that nobody subscribes to forgets.
    _subscribe(endpoint, parent, RENDER_REQUESTS_DEAD, f"{RENDER_REQUESTS_DEAD}-kept", {})
    intake = {
        "pushConfig": {"pushEndpoint": intake_url},
        "retryPolicy": {"minimumBackoff": "1s", "maximumBackoff": "60s"},
    }
    _subscribe(endpoint, parent, JOB_REQUESTS, f"{JOB_REQUESTS}-intake", intake)


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
