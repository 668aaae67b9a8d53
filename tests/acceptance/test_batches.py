"""Many wishes at once, through real processes: a list, a manifest in a bucket, a plan by a schedule's message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from google.auth.credentials import AnonymousCredentials

from local.stack import BUCKET, MANIFEST_BUCKET
from local.tokens import PROJECT, local_headers
from shared.google_storage import storage_client
from shared.messages import BATCH_CHUNKS, SCHEDULE, BatchChunk, encode
from shared.perspectives import perspectives
from tests.acceptance.conftest import Observer, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.cloud import storage

pytestmark = [pytest.mark.acceptance, pytest.mark.emulators, pytest.mark.render]

READ = {"placed", "failed", "canceled"}


def a_row(seed: int, **wishes: Any) -> dict[str, Any]:
    return {"perspective": "busy-bee", "size": "256x256", "seed": seed, **wishes}


def post_batch(observer: Observer, body: object, **headers: str) -> requests.Response:
    return requests.post(f"{observer.stack.api_url}/batches", json=body, headers=local_headers() | headers, timeout=30)


def bucket_client(observer: Observer) -> storage.Client:
    endpoint = observer.stack.env["STORAGE_EMULATOR_HOST"]
    return storage_client(PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint})


def upload(observer: Observer, name: str, rows: Sequence[object]) -> str:
    """Put a manifest where people put theirs; its address."""
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    bucket_client(observer).bucket(MANIFEST_BUCKET).blob(name).upload_from_string(text)
    return f"gs://{MANIFEST_BUCKET}/{name}"


def batch_in(observer: Observer, location: str, states: set[str]) -> dict[str, Any]:
    """The batch as the API shows it, once it is in one of these states."""

    def look() -> dict[str, Any] | None:
        batch: dict[str, Any] = observer.get(location).json()
        return batch if batch["state"] in states else None

    batch: dict[str, Any] = until(look, what=f"{location} is {' or '.join(sorted(states))}")
    return batch


def names(observer: Observer, folder: str) -> list[str]:
    """Of our own objects."""
    return [blob.name for blob in bucket_client(observer).list_blobs(BUCKET, prefix=folder)]


def jobs_of(observer: Observer, batch_id: str) -> list[dict[str, Any]]:
    return [each for each in observer.documents("jobs").values() if each["batch_id"] == batch_id]


def test_a_list_of_wishes_becomes_videos(observer: Observer) -> None:
    answer = post_batch(observer, {"requests": [a_row(seed) for seed in (901, 902, 903)], "priority": "interactive"})
    assert answer.status_code == 202
    location = answer.headers["Location"]
    assert answer.json()["links"]["self"] == location

    done = batch_in(observer, location, READ)
    assert (done["state"], done["total"], done["placed"], done["rejected"]) == ("placed", 3, 3, 0)
    counted = until(
        lambda: next((jobs for jobs in [observer.get(location).json()["jobs"]] if jobs["completed"] == 3), None),
        what="all three are completed",
    )
    assert counted == {"queued": 0, "in_progress": 0, "completed": 3, "failed": 0, "canceled": 0}
    assert all(job["video"] for job in jobs_of(observer, done["batch_id"]))
    rows = f"batches/{done['batch_id']}/"
    until(lambda: not names(observer, rows), what="the rows, which may hold private prompts, are deleted")


def test_a_manifest_is_read_from_its_bucket_and_bad_rows_are_named(observer: Observer) -> None:
    rows = [a_row(911), "{no json", a_row(912), a_row(-1), "", a_row(913)]
    answer = post_batch(observer, {"manifest": upload(observer, "rows.jsonl", rows)}, **{"Idempotency-Key": "m1"})
    assert answer.status_code == 202

    done = batch_in(observer, answer.headers["Location"], READ)

    assert (done["state"], done["placed"], done["rejected"], done["total"]) == ("placed", 3, 2, 5)
    assert [(fault["row"], fault["field"]) for fault in done["faults"]] == [(2, ""), (4, "seed")]
    jobs = jobs_of(observer, done["batch_id"])
    assert sorted(job["request"]["seed"] for job in jobs) == [911, 912, 913]
    assert {job["request"]["priority"] for job in jobs} == {"bulk"}
    # The same again, and its chunk delivered again, adds nothing.
    again = post_batch(observer, {"manifest": f"gs://{MANIFEST_BUCKET}/rows.jsonl"}, **{"Idempotency-Key": "m1"})
    assert again.json()["batch_id"] == done["batch_id"]
    chunk = BatchChunk(batch_id=done["batch_id"], cursor=0)
    observer.publish(BATCH_CHUNKS, encode(chunk))
    assert len(jobs_of(observer, done["batch_id"])) == 3


def test_an_atomic_manifest_with_a_bad_row_places_nothing(observer: Observer) -> None:
    uri = upload(observer, "atomic.jsonl", [a_row(921), a_row(922), a_row(923, theme="noon")])
    done = batch_in(observer, post_batch(observer, {"manifest": uri, "atomic": True}).headers["Location"], READ)
    assert (done["state"], done["placed"], done["error"]["code"]) == ("failed", 0, "invalid_request")
    assert [(fault["row"], fault["code"]) for fault in done["faults"]] == [(3, "unknown_theme")]
    assert jobs_of(observer, done["batch_id"]) == []


def test_what_can_not_be_granted_is_refused_at_the_door(observer: Observer) -> None:
    before = observer.documents("batches")
    atomic = post_batch(observer, {"requests": [a_row(1), a_row(-1)], "atomic": True})
    assert atomic.status_code == 422
    assert [(fault["row"], fault["field"]) for fault in atomic.json()["errors"]] == [(2, "seed")]
    foreign = post_batch(observer, {"manifest": "gs://somebody-elses/rows.jsonl"})
    assert [fault["code"] for fault in foreign.json()["errors"]] == ["bucket_not_allowed"]
    missing = post_batch(observer, {"manifest": f"gs://{MANIFEST_BUCKET}/missing.jsonl"})
    assert [fault["code"] for fault in missing.json()["errors"]] == ["no_such_object"]
    assert observer.documents("batches") == before


def test_a_plan_by_a_schedules_message_is_placed_and_can_be_canceled(observer: Observer) -> None:
    before = observer.documents("batches")

    for _ in range(2):  # Cloud Scheduler may publish a tick twice
        observer.publish(SCHEDULE, b'{"schema_version": 1, "plan": "fresh-takes", "every": "week"}')

    [batch_id] = until(lambda: set(observer.documents("batches")) - set(before), what="the scheduled batch")
    until(lambda: observer.documents("batches")[batch_id]["state"] == "placed", what="the scheduled batch is placed")
    jobs = jobs_of(observer, batch_id)
    assert len(jobs) == 3 * len(perspectives())
    assert {job["owner"] for job in jobs} == {"system:schedule"}
    assert set(observer.documents("batches")) == {*before, batch_id}
    assert observer.get(f"/batches/{batch_id}").status_code == 404, "it is not the caller's"
    for job in jobs:  # nobody else can cancel it, and the other tests shall not wait for it
        observer.database.document("jobs", job["job_id"]).update({"status": "canceled", "event_pending": False})


def test_a_canceled_batch_leaves_no_job_waiting(observer: Observer) -> None:
    rows = [a_row(10_000 + seed) for seed in range(300)]
    location = post_batch(observer, {"requests": rows}).headers["Location"]
    batch_in(observer, location, {"placing", "placed"})

    answer = requests.post(f"{observer.stack.api_url}{location}:cancel", headers=local_headers(), timeout=30)

    assert (answer.status_code, answer.json()["state"]) == (202, "canceling")
    done = batch_in(observer, location, {"canceled"})
    until(lambda: not waiting(observer, location), what="no job waits")
    assert observer.get(location).json()["jobs"]["canceled"] > 0
    assert done["batch_id"]


def waiting(observer: Observer, location: str) -> int:
    jobs = observer.get(location).json()["jobs"]
    return int(jobs["queued"] + jobs["in_progress"])
