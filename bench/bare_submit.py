"""A Cloud Function that does of ``POST /jobs`` the calls to Google's services alone: no check, no key, no second try.

Reads the slots of a caller and the render, writes job, render and slot in one batch, publishes, and marks the render as
published. What it writes are copies of the documents of a wish that the real function took, so that they cost the
database as much. `bench.submit` compares with it.
"""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from functools import cache
from typing import Any

import functions_framework
from flask import Request, Response
from google.cloud import firestore, pubsub_v1
from google.cloud.firestore_v1.base_query import FieldFilter

#: Names of the environment: the paths of the documents that are copied.
SAMPLES = {name: f"BARE_{name.upper()}" for name in ("job", "render", "slot")}


@cache
def clients() -> tuple[firestore.Client, pubsub_v1.PublisherClient]:
    """Google's, at the first call."""
    return (
        firestore.Client(),
        pubsub_v1.PublisherClient(batch_settings=pubsub_v1.types.BatchSettings(max_messages=1)),
    )


@cache
def samples() -> dict[str, dict[str, Any]]:
    """The documents that are copied, at the first call."""
    database, _ = clients()
    return {name: database.document(os.environ[variable]).get().to_dict() for name, variable in SAMPLES.items()}


@functions_framework.http
def bare(request: Request) -> Response:
    """202, with the id of the job."""
    (database, publisher), copies = clients(), samples()
    request.get_json()
    job_id, key, owner = secrets.token_hex(16), secrets.token_hex(20), secrets.token_hex(16)
    slots = database.collection(f"bare-owners/{owner}/slots")
    list(slots.where(filter=FieldFilter("number", "<", 1000)).order_by("number").stream())
    render = database.document("bare-renders", key)
    render.get()
    batch = database.batch()
    batch.create(database.document("bare-jobs", job_id), copies["job"] | {"job_id": job_id, "render_key": key})
    batch.create(render, copies["render"] | {"render_key": key})
    batch.create(slots.document("1"), copies["slot"] | {"owner": owner, "job_id": job_id})
    [_, placed, _] = batch.commit()
    topic = publisher.topic_path(database.project, "render-requests")
    publisher.publish(topic, f'{{"render_key": "{key}"}}'.encode(), traceparent="00-0-0-00").result()
    published = {"published_at": firestore.SERVER_TIMESTAMP, "check_at": datetime.now(UTC)}
    render.update(published, option=database.write_option(last_update_time=placed.update_time))
    return Response(f'{{"job_id": "{job_id}"}}', status=202, mimetype="application/json")
