"""Another system that wishes by message: publishes wishes, waits for their events, saves the videos.

It needs nothing of this repository, but

    pip install google-cloud-pubsub google-cloud-storage requests
    GOOGLE_CLOUD_PROJECT=my-project API_URL=https://my-api python publisher.py night-owl busy-bee

Optional: ``ID_TOKEN``, who you are to the API; ``ARTIFACT_BUCKET``, to read videos without the API if you may.
Exit status 1 if a wish was not granted.
"""

from __future__ import annotations

import json
import os
import sys
import time
import uuid
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
from google.api_core.exceptions import AlreadyExists, DeadlineExceeded
from google.cloud import pubsub_v1, storage

#: Your system's name: its jobs belong to ``system:museum-kiosk``. Lower-case letters, digits, ``.``, ``_``, ``-``.
SOURCE = "museum-kiosk"
#: Interactive jobs, as these are, fail within minutes when they are not final after 24 hours; in bulk it is seven days.
#: While too much waits, a message is taken in up to 15 hours late.
PATIENCE_S = 40 * 3600.0


def main(perspectives: list[str]) -> int:
    """Wish for a video of each perspective, and save those that were granted."""
    project, give_up_at = os.environ["GOOGLE_CLOUD_PROJECT"], time.monotonic() + PATIENCE_S
    with pubsub_v1.PublisherClient() as publisher, pubsub_v1.SubscriberClient() as subscriber:
        # Subscribe first: a wish whose video is there already is answered at once.
        subscription = subscribe(subscriber, project)

        waiting = set()
        for perspective in perspectives:
            # Your own id, unique for ever: publishing again when unsure makes no second job.
            job_id = f"{SOURCE}-{uuid.uuid4().hex}"
            wish = {"schema_version": 1, "job_id": job_id, "request": {"perspective": perspective}}
            topic = publisher.topic_path(project, "job-requests")
            publisher.publish(topic, json.dumps(wish).encode(), source=SOURCE).result(timeout=60)
            waiting.add(job_id)

        failed = 0
        while waiting and time.monotonic() < give_up_at:
            for ack_id, event in received(subscriber, subscription):
                # Events come at least once, in any order. A system that lives longer remembers ids in its database.
                if event["event_id"] in waiting:
                    failed += not handle(event)
                    waiting.remove(event["event_id"])
                # Only now: what was not handled shall come again.
                subscriber.acknowledge(subscription=subscription, ack_ids=[ack_id])
    return 1 if failed or waiting else 0


def subscribe(subscriber: Any, project: str) -> str:  # noqa: ANN401 - Google's client has no types
    """Your own subscription to the events, made once; its name."""
    name: str = subscriber.subscription_path(project, f"job-events-{SOURCE}")
    topic = subscriber.topic_path(project, "job-events")
    only_mine = f'hasPrefix(attributes.job_id, "{SOURCE}-")'
    with suppress(AlreadyExists):
        subscriber.create_subscription(request={"name": name, "topic": topic, "filter": only_mine})
    return name


def received(subscriber: Any, subscription: str) -> list[tuple[str, dict[str, Any]]]:  # noqa: ANN401 - as above
    """Some events, each with what acknowledges it; none if none came for a while."""
    try:
        answer = subscriber.pull(subscription=subscription, max_messages=10, timeout=30)
    except DeadlineExceeded:
        return []
    return [(each.ack_id, json.loads(each.message.data)) for each in answer.received_messages]


def handle(event: dict[str, Any]) -> bool:
    """Save the video of a completed job; whether there is one."""
    if event["status"] != "completed":
        why = event["error"]["message"] if event["error"] else ""
        print(f"{event['job_id']}: {event['status']} {why}", flush=True)
        return False
    path = Path(f"{event['job_id']}.mp4")
    path.write_bytes(video_of(event))
    print(f"{event['job_id']}: {event['status']} {path}", flush=True)
    return True


def video_of(event: dict[str, Any]) -> bytes:
    """The mp4, by a signed link from the API; from the bucket where the API does not know you."""
    token, bucket = os.environ.get("ID_TOKEN"), os.environ.get("ARTIFACT_BUCKET")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = requests.get(f"{os.environ['API_URL']}/jobs/{event['job_id']}/video", headers=headers, timeout=30)
    if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.NOT_FOUND} and bucket:
        content: bytes = storage.Client().bucket(bucket).blob(event["video"]["path"]).download_as_bytes()
        return content
    answer.raise_for_status()
    video = requests.get(answer.json()["url"], timeout=60)
    video.raise_for_status()
    return video.content


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["curious-cat"]))
