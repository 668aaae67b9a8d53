"""What every job store keeps: the double in memory, and the Firestore adapter on Google's emulator."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast

import pytest
from google.api_core import exceptions as google
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from local.processes import free_port
from shared.documents import Job, JobError, Render, Stage, State, Status, Usage, Video
from shared.errors import Conflict, ErrorCode, Retryable
from shared.job_store import Create, Delete, JobStore, Replace, Stored
from shared.job_store.firestore import FirestoreJobStore
from shared.job_store.memory import InMemoryJobStore
from shared.jobs import SERVER_TIME, claim_render, complete_render, event_published, follow, publish, renew_render
from shared.requests import Priority
from shared.testing import a_job, a_render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: With microseconds, and not in UTC.
NOW = datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=timezone(timedelta(hours=2)))
#: For what takes milliseconds on an idle machine.
PATIENCE_S = 10.0
VIDEO = Video(
    path="renders/x/video.mp4",
    poster_path="renders/x/attempts/1-a/poster.jpg",
    receipt_path="renders/x/attempts/1-a/receipt.json",
    generation=1_587_627_537_231_057,
    width=64,
    height=64,
    frames=17,
    fps=16,
    duration_s=1.0625,
    size_bytes=12_345,
)
USAGE = Usage(load_s=0.0, render_s=12.5, encode_s=1 / 3, device="NVIDIA L4")


@pytest.fixture(params=["memory", pytest.param("firestore", marks=pytest.mark.emulators)])
def store(request: pytest.FixtureRequest) -> Iterator[JobStore]:
    """Every store in turn, empty."""
    if request.param == "memory":
        yield InMemoryJobStore()
        return
    client = firestore.Client(project=request.getfixturevalue("project"))
    yield FirestoreJobStore(client)
    client.close()


@pytest.fixture
def render() -> Render:
    return a_render(now=NOW)


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


# Reading and creating


def test_what_was_never_written_is_none(store: JobStore, render: Render) -> None:
    assert store.job("never-written") is None
    assert store.render(render.render_key) is None


def test_a_created_document_is_found_under_its_id(store: JobStore, render: Render) -> None:
    job = a_job(render, now=NOW)

    put(store, job, render)

    assert stored_job(store, job).value == job
    assert stored_render(store, render).value == render


def test_creating_what_exists_is_a_conflict_and_changes_nothing(store: JobStore, render: Render) -> None:
    put(store, render)

    with pytest.raises(Conflict):
        put(store, render.model_copy(update={"attempts": 2}))

    assert stored_render(store, render).value == render


def test_a_job_and_a_render_of_one_name_do_not_meet(store: JobStore, render: Render) -> None:
    job = a_job(render, job_id=render.render_key, now=NOW)

    put(store, render, job)

    assert stored_job(store, job).value == job


def test_a_document_with_every_field_filled_comes_back_equal(store: JobStore, render: Render) -> None:
    leased = claim_render(render, holder="worker-a", lease_s=60, now=NOW).model_copy(update={"renewed_at": NOW})
    done = complete_render(leased, video=VIDEO, usage=USAGE, now=NOW)
    failed_job = a_job(render, job_id="failed-job", now=NOW).model_copy(
        update={
            "status": Status.FAILED,
            "error": JobError(code=ErrorCode.RENDER_FAILED, message="Grün vor Neid: 🐈"),
            "stage": Stage.ENCODING,
            "event_pending": True,
        }
    )
    done_job = follow(a_job(render, now=NOW), done, now=NOW)

    put(store, done, done_job, failed_job)

    assert stored_render(store, done).value == done
    assert stored_job(store, done_job).value == done_job
    assert stored_job(store, failed_job).value == failed_job


def test_datetimes_come_back_aware_and_equal_to_the_microsecond(store: JobStore, render: Render) -> None:
    put(store, render)

    found = stored_render(store, render)

    assert found.value.created_at == NOW
    assert found.value.created_at.utcoffset() is not None
    assert found.read_at.utcoffset() is not None
    assert found.value.model_dump_json()  # as the API writes it


# Replacing


def test_a_document_is_replaced_when_it_is_as_it_was_read(store: JobStore, render: Render) -> None:
    put(store, render)

    store.commit(Replace(stored=stored_render(store, render), value=publish(render, now=NOW)))

    assert stored_render(store, render).value.published_at == NOW


def test_a_field_can_become_empty_again(store: JobStore, render: Render) -> None:
    put(store, publish(render, now=NOW))

    store.commit(Replace(stored=stored_render(store, render), value=render))

    assert stored_render(store, render).value == render


def test_a_nested_document_is_replaced_as_a_whole(store: JobStore, render: Render) -> None:
    done = complete_render(render, video=VIDEO, usage=USAGE, now=NOW)
    put(store, done)
    other = VIDEO.model_copy(update={"generation": 2})

    store.commit(Replace(stored=stored_render(store, done), value=done.model_copy(update={"video": other})))

    assert stored_render(store, done).value.video == other


def test_a_document_that_changed_since_it_was_read_is_not_replaced(store: JobStore, render: Render) -> None:
    put(store, render)
    stale = stored_render(store, render)
    store.commit(Replace(stored=stale, value=publish(render, now=NOW)))
    before = stored_render(store, render)

    with pytest.raises(Conflict):
        store.commit(Replace(stored=stale, value=render.model_copy(update={"attempts": 2})))

    assert stored_render(store, render).value == before.value
    assert stored_render(store, render).version == before.version


def test_a_document_that_is_not_there_is_not_replaced(store: JobStore, render: Render) -> None:
    put(store, render)
    found = stored_render(store, render)
    absent = a_render(now=NOW, seed=2)

    with pytest.raises(Conflict):
        store.commit(Replace(stored=Stored(value=absent, version=found.version, read_at=NOW), value=absent))

    assert store.render(absent.render_key) is None


def test_a_replacement_that_changes_nothing_is_judged_by_its_version_too(store: JobStore, render: Render) -> None:
    put(store, render)
    stale = stored_render(store, render)
    [same] = store.commit(Replace(stored=stale, value=render))
    assert same.value == render
    store.commit(Replace(stored=same, value=publish(render, now=NOW)))

    with pytest.raises(Conflict):
        store.commit(Replace(stored=stale, value=render))


def test_versions_stay_while_nothing_is_written_and_move_with_every_change(store: JobStore, render: Render) -> None:
    put(store, render)
    first, second = stored_render(store, render), stored_render(store, render)
    assert first.version == second.version

    [changed] = store.commit(Replace(stored=first, value=publish(render, now=NOW)))

    assert changed.version != first.version


def test_what_a_commit_returns_is_what_the_store_holds_in_the_order_of_the_writes(
    store: JobStore, render: Render
) -> None:
    job = a_job(render, now=NOW)

    first = store.commit(Create(value=job), Create(value=render))
    assert [each.value for each in first] == [job, render]

    leased = claim_render(render, holder="worker-a", lease_s=60, now=NOW)
    started = follow(job, leased, now=NOW)
    second = store.commit(Replace(stored=first[1], value=leased), Replace(stored=first[0], value=started))
    render_now, job_now = stored_render(store, render), stored_job(store, job)
    assert [each.value for each in second] == [render_now.value, job_now.value]
    assert [each.version for each in second] == [render_now.version, job_now.version]


def test_what_a_commit_returns_can_be_written_again_without_reading(store: JobStore, render: Render) -> None:
    [current] = store.commit(Create(value=render))
    current = cast("Stored[Render]", current)
    for token in range(1, 6):
        after = claim_render(current.value, holder="worker-a", lease_s=60, now=NOW)
        [written] = store.commit(Replace(stored=current, value=after))
        current = cast("Stored[Render]", written)
        assert current.value.token == token

    after = renew_render(current.value, stage=Stage.RENDERING, progress=40, now=NOW)
    store.commit(Replace(stored=current, value=after))

    assert stored_render(store, render).value.progress == 40


# Deleting


def test_a_document_that_is_as_it_was_read_is_deleted(store: JobStore, render: Render) -> None:
    job = a_job(render, now=NOW)
    put(store, render, job)

    store.commit(Delete(stored=stored_job(store, job)))

    assert store.job(job.job_id) is None
    assert store.waiting_jobs(render.render_key) == []
    assert stored_render(store, render).value == render


def test_a_document_that_changed_since_it_was_read_is_not_deleted(store: JobStore, render: Render) -> None:
    put(store, render)
    stale = stored_render(store, render)
    store.commit(Replace(stored=stale, value=publish(render, now=NOW)))

    with pytest.raises(Conflict):
        store.commit(Delete(stored=stale))

    assert stored_render(store, render).value.published_at == NOW


def test_deleting_what_is_gone_is_a_conflict(store: JobStore, render: Render) -> None:
    put(store, render)
    found = stored_render(store, render)
    store.commit(Delete(stored=found))

    with pytest.raises(Conflict):
        store.commit(Delete(stored=found))


def test_what_was_deleted_is_not_replaced(store: JobStore, render: Render) -> None:
    put(store, render)
    found = stored_render(store, render)
    store.commit(Delete(stored=found))

    with pytest.raises(Conflict):
        store.commit(Replace(stored=found, value=publish(render, now=NOW)))

    assert store.render(render.render_key) is None


def test_what_was_deleted_can_be_created_anew_and_old_versions_do_not_fit_it(store: JobStore, render: Render) -> None:
    put(store, render)
    old = stored_render(store, render)
    store.commit(Delete(stored=old))
    put(store, render)

    with pytest.raises(Conflict):
        store.commit(Delete(stored=old))
    with pytest.raises(Conflict):
        store.commit(Replace(stored=old, value=publish(render, now=NOW)))

    assert stored_render(store, render).value == render


def test_a_delete_goes_with_its_batch_or_not_at_all(store: JobStore, render: Render) -> None:
    job, other = a_job(render, now=NOW), a_job(render, job_id="other-job", now=NOW)
    put(store, render, job)
    stale = stored_render(store, render)
    store.commit(Replace(stored=stale, value=publish(render, now=NOW)))

    with pytest.raises(Conflict):
        store.commit(Delete(stored=stored_job(store, job)), Delete(stored=stale))
    assert stored_job(store, job).value == job

    gone, kept, made = store.commit(
        Delete(stored=stored_job(store, job)),
        Replace(stored=stored_render(store, render), value=render),
        Create(value=other),
    )
    assert (gone.value, kept.value, made.value) == (job, render, other)
    assert store.job(job.job_id) is None
    assert kept.version == stored_render(store, render).version
    assert made.version == stored_job(store, other).version


# Batches


def test_a_batch_with_one_stale_document_writes_nothing_at_all(store: JobStore, render: Render) -> None:
    job, other = a_job(render, now=NOW), a_job(render, job_id="other-job", now=NOW)
    put(store, render, job)
    zombies = stored_render(store, render)
    store.commit(Replace(stored=zombies, value=claim_render(render, holder="worker-b", lease_s=60, now=NOW)))
    leased = claim_render(render, holder="worker-a", lease_s=60, now=NOW)
    started = follow(job, leased, now=NOW)

    with pytest.raises(Conflict):
        store.commit(
            Replace(stored=stored_job(store, job), value=started),
            Create(value=other),
            Replace(stored=zombies, value=leased),
        )

    assert stored_job(store, job).value == job
    assert store.job("other-job") is None
    assert stored_render(store, render).value.holder == "worker-b"


def test_a_batch_with_one_document_that_exists_writes_nothing_at_all(store: JobStore, render: Render) -> None:
    put(store, render)

    with pytest.raises(Conflict):
        put(store, a_job(render, now=NOW), render)

    assert store.job("example-job") is None


def test_a_batch_of_two_hundred_jobs_and_their_render_goes_in_at_once(store: JobStore, render: Render) -> None:
    put(store, render, *(a_job(render, job_id=f"job-{number:05}", now=NOW) for number in range(200)))

    assert len(store.waiting_jobs(render.render_key)) == 200


# The store's clock


def test_the_store_writes_its_own_clock_where_server_time_stands(store: JobStore, render: Render) -> None:
    put(store, render)
    leased = claim_render(render, holder="worker-a", lease_s=60, now=NOW)
    assert leased.renewed_at == SERVER_TIME

    [written] = store.commit(Replace(stored=stored_render(store, render), value=leased))

    found = stored_render(store, render).value
    assert found.renewed_at
    assert abs(found.renewed_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert written.value == found
    assert found.updated_at == NOW


def test_what_is_left_of_a_lease_is_judged_by_the_stores_clock_at_the_moment_of_reading(
    store: JobStore, render: Render
) -> None:
    put(store, render)
    leased = claim_render(render, holder="worker-a", lease_s=0.3, now=NOW)
    [written] = store.commit(Replace(stored=stored_render(store, render), value=leased))
    assert cast("Stored[Render]", written).value.lease_left_s(written.read_at) == pytest.approx(0.3, abs=0.1)

    left_s: list[float] = []
    give_up_at = time.monotonic() + PATIENCE_S
    while not left_s or left_s[-1] > 0:
        assert time.monotonic() < give_up_at
        found = stored_render(store, render)
        left_s.append(found.value.lease_left_s(found.read_at))

    assert left_s == sorted(left_s, reverse=True)
    assert left_s[0] <= 0.3


def test_renewing_moves_the_stores_time_and_every_other_write_leaves_it(store: JobStore, render: Render) -> None:
    put(store, render)
    leased = claim_render(render, holder="worker-a", lease_s=60, now=NOW)
    store.commit(Replace(stored=stored_render(store, render), value=leased))
    first = stored_render(store, render)

    [written] = store.commit(Replace(stored=first, value=publish(first.value, now=NOW)))
    assert stored_render(store, render).value.renewed_at == first.value.renewed_at

    current = cast("Stored[Render]", written)
    store.commit(Replace(stored=current, value=renew_render(current.value, stage=Stage.LOADING, progress=1, now=NOW)))
    second = stored_render(store, render).value.renewed_at
    assert second
    assert first.value.renewed_at
    assert second > first.value.renewed_at


# Queries


@pytest.fixture
def jobs_in_every_status(store: JobStore, render: Render) -> None:
    """One job of the render in each status, and one of another render."""
    of_another = a_job(a_render(now=NOW, seed=2), job_id="of-another-render", now=NOW)
    jobs = [
        a_job(render, job_id=f"job-{status.value}", now=NOW).model_copy(update={"status": status}) for status in Status
    ]
    put(store, of_another, *jobs)


@pytest.mark.usefixtures("jobs_in_every_status")
def test_the_waiting_jobs_of_a_render_are_those_that_are_not_final(store: JobStore, render: Render) -> None:
    assert ids(store.waiting_jobs(render.render_key)) == {"job-queued", "job-in_progress"}


@pytest.mark.usefixtures("jobs_in_every_status")
def test_no_more_jobs_come_than_were_asked_for(store: JobStore, render: Render) -> None:
    assert len(store.waiting_jobs(render.render_key, limit=1)) == 1
    assert len(store.waiting_jobs(render.render_key, limit=9)) == 2


@pytest.mark.usefixtures("jobs_in_every_status")
def test_a_job_that_came_from_a_query_can_be_written_if_nobody_changed_it(store: JobStore, render: Render) -> None:
    found = next(job for job in store.waiting_jobs(render.render_key) if job.value.status is Status.QUEUED)
    canceled = found.value.model_copy(update={"status": Status.CANCELED})

    store.commit(Replace(stored=found, value=canceled))

    assert ids(store.waiting_jobs(render.render_key)) == {"job-in_progress"}
    with pytest.raises(Conflict):
        store.commit(Replace(stored=found, value=canceled.model_copy(update={"progress": 50})))


def test_jobs_with_a_pending_event_are_found_until_it_is_published(store: JobStore, render: Render) -> None:
    pending = [
        a_job(render, job_id=job_id, now=NOW).model_copy(update={"status": Status.FAILED, "event_pending": True})
        for job_id in ("pending-1", "pending-2")
    ]
    put(store, *pending, a_job(render, now=NOW))
    assert ids(store.jobs_with_pending_event(render.render_key)) == {"pending-1", "pending-2"}
    assert len(store.jobs_with_pending_event(render.render_key, limit=1)) == 1

    store.commit(Replace(stored=stored_job(store, pending[0]), value=event_published(pending[0])))

    assert ids(store.jobs_with_pending_event(render.render_key)) == {"pending-2"}


def render_of(seed: int, state: State, *, age_s: float, priority: Priority = Priority.INTERACTIVE) -> Render:
    changes = {"state": state, "priority": priority}
    return a_render(now=NOW - timedelta(seconds=age_s), seed=seed, changes=changes)


def test_ahead_in_the_queue_is_what_is_older_not_final_and_of_the_same_priority(store: JobStore) -> None:
    mine = render_of(1, State.IDLE, age_s=10)
    put(
        store,
        mine,
        render_of(2, State.IDLE, age_s=20),
        render_of(3, State.LEASED, age_s=10.000_001),
        render_of(4, State.COMPLETED, age_s=20),
        render_of(5, State.FAILED, age_s=20),
        render_of(6, State.IDLE, age_s=5),
        render_of(7, State.IDLE, age_s=20, priority=Priority.BULK),
        render_of(8, State.IDLE, age_s=10),
    )

    assert store.renders_ahead(mine) == 2


def test_to_do_is_what_waits_or_is_being_made_by_priority(store: JobStore) -> None:
    assert store.renders_to_do(Priority.INTERACTIVE) == 0
    put(
        store,
        render_of(1, State.IDLE, age_s=1),
        render_of(2, State.LEASED, age_s=1),
        render_of(3, State.COMPLETED, age_s=1),
        render_of(4, State.FAILED, age_s=1),
        render_of(5, State.IDLE, age_s=1, priority=Priority.BULK),
    )

    assert store.renders_to_do(Priority.INTERACTIVE) == 2
    assert store.renders_to_do(Priority.BULK) == 1


# What reconcile asks


def keys(renders: Sequence[Stored[Render]]) -> list[str]:
    return [each.value.render_key for each in renders]


def ids_in_order(jobs: Sequence[Stored[Job]]) -> list[str]:
    return [each.value.job_id for each in jobs]


MOMENT = timedelta(microseconds=1)


def test_renders_to_check_are_those_whose_time_has_come_the_longest_overdue_first(store: JobStore) -> None:
    due = [
        a_render(now=NOW, seed=seed, changes={"state": state, "check_at": NOW - since})
        for seed, (state, since) in enumerate(
            [
                (State.IDLE, timedelta(0)),
                (State.COMPLETED, timedelta(days=3)),
                (State.LEASED, timedelta(minutes=1)),
                (State.FAILED, MOMENT),
            ]
        )
    ]
    later = a_render(now=NOW, seed=10, changes={"check_at": NOW + MOMENT})
    settled = a_render(now=NOW, seed=11, changes={"check_at": None})
    put(store, *due, later, settled)
    in_order = [due[each].render_key for each in (1, 2, 3, 0)]

    assert keys(store.renders_to_check(now=NOW, limit=10)) == in_order
    assert keys(store.renders_to_check(now=NOW, limit=2)) == in_order[:2]
    assert keys(store.renders_to_check(now=NOW - timedelta(days=4), limit=10)) == []


def test_a_render_that_was_checked_is_not_due_again(store: JobStore, render: Render) -> None:
    put(store, render.model_copy(update={"check_at": NOW}))
    [due] = store.renders_to_check(now=NOW, limit=10)

    store.commit(Replace(stored=due, value=due.value.model_copy(update={"check_at": None})))

    assert store.renders_to_check(now=NOW, limit=10) == []
    with pytest.raises(Conflict):
        store.commit(Replace(stored=due, value=due.value))


def jobs_by(field: str, render: Render, **changes: object) -> list[Job]:
    """A job for each status, and two that waited longer and not long enough, by one of its times."""
    of_every_status = [
        a_job(render, job_id=f"{field}-{status.value}", now=NOW).model_copy(update={"status": status, field: NOW})
        for status in Status
    ]
    longer = a_job(render, job_id=f"{field}-longer", now=NOW).model_copy(update={field: NOW - timedelta(days=1)})
    shorter = a_job(render, job_id=f"{field}-shorter", now=NOW).model_copy(update={field: NOW + MOMENT})
    return [job.model_copy(update=changes) for job in (*of_every_status, longer, shorter)]


def test_jobs_left_waiting_are_not_final_and_unchanged_since_then_the_oldest_change_first(
    store: JobStore, render: Render
) -> None:
    put(store, *jobs_by("updated_at", render))

    found = ids_in_order(store.jobs_left_waiting(since=NOW, limit=10))

    assert found[0] == "updated_at-longer"
    assert set(found[1:]) == {"updated_at-queued", "updated_at-in_progress"}
    assert ids_in_order(store.jobs_left_waiting(since=NOW, limit=1)) == ["updated_at-longer"]
    assert ids_in_order(store.jobs_left_waiting(since=NOW - MOMENT, limit=10)) == ["updated_at-longer"]


def test_jobs_past_their_deadline_are_not_final_the_longest_overdue_first(store: JobStore, render: Render) -> None:
    put(store, *jobs_by("deadline_at", render))

    found = ids_in_order(store.jobs_past_deadline(now=NOW, limit=10))

    assert found[0] == "deadline_at-longer"
    assert set(found[1:]) == {"deadline_at-queued", "deadline_at-in_progress"}
    assert ids_in_order(store.jobs_past_deadline(now=NOW, limit=1)) == ["deadline_at-longer"]
    assert ids_in_order(store.jobs_past_deadline(now=NOW - MOMENT, limit=10)) == ["deadline_at-longer"]


def test_jobs_with_an_old_event_are_pending_and_unchanged_since_then_the_oldest_change_first(
    store: JobStore, render: Render
) -> None:
    other = a_render(now=NOW, seed=2)
    put(store, *jobs_by("updated_at", render, event_pending=True))
    put(store, a_job(other, job_id="told-job", now=NOW - timedelta(days=2)))

    found = ids_in_order(store.jobs_with_old_event(since=NOW, limit=10))

    assert found[0] == "updated_at-longer"
    assert set(found[1:]) == {f"updated_at-{status.value}" for status in Status}
    assert ids_in_order(store.jobs_with_old_event(since=NOW, limit=1)) == ["updated_at-longer"]
    assert ids_in_order(store.jobs_with_old_event(since=NOW - MOMENT, limit=10)) == ["updated_at-longer"]


@pytest.mark.parametrize("status", Status)
def test_a_render_has_jobs_whatever_became_of_them_besides_the_one_that_is_named(
    store: JobStore, render: Render, status: Status
) -> None:
    put(store, a_job(a_render(now=NOW, seed=2), job_id="of-another-render", now=NOW))
    assert not store.has_jobs(render.render_key, besides="my-only-job")

    put(store, a_job(render, job_id="my-only-job", now=NOW))
    assert not store.has_jobs(render.render_key, besides="my-only-job")
    assert store.has_jobs(render.render_key, besides="of-another-render")

    put(store, a_job(render, job_id="another-job", now=NOW).model_copy(update={"status": status}))
    assert store.has_jobs(render.render_key, besides="my-only-job")
    assert store.has_jobs(render.render_key, besides="another-job")


# Races


def test_of_eight_who_replace_the_same_version_exactly_one_wins_each_round(store: JobStore, render: Render) -> None:
    put(store, render)
    barrier = threading.Barrier(8)

    def claims(number: int) -> list[int]:
        won = []
        for round_number in range(8):
            barrier.wait(PATIENCE_S)
            found = stored_render(store, render)
            barrier.wait(PATIENCE_S)
            try:
                leased = claim_render(found.value, holder=f"worker-{number}", lease_s=60, now=NOW)
                store.commit(Replace(stored=found, value=leased))
                won.append(round_number)
            except Conflict:
                pass
        return won

    with ThreadPoolExecutor(8) as pool:
        won = [round_number for rounds in pool.map(claims, range(8)) for round_number in rounds]

    assert sorted(won) == list(range(8))
    assert stored_render(store, render).value.token == 8


def test_of_eight_who_create_the_same_document_exactly_one_wins(store: JobStore, render: Render) -> None:
    barrier = threading.Barrier(8)

    def creates(number: int) -> bool:
        mine = render.model_copy(update={"holder": f"worker-{number}"})
        barrier.wait(PATIENCE_S)
        try:
            put(store, mine)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(creates, range(8)))

    assert won.count(True) == 1
    assert stored_render(store, render).value.holder == f"worker-{won.index(True)}"


# Away


def test_a_firestore_that_can_not_be_reached_is_retryable_within_the_given_time(
    monkeypatch: pytest.MonkeyPatch, render: Render
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    client = firestore.Client(project="nowhere")
    store = FirestoreJobStore(client, timeout_s=0.3)
    begun = time.monotonic()

    with pytest.raises(Retryable):
        store.job("example-job")
    with pytest.raises(Retryable):
        store.waiting_jobs(render.render_key)
    with pytest.raises(Retryable):
        store.renders_to_do(Priority.BULK)
    with pytest.raises(Retryable):
        put(store, render)

    assert time.monotonic() - begun < PATIENCE_S
    client.close()


def vendor_errors(root: type[google.GoogleAPICallError]) -> set[type[google.GoogleAPICallError]]:
    """It and all below it."""
    return {root}.union(*map(vendor_errors, root.__subclasses__()))


#: All that say that another wrote first. `Aborted` is none: the database gave up on its own locks.
CONFLICTS = {google.FailedPrecondition, google.AlreadyExists, google.NotFound}


VENDOR_ERRORS = sorted(vendor_errors(google.GoogleAPICallError), key=lambda each: each.__name__)


@pytest.mark.parametrize("error", VENDOR_ERRORS, ids=[each.__name__ for each in VENDOR_ERRORS])
def test_every_error_of_the_vendor_says_either_that_another_was_first_or_that_nobody_answers(
    error: type[google.GoogleAPICallError], render: Render
) -> None:
    class Failing(firestore.Client):  # type: ignore[misc]
        def batch(self) -> Any:
            return self

        def create(self, *_: Any) -> None:
            pass

        def commit(self, **_: Any) -> None:
            raise error("in the vendor's words")

    store = FirestoreJobStore(Failing(project="nowhere", credentials=AnonymousCredentials()))
    with pytest.raises(Retryable) as caught:
        store.commit(Create(value=render))
    assert type(caught.value) is (Conflict if error in CONFLICTS else Retryable)
    assert isinstance(caught.value.__cause__, error)
