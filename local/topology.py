"""Topics and subscriptions on the Pub/Sub emulator, as Terraform makes them in the cloud."""

from __future__ import annotations

from google.cloud import pubsub_v1
from google.protobuf import duration_pb2

from shared.messages import JOB_REQUESTS, RENDER_REQUESTS_DEAD, SUBSCRIPTION_OF_PRIORITY, TOPIC_OF_PRIORITY, TOPICS

#: Putting a message back counts as a delivery, so there may be many.
MAX_DELIVERY_ATTEMPTS = 100
#: As long as a lease: a crash is redelivered soon.
ACK_DEADLINE_S = 60


def make_topology(*, project: str, intake_url: str) -> None:
    """Make all topics and subscriptions of an empty emulator; ``PUBSUB_EMULATOR_HOST`` says where it is."""
    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    with publisher, subscriber:
        topics = {name: publisher.create_topic(name=publisher.topic_path(project, name)).name for name in TOPICS}
        for priority, name in SUBSCRIPTION_OF_PRIORITY.items():
            subscriber.create_subscription(
                name=subscriber.subscription_path(project, name),
                topic=topics[TOPIC_OF_PRIORITY[priority]],
                ack_deadline_seconds=ACK_DEADLINE_S,
                dead_letter_policy={
                    "dead_letter_topic": topics[RENDER_REQUESTS_DEAD],
                    "max_delivery_attempts": MAX_DELIVERY_ATTEMPTS,
                },
            )
        # A topic that nobody subscribes to forgets.
        subscriber.create_subscription(
            name=subscriber.subscription_path(project, f"{RENDER_REQUESTS_DEAD}-kept"),
            topic=topics[RENDER_REQUESTS_DEAD],
        )
        subscriber.create_subscription(
            name=subscriber.subscription_path(project, f"{JOB_REQUESTS}-intake"),
            topic=topics[JOB_REQUESTS],
            ack_deadline_seconds=ACK_DEADLINE_S,
            push_config={"push_endpoint": intake_url},
            retry_policy={
                "minimum_backoff": duration_pb2.Duration(seconds=1),
                "maximum_backoff": duration_pb2.Duration(seconds=60),
            },
        )
