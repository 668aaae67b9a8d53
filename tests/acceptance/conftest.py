"""The whole system as processes, once for all acceptance tests; and eyes to look at what it did."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from google.cloud import firestore, pubsub_v1

from cli.here import MODELS_DIR
from local.emulator_finder import find_emulators
from local.stack import LocalStack, StackOptions
from local.tokens import PROJECT, local_headers
from shared.messages import JobEvent, decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DEADLINE_S = 90.0


def until(condition: Callable[[], Any], *, what: str, deadline_s: float = DEADLINE_S) -> Any:
    """The first true answer of a condition that is asked again and again."""
    give_up_at = time.monotonic() + deadline_s
    while not (answer := condition()):
        assert time.monotonic() < give_up_at, f"{what}: not within {deadline_s:.0f} s"
        time.sleep(0.05)
    return answer


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Sees what clients see, and what lies in the stores."""

    stack: LocalStack
    database: firestore.Client
    publisher: pubsub_v1.PublisherClient
    subscriber: pubsub_v1.SubscriberClient

    def post(self, body: Any, **headers: str) -> requests.Response:
        """``POST /jobs``."""
        return requests.post(f"{self.stack.api_url}/jobs", json=body, headers=local_headers() | headers, timeout=30)

    def get(self, path: str) -> requests.Response:
        """A ``GET`` of the API."""
        return requests.get(self.stack.api_url + path, headers=local_headers(), timeout=30)

    def final_job(self, job_id: str) -> dict[str, Any]:
        """The job as the API shows it once it is final."""

        def look() -> dict[str, Any] | None:
            answer = self.get(f"/jobs/{job_id}")
            job: dict[str, Any] = answer.json() if answer.ok else {}
            return job if job.get("status") in {"completed", "failed", "canceled"} else None

        job: dict[str, Any] = until(look, what=f"job {job_id} is final")
        return job

    def documents(self, collection: str) -> dict[str, dict[str, Any]]:
        """Every document of a collection."""
        return {each.id: each.to_dict() for each in self.database.collection(collection).stream()}

    def publish(self, topic: str, data: bytes, **attributes: str) -> str:
        """Publish a message; its id."""
        path = self.publisher.topic_path(PROJECT, topic)
        message_id: str = self.publisher.publish(path, data, **attributes).result(timeout=10)
        return message_id

    def subscribe(self, topic: str) -> str:
        """A new subscription, so that what is published from now on can be counted."""
        name: str = self.subscriber.subscription_path(PROJECT, f"{topic}-observer-{time.monotonic_ns()}")
        self.subscriber.create_subscription(name=name, topic=self.publisher.topic_path(PROJECT, topic))
        return name

    def received(self, subscription: str, *, wait_s: float = 2.0) -> list[bytes]:
        """All that has come until nothing comes for a while."""
        bodies: list[bytes] = []
        while answer := self.subscriber.pull(subscription=subscription, max_messages=100, timeout=wait_s + 1):
            if not answer.received_messages:
                return bodies
            bodies += [each.message.data for each in answer.received_messages]
            ack_ids = [each.ack_id for each in answer.received_messages]
            self.subscriber.acknowledge(subscription=subscription, ack_ids=ack_ids)
        return bodies

    def events(self, subscription: str, job_id: str) -> list[JobEvent]:
        """The events of a job, once there is one and after it nothing more."""
        found: list[JobEvent] = []

        def look() -> list[JobEvent]:
            found.extend(decode(JobEvent, body) for body in self.received(subscription))
            return [event for event in found if event.job_id == job_id]

        events: list[JobEvent] = until(look, what=f"an event of job {job_id}")
        return events


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The system with the real worker and the pocket model."""
    options = StackOptions(
        run_dir=tmp_path_factory.mktemp("stack"), models_dir=MODELS_DIR, worker_env={"RETRY_BACKOFF_S": "1"}
    )
    with LocalStack(options, binaries=find_emulators(download=True)) as running:
        yield running


@pytest.fixture
def observer(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Observer]:
    """Somebody who looks from outside, through Google's own clients."""
    for name, value in stack.env.items():
        monkeypatch.setenv(name, value)
    with (
        pubsub_v1.PublisherClient() as publisher,
        pubsub_v1.SubscriberClient() as subscriber,
        contextlib.closing(firestore.Client(project=PROJECT)) as database,
    ):
        yield Observer(stack=stack, database=database, publisher=publisher, subscriber=subscriber)
