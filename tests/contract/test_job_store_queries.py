"""What every job store finds when it is asked for more than one document."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.documents import Job, Render, State, Status
from shared.errors import Conflict
from shared.job_store import JobStore, Place, Replace, Stored, place_of
from shared.jobs import event_published, publish, retire, share, unshare
from shared.requests import Priority
from shared.testing import a_job, a_render
from tests.contract.job_store_world import NOW, STORES, each_store, ids, put, stored_job

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[JobStore]:
    """Every store in turn, empty."""
    yield from each_store(request)


@pytest.fixture
def render() -> Render:
    return a_render(now=NOW)


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
def test_those_who_wait_for_a_render_are_counted(store: JobStore, render: Render) -> None:
    assert store.count_jobs_waiting_for(render.render_key) == 2
    assert store.count_jobs_waiting_for("0" * 40) == 0


@pytest.mark.usefixtures("jobs_in_every_status")
def test_no_more_jobs_come_than_were_asked_for(store: JobStore, render: Render) -> None:
    assert len(store.waiting_jobs(render.render_key, limit=1)) == 1
    assert len(store.waiting_jobs(render.render_key, limit=9)) == 2


def test_waiting_jobs_come_in_the_order_of_their_ids_so_the_same_ones_come_first_each_time(
    store: JobStore, render: Render
) -> None:
    put(store, *[a_job(render, job_id=f"job-{number}000", now=NOW) for number in (3, 1, 4, 2)])

    first = [each.value.job_id for each in store.waiting_jobs(render.render_key, limit=3)]
    assert first == ["job-1000", "job-2000", "job-3000"]


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


def test_counting_ends_at_what_was_asked_for(store: JobStore) -> None:
    put(store, *[render_of(seed, State.IDLE, age_s=1, priority=Priority.BULK) for seed in range(4)])

    assert [store.renders_to_do(Priority.BULK, at_most=most) for most in (1, 3, 4, 9, None)] == [1, 3, 4, 4, 4]


def test_a_render_that_nobody_waits_for_any_more_is_not_to_do(store: JobStore) -> None:
    """Its message is gone: counted, it would have workers started for a month that find an empty queue."""
    mine = render_of(1, State.IDLE, age_s=10)
    retired = retire(render_of(2, State.IDLE, age_s=20), now=NOW)
    put(store, mine, retired)
    assert store.renders_to_do(Priority.INTERACTIVE) == 1
    assert store.renders_ahead(mine) == 0

    found = store.render(retired.render_key)
    assert found
    store.commit(Replace(stored=found, value=publish(found.value, now=NOW)))

    assert store.renders_to_do(Priority.INTERACTIVE) == 2, "somebody wishes for it again"
    assert store.renders_ahead(mine) == 1


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

    assert keys(store.renders_to_check(Priority.INTERACTIVE, now=NOW, limit=10)) == in_order
    assert keys(store.renders_to_check(Priority.INTERACTIVE, now=NOW, limit=2)) == in_order[:2]
    assert keys(store.renders_to_check(Priority.INTERACTIVE, now=NOW - timedelta(days=4), limit=10)) == []


def test_renders_to_check_of_one_priority_are_found_however_many_of_the_other_are_due_for_longer(
    store: JobStore,
) -> None:
    long_ago = {"priority": Priority.BULK, "check_at": NOW - timedelta(days=1)}
    bulk = [a_render(now=NOW, seed=seed, changes=long_ago) for seed in range(3)]
    interactive = a_render(now=NOW, seed=10, changes={"check_at": NOW})
    put(store, *bulk, interactive)

    assert keys(store.renders_to_check(Priority.INTERACTIVE, now=NOW, limit=2)) == [interactive.render_key]
    assert set(keys(store.renders_to_check(Priority.BULK, now=NOW, limit=10))) == {each.render_key for each in bulk}


def test_a_render_that_was_checked_is_not_due_again(store: JobStore, render: Render) -> None:
    put(store, render.model_copy(update={"check_at": NOW}))
    [due] = store.renders_to_check(Priority.INTERACTIVE, now=NOW, limit=10)

    store.commit(Replace(stored=due, value=due.value.model_copy(update={"check_at": None})))

    assert store.renders_to_check(Priority.INTERACTIVE, now=NOW, limit=10) == []
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


# Links


def test_a_shared_job_is_found_by_its_token_alone_and_only_while_it_is_shared(store: JobStore, render: Render) -> None:
    mine, other = (a_job(render, job_id=f"job-{number}000", now=NOW) for number in (1, 2))
    put(store, share(mine, token="t" * 43, now=NOW), other)

    found = store.shared_job("t" * 43)
    assert found
    assert found.value.job_id == "job-1000"
    assert [store.shared_job(token) for token in ("x" * 43, "", "T" * 43, "t" * 42)] == [None] * 4

    store.commit(Replace(stored=found, value=unshare(found.value, now=NOW)))
    assert store.shared_job("t" * 43) is None


# What the page asks


def test_the_jobs_of_an_owner_come_the_newest_first_page_by_page_and_nobody_elses(
    store: JobStore, render: Render
) -> None:
    moments = {
        "job-number-one": NOW,
        "job-number-two": NOW + MOMENT,
        "job-number-2": NOW + MOMENT,
        "job-number-three": NOW + 2 * MOMENT,
    }
    put(store, *[a_job(render, job_id=job_id, now=moment) for job_id, moment in moments.items()])
    put(store, a_job(render, job_id="of-another", now=NOW).model_copy(update={"owner": "ada"}))

    seen: list[str] = []
    before: Place | None = None
    while page := store.jobs_of_owner("anonymous", before=before, limit=3):
        assert len(page) <= 3
        seen += ids_in_order(page)
        before = place_of(page[-1].value)

    assert seen == ["job-number-three", "job-number-two", "job-number-2", "job-number-one"]
    assert ids_in_order(store.jobs_of_owner("ada", before=None, limit=3)) == ["of-another"]
    assert store.jobs_of_owner("nobody", before=None, limit=3) == []


def test_a_page_goes_on_where_a_job_was_that_is_gone(store: JobStore, render: Render) -> None:
    put(store, *[a_job(render, job_id=f"job-at-{hour}00", now=NOW + timedelta(hours=hour)) for hour in range(3)])

    there = Place(NOW + timedelta(hours=1), "job-at-100a")

    assert ids_in_order(store.jobs_of_owner("anonymous", before=there, limit=9)) == ["job-at-100", "job-at-000"]


def test_public_films_are_completed_belong_to_nobody_and_come_the_newest_first(store: JobStore) -> None:
    def made(seed: int, hour: int, state: State = State.COMPLETED, **wishes: str) -> Render:
        return a_render(
            now=NOW, seed=seed, changes={"state": state, "finished_at": NOW + timedelta(hours=hour)}, **wishes
        )

    films = [made(seed, hour) for seed, hour in ((1, 2), (2, 3), (3, 1))]
    put(store, *films, made(4, 9, prompt="my own words"), made(5, 9, state=State.FAILED), made(6, 9, State.LEASED))
    put(store, a_render(now=NOW, seed=7))

    assert keys(store.public_films(limit=9)) == [films[each].render_key for each in (1, 0, 2)]
    assert keys(store.public_films(limit=1)) == [films[1].render_key]


def test_the_oldest_queued_job_of_a_priority_is_the_one_that_was_wished_first_and_not_taken(
    store: JobStore, render: Render
) -> None:
    def wished(name: str, *, minutes_ago: int, priority: Priority, status: Status = Status.QUEUED) -> Job:
        job = a_job(render, job_id=name, now=NOW - timedelta(minutes=minutes_ago))
        assert job.request
        request = job.request.model_copy(update={"priority": priority})
        return job.model_copy(update={"status": status, "request": request})

    assert store.oldest_queued_job(Priority.BULK) is None
    put(
        store,
        wished("bulk-0001", minutes_ago=60, priority=Priority.BULK),
        wished("taken-0001", minutes_ago=50, priority=Priority.INTERACTIVE, status=Status.IN_PROGRESS),
        wished("newer-0001", minutes_ago=10, priority=Priority.INTERACTIVE),
        wished("older-0001", minutes_ago=20, priority=Priority.INTERACTIVE),
    )

    found = {priority: store.oldest_queued_job(priority) for priority in Priority}
    assert {priority: each.value.job_id for priority, each in found.items() if each} == {
        Priority.INTERACTIVE: "older-0001",
        Priority.BULK: "bulk-0001",
    }
