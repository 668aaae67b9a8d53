"""What every message source keeps: the double in memory, and the Pub/Sub adapter on Google's emulator."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Protocol

import pytest

from gpu_job.message_source import BULK_SHARE, Message, MessageSource
from gpu_job.message_source.memory import InMemoryMessageSource
from gpu_job.message_source.pubsub import PubSubMessageSource
from local.processes import free_port
from shared.errors import Retryable
from shared.messages import TOPIC_OF_PRIORITY
from shared.publisher.memory import InMemoryPublisher
from shared.publisher.pubsub import PubSubPublisher
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.publisher import Publisher

#: For what takes milliseconds on an idle machine.
PATIENCE_S = 10.0
#: Pub/Sub's shortest deadline.
SHORT_S = 1


class Queue(Protocol):
    """Both queues of render requests, with one worker's source."""

    #: Of one pull.
    pull_s: float

    @property
    def publisher(self) -> Publisher: ...

    @property
    def source(self) -> MessageSource: ...

    #: Whether its worker may take bulk.
    takes_bulk: bool


class QueueInMemory:
    pull_s = 0.05
    takes_bulk = True

    def __init__(self) -> None:
        self.publisher = InMemoryPublisher()
        self.source = InMemoryMessageSource(self.publisher, takes_bulk=lambda: self.takes_bulk)


class QueueOnPubSub:
    pull_s = 1.2  # the emulator waits 0.94 s less than it is told
    takes_bulk = True

    def __init__(self, project: str) -> None:
        self.publisher = PubSubPublisher(project=project)
        self.source = PubSubMessageSource(project=project, draw=lambda _: 0, takes_bulk=lambda: self.takes_bulk)

    def close(self) -> None:
        self.publisher.close()
        self.source.close()


@pytest.fixture(params=["memory", pytest.param("pubsub", marks=pytest.mark.emulators)])
def messages(request: pytest.FixtureRequest) -> Iterator[Queue]:
    """Every source in turn."""
    if request.param == "memory":
        yield QueueInMemory()
        return
    messages = QueueOnPubSub(request.getfixturevalue("project_with_topics"))
    yield messages
    messages.close()


def send(messages: Queue, data: bytes = b"wish", *, priority: Priority = Priority.INTERACTIVE) -> None:
    messages.publisher.publish(TOPIC_OF_PRIORITY[priority], data, attributes={})


def receive(messages: Queue, *, within_s: float = PATIENCE_S) -> Message | None:
    """The next message, or None when there is none for so long."""
    give_up_at = time.monotonic() + within_s
    while True:
        if found := messages.source.pull(timeout_s=messages.pull_s):
            return found
        if time.monotonic() > give_up_at:
            return None


def received(messages: Queue) -> Message:
    message = receive(messages)
    assert message, "no message came"
    return message


def test_an_empty_queue_gives_nothing_within_the_given_time(messages: Queue) -> None:
    for _ in range(2):  # the first pull may be a glance
        begun = time.monotonic()
        assert messages.source.pull(timeout_s=messages.pull_s) is None
        assert time.monotonic() - begun < messages.pull_s + 2


def test_a_message_comes_with_its_data_and_the_queue_that_it_came_from(messages: Queue) -> None:
    send(messages, bytes(range(256)), priority=Priority.BULK)

    message = received(messages)

    assert (message.data, message.priority) == (bytes(range(256)), Priority.BULK)


def test_a_message_that_comes_while_a_worker_waits_is_received(messages: Queue) -> None:
    assert messages.source.pull(timeout_s=messages.pull_s) is None

    send(messages)

    assert received(messages).data == b"wish"


def test_interactive_messages_go_first_and_bulk_gets_its_share(messages: Queue) -> None:
    for number in range(2 * BULK_SHARE):
        send(messages, f"bulk {number}".encode(), priority=Priority.BULK)
        send(messages, f"interactive {number}".encode())

    order = []
    for _ in range(2 * BULK_SHARE):
        message = received(messages)
        messages.source.acknowledge(message)
        order.append(message.priority)

    assert order[: BULK_SHARE - 1] == [Priority.INTERACTIVE] * (BULK_SHARE - 1)
    assert Counter(order) == {Priority.INTERACTIVE: 2 * (BULK_SHARE - 1), Priority.BULK: 2}


def test_while_bulk_has_to_wait_it_stays_where_it_is_and_others_are_received(messages: Queue) -> None:
    messages.takes_bulk = False
    send(messages, b"bulk", priority=Priority.BULK)
    assert messages.source.pull(timeout_s=messages.pull_s) is None
    for number in range(BULK_SHARE):  # the turn of bulk is among them
        send(messages, f"interactive {number}".encode())
        assert received(messages).priority is Priority.INTERACTIVE

    messages.takes_bulk = True

    assert received(messages).data == b"bulk"


def test_bulk_messages_are_received_while_there_are_no_others(messages: Queue) -> None:
    for number in range(3):
        send(messages, f"bulk {number}".encode(), priority=Priority.BULK)

    assert {received(messages).data for _ in range(3)} == {b"bulk 0", b"bulk 1", b"bulk 2"}


def test_a_message_is_with_one_worker_at_a_time(messages: Queue) -> None:
    send(messages)
    received(messages)

    assert receive(messages, within_s=0.5) is None


def test_an_acknowledged_message_never_comes_again(messages: Queue) -> None:
    send(messages)
    message = received(messages)
    messages.source.extend(message, deadline_s=SHORT_S)

    messages.source.acknowledge(message)

    assert receive(messages, within_s=SHORT_S + 0.5) is None


def test_a_message_that_is_put_back_comes_again_at_once(messages: Queue) -> None:
    send(messages)
    messages.source.put_back(received(messages))

    begun = time.monotonic()
    again = received(messages)

    assert again.data == b"wish"
    assert time.monotonic() - begun < SHORT_S + 2.0
    messages.source.acknowledge(again)
    assert receive(messages, within_s=0) is None


def test_a_message_that_is_put_back_with_a_delay_comes_again_after_it(messages: Queue) -> None:
    send(messages)
    message = received(messages)
    begun = time.monotonic()

    messages.source.put_back(message, delay_s=SHORT_S)

    assert received(messages).data == b"wish"
    assert time.monotonic() - begun >= SHORT_S - 0.1


def test_a_message_may_be_put_back_for_longer_than_pubsub_allows(messages: Queue) -> None:
    send(messages)

    messages.source.put_back(received(messages), delay_s=86_400)

    assert receive(messages, within_s=0) is None


def test_a_message_whose_deadline_passes_comes_again_and_is_acknowledged_by_its_new_delivery_alone(
    messages: Queue,
) -> None:
    send(messages)
    first = received(messages)
    messages.source.extend(first, deadline_s=SHORT_S)

    second = received(messages)
    assert second.data == b"wish"
    messages.source.extend(second, deadline_s=SHORT_S)
    messages.source.acknowledge(first)

    third = received(messages)
    messages.source.acknowledge(third)
    assert receive(messages, within_s=0) is None


def test_a_message_that_is_extended_in_time_stays_with_its_worker(messages: Queue) -> None:
    send(messages)
    message = received(messages)
    messages.source.extend(message, deadline_s=SHORT_S)
    messages.source.extend(message, deadline_s=30)

    assert receive(messages, within_s=SHORT_S + 0.5) is None

    messages.source.put_back(message)
    assert received(messages).data == b"wish"


def test_extending_what_was_acknowledged_does_not_bring_it_back(messages: Queue) -> None:
    send(messages)
    message = received(messages)
    messages.source.acknowledge(message)

    messages.source.put_back(message)

    assert receive(messages, within_s=0.5) is None


def test_a_pubsub_that_can_not_be_reached_is_retryable_within_the_given_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    source = PubSubMessageSource(project="nowhere", timeout_s=0.3)
    message = Message(data=b"wish", priority=Priority.BULK, ack_id="delivery")
    begun = time.monotonic()

    with pytest.raises(Retryable):
        source.pull(timeout_s=1)
    with pytest.raises(Retryable):
        source.acknowledge(message)
    with pytest.raises(Retryable):
        source.extend(message, deadline_s=60)
    with pytest.raises(Retryable):
        source.put_back(message)

    assert time.monotonic() - begun < PATIENCE_S
    source.close()


@pytest.mark.emulators
def test_workers_that_are_preempted_after_one_render_leave_bulk_its_share_among_them(project_with_topics: str) -> None:
    publisher = PubSubPublisher(project=project_with_topics)
    for priority in Priority:
        for _ in range(BULK_SHARE):
            publisher.publish(TOPIC_OF_PRIORITY[priority], b"wish", attributes={})
    order = []
    for drawn in range(BULK_SHARE):
        source = PubSubMessageSource(project=project_with_topics, draw=lambda _, drawn=drawn: drawn)  # type: ignore[misc]
        message = source.pull(timeout_s=1)
        assert message
        source.acknowledge(message)
        order.append(message.priority)
        source.close()
    publisher.close()

    assert Counter(order) == {Priority.INTERACTIVE: BULK_SHARE - 1, Priority.BULK: 1}


@pytest.mark.emulators
def test_subscriptions_that_do_not_exist_are_retryable_since_they_may_be_made_yet(project: str) -> None:
    source = PubSubMessageSource(project=project)

    with pytest.raises(Retryable):
        source.pull(timeout_s=1)
    source.close()
