"""What an operator asks of every job store: who holds what, what changed last, and how much of it there is."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from shared.documents import Job, Render, State, Status
from shared.testing import a_job, a_render
from tests.contract.job_store_world import NOW, STORES, each_store, put

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.job_store import JobStore

HOUR = timedelta(hours=1)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[JobStore]:
    yield from each_store(request)


def job_of(render: Render, job_id: str, status: Status, changed_at: datetime) -> Job:
    return a_job(render, job_id=job_id, now=NOW).model_copy(update={"status": status, "updated_at": changed_at})


def test_leased_renders_are_those_of_workers_dead_ones_too(store: JobStore) -> None:
    leased = [a_render(now=NOW, seed=seed, changes={"state": State.LEASED}) for seed in (1, 2, 3)]
    put(store, *leased)
    put(store, a_render(now=NOW, seed=9))
    keys = sorted(each.render_key for each in leased)

    assert [each.value.render_key for each in store.leased_renders(limit=9)] == keys
    assert [each.value.render_key for each in store.leased_renders(limit=2)] == keys[:2]


def test_the_latest_jobs_of_a_status_come_the_last_changed_first(store: JobStore) -> None:
    render = a_render(now=NOW)
    put(store, *[job_of(render, f"failed-{hour}", Status.FAILED, NOW + hour * HOUR) for hour in (2, 1, 3)])
    put(store, job_of(render, "queued-9", Status.QUEUED, NOW + 9 * HOUR))

    assert [each.value.job_id for each in store.latest_jobs(Status.FAILED, limit=2)] == ["failed-3", "failed-2"]
    assert store.latest_jobs(Status.CANCELED, limit=2) == []


def test_jobs_of_a_status_are_counted_that_changed_lately_up_to_a_number(store: JobStore) -> None:
    render = a_render(now=NOW)
    put(store, *[job_of(render, f"failed-{hour}", Status.FAILED, NOW + hour * HOUR) for hour in (1, 2, 3, 4)])

    assert store.count_jobs(Status.FAILED, since=NOW + 2 * HOUR, at_most=9) == 3
    assert store.count_jobs(Status.FAILED, since=NOW, at_most=2) == 2
    assert store.count_jobs(Status.QUEUED, since=NOW, at_most=9) == 0
