"""Cloud Function ``submit``: entry points ``submit`` (the API) and ``intake`` (topic ``job-requests``).

Decode, call, encode. Clients are built at the first call, not at import.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import functions_framework
from google.cloud import firestore, storage
from http_api import Api
from intake import take_in
from submit_settings import SubmitSettings

from shared.artifact_store.gcs import GcsArtifactStore
from shared.job_store.firestore import FirestoreJobStore
from shared.publisher.pubsub import PubSubPublisher
from shared.pushes import read_push
from shared.settings import read_settings
from shared.telemetry import configure

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent
    from flask import Request, Response


@cache
def api() -> Api:
    """The API over Google's services, as the environment says."""
    settings = read_settings(SubmitSettings, os.environ)
    configure(service="submit", level=settings.log_level)
    project = settings.google_cloud_project
    return Api(
        settings=settings,
        store=FirestoreJobStore(firestore.Client(project=project)),
        publisher=PubSubPublisher(project=project),
        artifacts=GcsArtifactStore(storage.Client(project=project), bucket=settings.artifact_bucket),
        now=lambda: datetime.now(UTC),
    )


@functions_framework.http
def submit(request: Request) -> Response:
    """The API."""
    return api().answer(request)


@functions_framework.cloud_event
def intake(event: CloudEvent) -> None:
    """A message on ``job-requests``. Returning acknowledges it; raising has it delivered again."""
    push = read_push(event.data, event_id=event["id"])
    take_in(
        push.data,
        message_id=push.message_id,
        attributes=push.attributes,
        store=api().store,
        publisher=api().publisher,
        artifacts=api().artifacts,
        offer=api().settings.offer,
        now=api().now,
    )
