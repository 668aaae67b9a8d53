"""What every batch store keeps, and every job store about the jobs of a batch: in memory, and on Google's emulator."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from local.processes import free_port
from shared.batch_store.firestore import FirestoreBatchStore
from shared.batch_store.memory import InMemoryBatchStore
from shared.batches import Batch, BatchState, Cursor, Manifest, RowFault, canceled, failed, new_batch, placed
from shared.documents import JobError, Status
from shared.errors import Conflict, ErrorCode, Retryable
from shared.job_store import Create, JobStore
from shared.job_store.firestore import FirestoreJobStore
from shared.job_store.memory import InMemoryJobStore
from shared.requests import Priority
from shared.testing import TRACEPARENT, a_job, a_render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.batch_store import BatchStore

#: With microseconds, and not in UTC.
NOW = datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=timezone(timedelta(hours=2)))
MANIFEST = Manifest(bucket="wishes", name="a/ä.jsonl", generation=1_587_627_537_231_057, size_bytes=2**40)


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Both over one database."""

    batches: BatchStore
    jobs: JobStore


@pytest.fixture(params=["memory", pytest.param("firestore", marks=pytest.mark.emulators)])
def stores(request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Each kind in turn, empty."""
    if request.param == "memory":
        yield Stores(batches=InMemoryBatchStore(), jobs=InMemoryJobStore())
        return
    client = firestore.Client(project=request.getfixturevalue("project"))
    yield Stores(batches=FirestoreBatchStore(client), jobs=FirestoreJobStore(client))
    client.close()


@pytest.fixture
def store(stores: Stores) -> BatchStore:
    return stores.batches


def a_batch(batch_id: str = "some-batch", *, now: datetime = NOW) -> Batch:
    return new_batch(
        batch_id=batch_id,
        owner="ada",
        source="manifest",
        plan=None,
        manifest=MANIFEST,
        atomic=False,
        priority=Priority.BULK,
        fingerprint="0" * 64,
        now=now,
        traceparent=TRACEPARENT,
    )


def test_a_batch_that_was_never_written_is_none(store: BatchStore) -> None:
    assert store.batch("never-written") is None


def test_a_created_batch_is_found(store: BatchStore) -> None:
    created = store.create(a_batch())
    found = store.batch("some-batch")
    assert found
    assert found.value == a_batch()
    assert store.replace(created, canceled(a_batch(), now=NOW))


def test_creating_a_batch_that_exists_is_a_conflict_and_changes_nothing(store: BatchStore) -> None:
    store.create(a_batch())
    with pytest.raises(Conflict):
        store.create(canceled(a_batch(), now=NOW))
    found = store.batch("some-batch")
    assert found
    assert found.value.state is BatchState.ACCEPTED


def test_a_batch_with_every_field_filled_comes_back_equal(store: BatchStore) -> None:
    fault = RowFault(row=7, field="seed", code="missing", message="Grün vor Neid: 🐈")
    cursor = Cursor(row=12, offset=2**40)
    batch = placed(a_batch(), cursor=cursor, jobs=11, faults=[fault, fault], now=NOW)
    error = JobError(code=ErrorCode.MANIFEST_GONE, message="gone")
    ended = failed(batch, error=error, now=NOW).model_copy(update={"plan": "fresh-takes", "total": 12})
    stored = store.create(a_batch())
    again = store.replace(store.replace(stored, batch), ended)
    found = store.batch("some-batch")
    assert found
    assert (found.value, again.value) == (ended, ended)


def test_replacing_what_was_read_succeeds_once(store: BatchStore) -> None:
    stale = store.create(a_batch())
    store.replace(stale, canceled(stale.value, now=NOW))
    with pytest.raises(Conflict):
        store.replace(stale, placed(stale.value, cursor=Cursor(), jobs=1, faults=(), now=NOW))
    found = store.batch("some-batch")
    assert found
    assert found.value.state is BatchState.CANCELING


def test_a_version_that_was_read_is_as_good_as_one_that_was_written(store: BatchStore) -> None:
    store.create(a_batch())
    found = store.batch("some-batch")
    assert found
    assert store.replace(found, canceled(found.value, now=NOW)).value.state is BatchState.CANCELING


def test_replacing_by_the_same_is_still_judged(store: BatchStore) -> None:
    stale = store.create(a_batch())
    store.replace(stale, canceled(stale.value, now=NOW))
    with pytest.raises(Conflict):
        store.replace(stale, stale.value)


def test_replacing_what_does_not_exist_is_a_conflict(store: BatchStore) -> None:
    stored = store.create(a_batch())
    with pytest.raises(Conflict):
        store.replace(stored, a_batch("another-batch"))


def test_of_many_who_replace_at_once_one_succeeds(store: BatchStore) -> None:
    stored = store.create(a_batch())

    def take(thread: int) -> bool:
        try:
            store.replace(stored, placed(stored.value, cursor=Cursor(row=thread), jobs=1, faults=(), now=NOW))
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(take, range(8))) == 1


def test_due_are_those_whose_time_has_come_the_longest_waiting_first(store: BatchStore) -> None:
    hour = timedelta(hours=1)
    for number in (3, 1, 2):
        store.create(a_batch(f"batch-{number:04}", now=NOW + number * hour))
    store.create(a_batch("final-batch").model_copy(update={"check_at": None}))
    assert [each.value.batch_id for each in store.due(NOW + 2.5 * hour, limit=10)] == ["batch-0001", "batch-0002"]
    assert [each.value.batch_id for each in store.due(NOW + 9 * hour, limit=1)] == ["batch-0001"]
    assert list(store.due(NOW, limit=10)) == []


# Jobs of a batch


def put_jobs(store: JobStore, *statuses: Status, batch_id: str | None) -> None:
    render = a_render(now=NOW)
    for number, status in enumerate(statuses):
        job = a_job(render, job_id=f"{batch_id}-job-{number:04}", now=NOW)
        store.commit(Create(value=job.model_copy(update={"status": status, "batch_id": batch_id})))


def test_jobs_of_a_batch_are_counted_by_status(stores: Stores) -> None:
    put_jobs(stores.jobs, Status.QUEUED, Status.QUEUED, Status.FAILED, batch_id="some-batch")
    put_jobs(stores.jobs, Status.QUEUED, batch_id="other-batch")
    put_jobs(stores.jobs, Status.QUEUED, batch_id=None)
    assert stores.jobs.count_jobs_of_batch("some-batch") == {
        Status.QUEUED: 2,
        Status.IN_PROGRESS: 0,
        Status.COMPLETED: 0,
        Status.FAILED: 1,
        Status.CANCELED: 0,
    }


def test_waiting_jobs_of_a_batch_are_those_that_are_not_final(stores: Stores) -> None:
    put_jobs(stores.jobs, *Status, batch_id="some-batch")
    put_jobs(stores.jobs, *Status, batch_id="other-batch")
    waiting = stores.jobs.waiting_jobs_of_batch("some-batch", limit=10)
    assert {(each.value.batch_id, each.value.status) for each in waiting} == {
        ("some-batch", Status.QUEUED),
        ("some-batch", Status.IN_PROGRESS),
    }
    assert len(stores.jobs.waiting_jobs_of_batch("some-batch", limit=1)) == 1


def test_renders_are_read_at_once_and_those_that_are_missing_are_left_out(stores: Stores) -> None:
    renders = {each.render_key: each for each in (a_render(now=NOW, seed=seed) for seed in range(30))}
    stores.jobs.commit(*(Create(value=render) for render in renders.values()))
    missing = a_render(now=NOW, seed=99).render_key
    found = stores.jobs.renders([*renders, missing])
    assert {key: each.value for key, each in found.items()} == renders
    assert stores.jobs.renders([]) == {}


@pytest.mark.emulators
def test_a_store_that_does_not_answer_is_retryable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    client = firestore.Client(project="nobody-there", credentials=AnonymousCredentials())
    store = FirestoreBatchStore(client, timeout_s=0.5)
    with pytest.raises(Retryable):
        store.batch("some-batch")
    with pytest.raises(Retryable):
        store.create(a_batch())
    client.close()
