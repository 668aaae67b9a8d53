"""Documents that this release can't read, as one that was taken back may have left them: no repair is kept by them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from google.cloud import firestore
from pydantic import ValidationError

from shared.batch_store.firestore import BATCHES, FirestoreBatchStore
from shared.crew import Orders
from shared.crew_store.firestore import ORDERS, FirestoreCrewStore
from shared.errors import Retryable
from shared.job_store.firestore import JOBS, RENDERS, FirestoreJobStore
from shared.requests import Priority
from shared.testing import a_job, a_render
from tests.contract.job_store_world import NOW, put
from tests.contract.test_batch_store import a_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shared.documents import Job, Render
    from shared.job_store import Stored

pytestmark = pytest.mark.emulators
THE_PAST = NOW - timedelta(days=1)


@pytest.fixture
def database(project: str) -> Iterator[firestore.Client]:
    client = firestore.Client(project=project)
    yield client
    client.close()


@pytest.fixture
def store(database: firestore.Client) -> FirestoreJobStore:
    return FirestoreJobStore(database)


def spoil(database: firestore.Client, collection: str, *names: str) -> None:
    """A later release adds a field."""
    for name in names:
        database.document(collection, name).update({"colour": "blue"})


QUERIES: dict[str, Callable[[FirestoreJobStore, int], Sequence[Stored[Job | Render]]]] = {
    "jobs_past_deadline": lambda store, limit: store.jobs_past_deadline(now=NOW, limit=limit),
    "jobs_left_waiting": lambda store, limit: store.jobs_left_waiting(since=NOW, limit=limit),
    "jobs_with_old_event": lambda store, limit: store.jobs_with_old_event(since=NOW, limit=limit),
    "renders_to_check": lambda store, limit: store.renders_to_check(Priority.INTERACTIVE, now=NOW, limit=limit),
}


@pytest.mark.parametrize("query", QUERIES)
def test_what_can_not_be_read_is_told_by_its_name_and_what_is_due_after_it_is_found(
    database: firestore.Client, store: FirestoreJobStore, query: str, caplog: pytest.LogCaptureFixture
) -> None:
    names = []
    for number in range(5):
        due = THE_PAST + timedelta(minutes=number)
        render = a_render(now=NOW, seed=number, changes={"check_at": due})
        changes = {"deadline_at": due, "updated_at": due, "event_pending": True}
        job = a_job(render, job_id=f"job-{number:04}", now=NOW).model_copy(update=changes)
        put(store, render, job)
        names.append(render.render_key if query == "renders_to_check" else job.job_id)
    collection = RENDERS if query == "renders_to_check" else JOBS
    spoil(database, collection, *names[:3])

    with caplog.at_level(logging.ERROR):
        found = [getattr(each.value, "job_id", each.value.render_key) for each in QUERIES[query](store, 2)]

    assert found == names[3:]
    [line] = caplog.records
    assert line.__dict__["documents"] == [f"{collection}/{name}" for name in names[:3]]
    with pytest.raises(ValidationError):
        (store.render if collection == RENDERS else store.job)(names[0])


def test_a_batch_that_can_not_be_read_does_not_hide_those_that_are_due_after_it(
    database: firestore.Client, caplog: pytest.LogCaptureFixture
) -> None:
    store = FirestoreBatchStore(database)
    for number in range(3):
        store.create(a_batch(f"batch-{number:04}", now=THE_PAST + timedelta(minutes=number)))
    spoil(database, BATCHES, "batch-0000", "batch-0001")

    with caplog.at_level(logging.ERROR):
        found = [each.value.batch_id for each in store.due(NOW, limit=1)]

    assert found == ["batch-0002"]
    [line] = caplog.records
    assert line.__dict__["documents"] == ["batches/batch-0000", "batches/batch-0001"]
    with pytest.raises(ValidationError):
        store.batch("batch-0000")


def test_orders_that_can_not_be_read_are_told_by_their_name_and_are_no_answer(
    database: firestore.Client, caplog: pytest.LogCaptureFixture
) -> None:
    """Workers work while there is none, and one that raised anything else would end."""
    store = FirestoreCrewStore(database)
    store.create_orders(Orders(is_draining=True, reason="a new model", changed_at=NOW))
    spoil(database, *ORDERS)

    with pytest.raises(Retryable, match="control/workers can't be read"):
        store.orders()

    [line] = caplog.records
    assert (line.levelname, line.__dict__["documents"]) == ("ERROR", ["control/workers"])


def test_a_reading_that_finds_nothing_but_what_it_can_not_read_comes_to_an_end(
    database: firestore.Client, store: FirestoreJobStore, caplog: pytest.LogCaptureFixture
) -> None:
    renders = [a_render(now=NOW, seed=seed, changes={"check_at": THE_PAST}) for seed in range(30)]
    put(store, *renders)
    spoil(database, RENDERS, *(render.render_key for render in renders))

    assert store.renders_to_check(Priority.INTERACTIVE, now=NOW, limit=2) == []

    [line] = caplog.records
    assert (line.__dict__["number"], len(line.__dict__["documents"])) == (20, 20)
