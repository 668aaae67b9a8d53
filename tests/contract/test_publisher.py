"""What every publisher keeps: the double in memory, and the Pub/Sub adapter on Google's emulator."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import pytest
from google.cloud import pubsub_v1

from local.processes import free_port
from shared.errors import Retryable
from shared.messages import JOB_EVENTS, RENDER_REQUESTS
from shared.publisher.memory import InMemoryPublisher
from shared.publisher.pubsub import PubSubPublisher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.publisher import Publisher

PATIENCE_S = 10.0
#: Data that is no text, and attributes that are no ASCII.
DATA = bytes(range(256))
ATTRIBUTES = {"status": "completed", "title": "Grün vor Neid: 🐈"}


class Post(Protocol):
    """A publisher, and what arrives at a subscriber of `JOB_EVENTS`."""

    @property
    def publisher(self) -> Publisher: ...

    def arrived(self, count: int) -> list[tuple[str, bytes, Mapping[str, str]]]:
        """Id, data and attributes of so many messages."""


class PostInMemory:
    def __init__(self) -> None:
        self.publisher = InMemoryPublisher()
        self._arrived: list[tuple[str, bytes, Mapping[str, str]]] = []
        self.publisher.subscribe(
            JOB_EVENTS, lambda message: self._arrived.append((message.message_id, message.data, message.attributes))
        )

    def arrived(self, count: int) -> list[tuple[str, bytes, Mapping[str, str]]]:
        assert len(self._arrived) == count
        return self._arrived


class PostOnPubSub:
    def __init__(self, project: str) -> None:
        self.publisher = PubSubPublisher(project=project)
        self._subscriber = pubsub_v1.SubscriberClient()
        self._subscription = self._subscriber.subscription_path(project, "everything")
        topic = self._subscriber.topic_path(project, JOB_EVENTS)
        self._subscriber.create_subscription(name=self._subscription, topic=topic)

    def arrived(self, count: int) -> list[tuple[str, bytes, Mapping[str, str]]]:
        found: list[tuple[str, bytes, Mapping[str, str]]] = []
        give_up_at = time.monotonic() + PATIENCE_S
        while len(found) < count and time.monotonic() < give_up_at:
            answer = self._subscriber.pull(subscription=self._subscription, max_messages=count, timeout=2)
            for received in answer.received_messages:
                message = received.message
                found.append((message.message_id, message.data, dict(message.attributes)))
                self._subscriber.acknowledge(subscription=self._subscription, ack_ids=[received.ack_id])
        assert len(found) == count
        return found

    def close(self) -> None:
        self.publisher.close()
        self._subscriber.close()


@pytest.fixture(params=["memory", pytest.param("pubsub", marks=pytest.mark.emulators)])
def post(request: pytest.FixtureRequest) -> Iterator[Post]:
    """Every publisher in turn."""
    if request.param == "memory":
        yield PostInMemory()
        return
    post = PostOnPubSub(request.getfixturevalue("project_with_topics"))
    yield post
    post.close()


def test_a_published_message_arrives_with_its_data_and_its_attributes(post: Post) -> None:
    message_id = post.publisher.publish(JOB_EVENTS, DATA, attributes=ATTRIBUTES)

    assert post.arrived(1) == [(message_id, DATA, ATTRIBUTES)]


def test_a_message_needs_no_attributes(post: Post) -> None:
    post.publisher.publish(JOB_EVENTS, b"{}", attributes={})

    [(_, data, attributes)] = post.arrived(1)
    assert (data, attributes) == (b"{}", {})


def test_equal_messages_are_two_messages(post: Post) -> None:
    ids = {post.publisher.publish(JOB_EVENTS, b"{}", attributes={}) for _ in range(2)}

    assert {message_id for message_id, _, _ in post.arrived(2)} == ids
    assert len(ids) == 2


def test_many_messages_arrive_each_with_its_own_attributes(post: Post) -> None:
    messages = [(f"{number}".encode(), {"number": f"{number}"}) for number in range(700)]

    post.publisher.publish_all(JOB_EVENTS, messages)

    arrived = [(data, dict(attributes)) for _, data, attributes in post.arrived(700)]
    assert sorted(arrived, key=lambda each: int(each[0])) == messages


def test_no_messages_are_nothing(post: Post) -> None:
    post.publisher.publish_all(JOB_EVENTS, [])

    assert post.arrived(0) == []


def test_a_message_for_another_topic_does_not_arrive(post: Post) -> None:
    post.publisher.publish(RENDER_REQUESTS, b"other", attributes={})
    post.publisher.publish(JOB_EVENTS, b"mine", attributes={})

    assert [data for _, data, _ in post.arrived(1)] == [b"mine"]


def test_a_topic_that_does_not_exist_is_retryable_since_it_may_be_made_yet(post: Post) -> None:
    with pytest.raises(Retryable, match="no-such-topic"):
        post.publisher.publish("no-such-topic", b"{}", attributes={})
    with pytest.raises(Retryable, match="no-such-topic"):
        post.publisher.publish_all("no-such-topic", [(b"{}", {})])


def test_a_pubsub_that_can_not_be_reached_is_retryable_within_the_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    publisher = PubSubPublisher(project="nowhere", timeout_s=0.5)
    begun = time.monotonic()

    with pytest.raises(Retryable):
        publisher.publish(JOB_EVENTS, b"{}", attributes={})
    with pytest.raises(Retryable):
        publisher.publish_all(JOB_EVENTS, [(b"{}", {})] * 3)

    assert time.monotonic() - begun < PATIENCE_S
    publisher.close()
