"""The job stores, and what the tests of all of them begin with."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from google.cloud import firestore

from shared.job_store import Create, JobStore, Stored
from shared.job_store.firestore import FirestoreJobStore
from shared.job_store.memory import InMemoryJobStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shared.documents import Job, Render

#: With microseconds, and not in UTC.
NOW = datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=timezone(timedelta(hours=2)))
#: For what takes milliseconds on an idle machine.
PATIENCE_S = 10.0
STORES = ["memory", pytest.param("firestore", marks=pytest.mark.emulators)]


def each_store(request: pytest.FixtureRequest) -> Iterator[JobStore]:
    """The store that the parameter of a fixture names, empty."""
    if request.param == "memory":
        yield InMemoryJobStore()
        return
    client = firestore.Client(project=request.getfixturevalue("project"))
    yield FirestoreJobStore(client)
    client.close()


def put(store: JobStore, *documents: Job | Render) -> None:
    store.commit(*(Create(value=document) for document in documents))


def stored_render(store: JobStore, render: Render) -> Stored[Render]:
    found = store.render(render.render_key)
    assert found
    return found


def stored_job(store: JobStore, job: Job) -> Stored[Job]:
    found = store.job(job.job_id)
    assert found
    return found


def ids(jobs: Sequence[Stored[Job]]) -> set[str]:
    return {job.value.job_id for job in jobs}
