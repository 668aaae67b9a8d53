"""Slots: an owner never has more active jobs than its quota, however many of its wishes come at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from placing import JobExistsError, attach, place
from quotas import Quota

from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import WAITING, Job, Slot
from shared.errors import Conflict, ErrorCode, Rejected, Retryable
from shared.job_store import Create, JobStore, Replace, Stored
from shared.jobs import cancel_job
from shared.publisher.memory import InMemoryPublisher
from shared.slots import SLOT_RETENTION, taken
from shared.testing import a_job, a_render
from tests.contract.job_store_world import NOW, PATIENCE_S, STORES, each_store, put, stored_job

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNERS = ("ada", "system:grace/../hopper")
QUOTA = 5
THREADS = 50
#: Of a client that is answered 503.
TRIES = 10


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[JobStore]:
    """Every store in turn, empty."""
    yield from each_store(request)


def a_slot(number: int, *, owner: str = "ada", job_id: str = "job-00001") -> Slot:
    return taken(None, owner=owner, number=number, job_id=job_id, gpu_s=1.5, now=NOW, kept=SLOT_RETENTION)


def test_an_owner_has_its_own_slots_by_number_and_nobody_elses(store: JobStore) -> None:
    store.commit(*(Create(value=a_slot(number)) for number in (10, 2, 0)), Create(value=a_slot(1, owner=OWNERS[1])))

    assert [each.value for each in store.slots("ada", at_most=11)] == [a_slot(0), a_slot(2), a_slot(10)]
    assert [each.value.number for each in store.slots("ada", at_most=10)] == [0, 2]
    assert [each.value.owner for each in store.slots(OWNERS[1], at_most=10)] == [OWNERS[1]]
    assert list(store.slots("nobody", at_most=10)) == []


def test_a_slot_that_was_taken_refuses_the_whole_batch(store: JobStore) -> None:
    [before] = cast("list[Stored[Slot]]", store.commit(Create(value=a_slot(0))))
    render = a_render(now=NOW)
    store.commit(Replace(stored=before, value=a_slot(0, job_id="job-00002")))

    for write in (Create(value=a_slot(0)), Replace(stored=before, value=a_slot(0, job_id="job-00003"))):
        with pytest.raises(Conflict):
            store.commit(Create(value=a_job(render, now=NOW)), write)

    assert store.job("example-job") is None
    assert [each.value.job_id for each in store.slots("ada", at_most=1)] == ["job-00002"]


def test_jobs_are_read_at_once_and_what_is_not_there_is_left_out(store: JobStore) -> None:
    render = a_render(now=NOW)
    put(store, *(a_job(render, job_id=f"job-0000{number}", now=NOW) for number in range(3)))

    found = store.jobs(["job-00002", "job-00000", "job-00009"])

    assert {job_id: each.value.job_id for job_id, each in found.items()} == {
        "job-00000": "job-00000",
        "job-00002": "job-00002",
    }
    assert store.jobs([]) == {}


def test_waiting_jobs_of_an_owner_are_counted_up_to_a_number(store: JobStore) -> None:
    render = a_render(now=NOW)
    jobs = [a_job(render, job_id=f"job-0000{number}", now=NOW, owner="ada") for number in range(4)]
    put(store, *jobs[:3], cancel_job(jobs[3], now=NOW), a_job(render, job_id="job-00009", now=NOW, owner="grace"))

    assert store.count_waiting_jobs("ada", at_most=10) == 3
    assert store.count_waiting_jobs("ada", at_most=2) == 2
    assert store.count_waiting_jobs("nobody", at_most=2) == 0


def test_fifty_who_wish_at_once_for_two_owners_get_exactly_the_quota_each(store: JobStore) -> None:
    publisher, artifacts = InMemoryPublisher(), InMemoryArtifactStore()

    def hammer(round_number: int) -> list[tuple[str, Job | Rejected]]:
        barrier = threading.Barrier(THREADS)

        def wish(number: int) -> tuple[str, Job | Rejected]:
            owner = OWNERS[number % 2]
            render = a_render(now=NOW, seed=number)
            job = a_job(render, job_id=f"job-{round_number}-{number:05}", now=NOW, owner=owner)
            quota = Quota(owner=owner, jobs=QUOTA, gpu_s=60)
            services: dict[str, Any] = {"store": store, "publisher": publisher, "artifacts": artifacts}
            barrier.wait(PATIENCE_S)
            for _ in range(TRIES):
                try:
                    return owner, place(job, render.spec, **services, now=lambda: NOW, quota=quota)
                except Rejected as exc:
                    return owner, exc
                except JobExistsError:  # as `submit_job` does: the answer to the first try was lost
                    return owner, attach(stored_job(store, job).value, render.spec, **services, now=lambda: NOW)
                except Retryable:  # a database that gave up on its own locks: the API answers 503
                    continue
            raise AssertionError("503 for ever")

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(wish, range(THREADS)))

    for round_number in range(2):
        answers = hammer(round_number)
        accepted = [(owner, each) for owner, each in answers if isinstance(each, Job)]
        refused = [each for _, each in answers if isinstance(each, Rejected)]

        assert sorted(owner for owner, _ in accepted) == sorted(OWNERS * QUOTA)
        assert {each.code for each in refused} == {ErrorCode.QUOTA_EXCEEDED}
        for owner in OWNERS:
            slots = store.slots(owner, at_most=QUOTA)
            holders = store.jobs([each.value.job_id or "" for each in slots])
            assert {each.value.job_id for each in slots} == {job.job_id for of, job in accepted if of == owner}
            assert {each.value.status in WAITING for each in holders.values()} == {True}
            assert store.count_waiting_jobs(owner, at_most=1000) == QUOTA, "and no job without a slot"
        for _, job in accepted:  # so that the second round takes slots over
            stored = stored_job(store, job)
            store.commit(Replace(stored=stored, value=cancel_job(stored.value, now=NOW + timedelta(seconds=1))))
