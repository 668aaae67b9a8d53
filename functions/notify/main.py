"""Cloud Function ``notify``: an object was finalized → its render and all jobs that wait for it are completed.

Decode, call. Clients are built at the first call, not at import.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import functions_framework
from google.cloud import firestore, storage
from notifier import Notifier
from notify_settings import NotifySettings

from shared.artifact_store.gcs import GcsArtifactStore
from shared.job_store.firestore import FirestoreJobStore
from shared.publisher.pubsub import PubSubPublisher
from shared.settings import read_settings
from shared.telemetry import configure

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent


@cache
def notifier() -> Notifier:
    """The notifier over Google's services, as the environment says."""
    settings = read_settings(NotifySettings, os.environ)
    configure(service="notify", level=settings.log_level)
    project = settings.google_cloud_project
    return Notifier(
        bucket=settings.artifact_bucket,
        store=FirestoreJobStore(firestore.Client(project=project)),
        publisher=PubSubPublisher(project=project),
        artifacts=GcsArtifactStore(storage.Client(project=project), bucket=settings.artifact_bucket),
        now=lambda: datetime.now(UTC),
    )


@functions_framework.cloud_event
def notify(event: CloudEvent) -> None:
    """``google.cloud.storage.object.v1.finalized``. Returning is the end of it; raising has it delivered again."""
    resource = event.data if isinstance(event.data, dict) else {}
    notifier().object_finalized(resource.get("bucket"), resource.get("name"))
