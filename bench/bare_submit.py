"""A Cloud Function that does of ``POST /jobs`` the calls to Google's services alone: no check, no key, no second try.

Reads the slots of a caller and the render, writes job, render and slot in one batch, publishes, and marks the render as
published. `bench.submit` compares with it.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import cache

import functions_framework
from flask import Request, Response
from google.cloud import firestore, pubsub_v1
from google.cloud.firestore_v1.base_query import FieldFilter

#: As many fields and bytes as the real documents have.
FILLING = {f"field_{number}": "twenty-four characters.." for number in range(25)}


@cache
def clients() -> tuple[firestore.Client, pubsub_v1.PublisherClient]:
    """Google's, at the first call."""
    return (
        firestore.Client(),
        pubsub_v1.PublisherClient(batch_settings=pubsub_v1.types.BatchSettings(max_messages=1)),
    )


@functions_framework.http
def bare(request: Request) -> Response:
    """202, with the id of the job."""
    database, publisher = clients()
    wish = request.get_json()
    job_id, key, owner = secrets.token_hex(16), secrets.token_hex(20), secrets.token_hex(16)
    document = FILLING | {"wish": wish, "created_at": datetime.now(UTC)}
    slots = database.collection(f"bare-owners/{owner}/slots")
    list(slots.where(filter=FieldFilter("number", "<", 1000)).order_by("number").stream())
    render = database.document("bare-renders", key)
    render.get()
    batch = database.batch()
    batch.create(database.document("bare-jobs", job_id), document)
    batch.create(render, document)
    batch.create(slots.document("1"), {"number": 1, "job_id": job_id})
    [_, placed, _] = batch.commit()
    topic = publisher.topic_path(database.project, "render-requests")
    publisher.publish(topic, f'{{"render_key": "{key}"}}'.encode(), traceparent="00-0-0-00").result()
    published = {"published_at": firestore.SERVER_TIMESTAMP, "check_at": datetime.now(UTC)}
    render.update(published, option=database.write_option(last_update_time=placed.update_time))
    return Response(f'{{"job_id": "{job_id}"}}', status=202, mimetype="application/json")
