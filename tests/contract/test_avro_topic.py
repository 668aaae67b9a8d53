"""A topic with the committed Avro schema, on Google's emulator: what it refuses, and what the intake makes of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from avro_requests import ENCODING_ATTRIBUTE
from google.api_core.exceptions import InvalidArgument
from google.cloud import pubsub_v1

from shared.documents import Status
from tests.unit.avro_world import COMMITTED, ENCODERS, MESSAGES
from tests.unit.intake_world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.emulators

TAGGED = json.loads(ENCODERS["JSON"](MESSAGES["everything"]))


@pytest.fixture
def clients(project: str) -> Iterator[tuple[pubsub_v1.PublisherClient, pubsub_v1.SubscriberClient, str]]:
    """Of a project that has the schema; and the schema's name."""
    with pubsub_v1.SchemaServiceClient() as schemas:
        definition = {"type_": "AVRO", "definition": COMMITTED.read_text(encoding="utf-8")}
        schema = schemas.create_schema(parent=f"projects/{project}", schema=definition, schema_id="job-requested")
    with pubsub_v1.PublisherClient() as publisher, pubsub_v1.SubscriberClient() as subscriber:
        yield publisher, subscriber, schema.name


@pytest.fixture
def a_topic(clients: Any, project: str) -> Callable[[str], tuple[str, str]]:
    """Makes a topic of an encoding, and a subscription to it."""
    publisher, subscriber, schema = clients

    def make(encoding: str) -> tuple[str, str]:
        topic = publisher.topic_path(project, "job-requests")
        subscription = subscriber.subscription_path(project, "job-requests-intake")
        publisher.create_topic(request={"name": topic, "schema_settings": {"schema": schema, "encoding": encoding}})
        subscriber.create_subscription(name=subscription, topic=topic)
        return topic, subscription

    return make


@pytest.mark.parametrize("encoding", ENCODERS)
def test_what_the_topic_takes_the_intake_can_read(clients: Any, a_topic: Any, encoding: str) -> None:
    publisher, subscriber, schema = clients
    topic, subscription = a_topic(encoding)

    publisher.publish(topic, ENCODERS[encoding](MESSAGES["everything"]), source="museum-kiosk").result(timeout=10)

    [received] = subscriber.pull(subscription=subscription, max_messages=1, timeout=10).received_messages
    attributes = dict(received.message.attributes)
    assert (attributes[ENCODING_ATTRIBUTE], attributes["googclient_schemaname"]) == (encoding, schema)
    assert attributes["googclient_schemarevisionid"]
    world = World()
    world.deliver(received.message.data, **attributes)
    assert (world.only_job.job_id, world.only_job.owner) == ("order-0001", "system:museum-kiosk")
    assert world.only_job.status is Status.QUEUED


@pytest.mark.parametrize(
    "message",
    [
        pytest.param({**TAGGED, "job_id": "order-0001"}, id="a union without its tag"),
        pytest.param({key: value for key, value in TAGGED.items() if key != "job_id"}, id="an absent nullable field"),
        pytest.param({key: value for key, value in TAGGED.items() if key != "schema_version"}, id="an absent field"),
        pytest.param({**TAGGED, "schema_version": "1"}, id="another type"),
        pytest.param({"schema_version": 1, "request": {"perspective": "curious-cat"}}, id="plain JSON"),
    ],
)
def test_what_is_not_avros_json_is_refused_at_publishing(clients: Any, a_topic: Any, message: dict[str, Any]) -> None:
    publisher, _subscriber, _schema = clients
    topic, _subscription = a_topic("JSON")

    with pytest.raises(InvalidArgument):
        publisher.publish(topic, json.dumps(message).encode()).result(timeout=10)
