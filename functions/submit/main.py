"""Cloud Function ``submit``: entry points ``submit`` (the API), ``queue`` and one for each topic that is pushed here.

``queue`` is ``GET /queue`` alone. ``intake`` takes ``job-requests``, ``expand`` takes ``batch-chunks``, ``schedule``
takes ``schedule``.

Decode, call, encode. Clients are built at the first call, not at import.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import functions_framework
from accept_batch import accept_plan
from admission import Admission
from backlog import Backlog
from batch_desk import BatchDesk
from callers import Callers
from certificates import Certificates
from etas import Outlook
from expand_batch import take_chunk
from gallery import Gallery
from google.auth.transport import requests as google_transport
from google.cloud import firestore
from http_api import QUEUE_ALONE, Api
from intake import take_in
from pace import Pace
from queue_depth import Queue
from submit_settings import SubmitSettings

from shared import tracing
from shared.artifact_store.gcs import GcsArtifactStore
from shared.batch_store.firestore import FirestoreBatchStore
from shared.budget import Budget, Spending
from shared.catalogues import read_catalogues
from shared.crew_store.firestore import FirestoreCrewStore
from shared.google_storage import storage_client
from shared.job_store.firestore import FirestoreJobStore
from shared.manifest_store.gcs import GcsManifestStore
from shared.publisher.pubsub import PubSubPublisher
from shared.pushes import read_push
from shared.safety.blocklist import blocklist
from shared.settings import read_settings
from shared.telemetry import configure
from shared.theme_store.firestore import FirestoreThemeStore

if TYPE_CHECKING:
    from cloudevents.http import CloudEvent
    from flask import Request, Response


@cache
def api() -> Api:
    """The API over Google's services, as the environment says.

    Raises:
        SettingsError, BrokenCatalogueError: it can't be; the message names every fault.
    """
    settings = read_settings(SubmitSettings, os.environ)
    project = settings.google_cloud_project
    configure(service="submit", level=settings.log_level, project=project)
    tracing.start(settings.telemetry, service="submit", project=project)
    read_catalogues()
    database, objects = firestore.Client(project=project), storage_client(project)
    store, crew = FirestoreJobStore(database), FirestoreCrewStore(database)
    budget = Budget(
        settings,
        spending=Spending(store, now=_now, monotonic=time.monotonic),
        now=_now,
    )
    admission = Admission(
        quotas=settings.quotas,
        backlog=Backlog(store, most=settings.backlog, monotonic=time.monotonic),
        budget=budget,
        moderators=(blocklist(),),
    )
    desk = BatchDesk(
        batches=FirestoreBatchStore(database),
        manifests=GcsManifestStore(objects, bucket=settings.artifact_bucket),
        store=store,
        publisher=PubSubPublisher(project=project),
        artifacts=GcsArtifactStore(objects, bucket=settings.artifact_bucket),
        offer=settings.offer,
        admission=admission,
        limits=settings.batch_limits,
        now=_now,
        monotonic=time.monotonic,
    )
    return Api(
        settings=settings,
        store=desk.store,
        publisher=desk.publisher,
        artifacts=desk.artifacts,
        desk=desk,
        queue=Queue(desk.store, crew=crew, budget=budget, monotonic=desk.monotonic),
        outlook=Outlook(
            desk.store, crew=crew, fleet=settings.fleet, budget=budget, now=desk.now, monotonic=desk.monotonic
        ),
        callers=Callers(
            settings=settings,
            certificates=Certificates(google_transport.Request(), monotonic=desk.monotonic),
            now=desk.now,
        ),
        admission=admission,
        gallery=Gallery(
            store=desk.store,
            artifacts=desk.artifacts,
            now=desk.now,
            monotonic=desk.monotonic,
            link_lifetime_s=settings.signed_url_lifetime_s,
        ),
        pace=Pace(settings.quota_opens_per_address, monotonic=desk.monotonic),
        own_themes=FirestoreThemeStore(database),
        now=desk.now,
    )


def _now() -> datetime:
    return datetime.now(UTC)


@functions_framework.http
def submit(request: Request) -> Response:
    """The API. What was recorded is sent when the answer is out: nobody waits for it."""
    answering = api()
    tracing.call_begins()
    try:
        response = answering.answer(request)
    except BaseException:
        tracing.call_ends()
        raise
    response.call_on_close(tracing.call_ends)
    return response


@functions_framework.http
def queue(request: Request) -> Response:
    """``GET /queue`` and nothing else: open inside of the network, to an autoscaler that can't mint Google's tokens."""
    return api().answer(request, routes=QUEUE_ALONE)


@functions_framework.cloud_event
def intake(event: CloudEvent) -> None:
    """A message on ``job-requests``. Returning acknowledges it; raising has it delivered again."""
    push = read_push(event.data, event_id=event["id"])
    with tracing.call():
        take_in(
            push.data,
            message_id=push.message_id,
            attributes=push.attributes,
            store=api().store,
            publisher=api().publisher,
            artifacts=api().artifacts,
            offer=api().settings.offer,
            admission=api().admission,
            now=api().now,
        )


@functions_framework.cloud_event
def expand(event: CloudEvent) -> None:
    """A message on ``batch-chunks``. Returning acknowledges it; raising has it delivered again."""
    with tracing.call():
        take_chunk(read_push(event.data, event_id=event["id"]).data, desk=api().desk)


@functions_framework.cloud_event
def schedule(event: CloudEvent) -> None:
    """A message on ``schedule``. Returning acknowledges it; raising has it delivered again."""
    push = read_push(event.data, event_id=event["id"])
    with tracing.call():
        accept_plan(push.data, published_at=push.published_at or api().now(), desk=api().desk)
