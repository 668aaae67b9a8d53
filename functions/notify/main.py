"""Cloud Function ``notify``: what happened is told, what should have happened is repaired.

``notify``: an object was finalized → its render and all jobs that wait for it are completed. ``bury``: a render request
was delivered too often. ``reconcile``: the scheduled look at everything. Decode, call, encode. Clients are built at the
first call, not at import.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

import functions_framework
from bulk_pause import measure_bulk_pause
from burying import bury_request
from flask import Response
from google.cloud import firestore
from notifier import object_finalized
from notify_settings import NotifySettings
from queue_age import measure_queue_age
from reconciling import reconcile_all
from repairing import Repairer

from shared import tracing
from shared.artifact_store.gcs import GcsArtifactStore
from shared.batch_store.firestore import FirestoreBatchStore
from shared.batch_waking import wake_lost_batches
from shared.budget import Budget, Spending
from shared.google_storage import storage_client
from shared.job_store.firestore import FirestoreJobStore
from shared.publisher.pubsub import PubSubPublisher
from shared.pushes import read_push
from shared.settings import read_settings
from shared.telemetry import configure

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent
    from flask import Request


#: As far as a check is ever put off.
MAX_HOURS_AHEAD = 6


@cache
def repairer() -> Repairer:
    """Google's services, as the environment says."""
    project = settings().google_cloud_project
    configure(service="notify", level=settings().log_level, project=project)
    tracing.start(settings().telemetry, service="notify", project=project)
    return Repairer(
        store=FirestoreJobStore(firestore.Client(project=project)),
        publisher=PubSubPublisher(project=project),
        artifacts=GcsArtifactStore(storage_client(project), bucket=settings().artifact_bucket),
        now=_now,
    )


@cache
def budget() -> Budget:
    """What may be spent in a day. Kept, since it knows what hours that are over have cost."""
    spending = Spending(repairer().store, now=_now, monotonic=time.monotonic)
    return Budget(settings(), spending=spending, now=_now)


@cache
def batches() -> FirestoreBatchStore:
    """Where the batches are."""
    return FirestoreBatchStore(firestore.Client(project=settings().google_cloud_project))


@cache
def settings() -> NotifySettings:
    """The environment, read once."""
    return read_settings(NotifySettings, os.environ)


def _now() -> datetime:
    return datetime.now(UTC)


@functions_framework.cloud_event
def notify(event: CloudEvent) -> None:
    """``google.cloud.storage.object.v1.finalized``. Returning is the end of it; raising has it delivered again."""
    resource = event.data if isinstance(event.data, dict) else {}
    with tracing.call():
        bucket, name = resource.get("bucket"), resource.get("name")
        object_finalized(bucket, name, ours=settings().artifact_bucket, repairer=repairer())


@functions_framework.cloud_event
def bury(event: CloudEvent) -> None:
    """A message on ``render-requests-dead``. Returning acknowledges it; raising has it delivered again."""
    with tracing.call():
        bury_request(read_push(event.data, event_id=event["id"]).data, repairer=repairer())


@functions_framework.http
def reconcile(request: Request) -> Response:
    """Cloud Scheduler calls this every minute; after an incident an operator does, with ``?hours_ahead=6``."""
    hours_ahead = request.args.get("hours_ahead", default=0, type=int)
    with tracing.call():
        done = reconcile_all(
            repairer=repairer(),
            time_limit_s=settings().reconcile_limit_s,
            monotonic=time.monotonic,
            ahead=timedelta(hours=min(max(hours_ahead, 0), MAX_HOURS_AHEAD)),
        )
        woken = wake_lost_batches(batches=batches(), publisher=repairer().publisher, now=repairer().now)
        measure_queue_age(store=repairer().store, now=repairer().now)
        measure_bulk_pause(budget=budget(), now=repairer().now)
    return Response(json.dumps({**done, "batches woken": woken}), mimetype="application/json")
