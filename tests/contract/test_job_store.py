"""What every job store keeps: the double in memory, and the Firestore adapter on Google's emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from shared.documents import JobError, Render, Stage, Status, Usage, Video
from shared.errors import Conflict, ErrorCode
from shared.job_store import Create, Delete, JobStore, Replace, Stored
from shared.jobs import claim_render, complete_render, follow, publish, renew_render
from shared.testing import a_job, a_render
from tests.contract.job_store_world import NOW, STORES, each_store, put, stored_job, stored_render

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[JobStore]:
    """Every store in turn, empty."""
    yield from each_store(request)


@pytest.fixture
def render() -> Render:
    return a_render(now=NOW)


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
