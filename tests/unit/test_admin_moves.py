"""What an operator does to a job and to the workers, and what may not be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.admin import moves
from cli.admin.moves import NoSuchMoveError
from shared.documents import State, Status
from shared.errors import ErrorCode
from shared.job_store import Create, Delete, Replace
from shared.jobs import MAX_ATTEMPTS, cancel_job, touch
from shared.testing import put_video
from tests.unit.admin_world import LEASE_S, World

if TYPE_CHECKING:
    from shared.documents import Job
    from shared.job_store import Stored


@pytest.fixture
def world() -> World:
    return World()


def key_of(job: Stored[Job]) -> str:
    assert job.value.render_key
    return job.value.render_key


def test_a_message_that_was_lost_is_published_again(world: World) -> None:
    job = world.wish()

    done = moves.retry(job, site=world.site)

    assert done.said == "Its render: published again."
    assert world.asked_for() == [key_of(job)]
    assert world.job("job-0001").value.status is Status.QUEUED


def test_a_message_is_published_again_even_while_a_worker_holds_the_render(world: World) -> None:
    job = world.wish()
    world.claim(key_of(job))

    moves.retry(job, site=world.site)

    assert world.asked_for() == [key_of(job)]
    assert world.state(job) is State.LEASED


def test_a_video_that_nobody_told_of_is_told_of(world: World) -> None:
    job = world.wish()
    put_video(world.artifacts, key_of(job))

    assert moves.retry(job, site=world.site).said == "Its render: settled."
    assert world.job("job-0001").value.status is Status.COMPLETED
    assert world.told() == [("job-0001", "completed")]


def test_what_has_spent_its_attempts_is_not_tried_for_ever(world: World) -> None:
    job = world.wish()
    for _ in range(MAX_ATTEMPTS):
        world.claim(key_of(job), holder=f"worker-{_}")
        world.clock.pass_s(LEASE_S + 1)

    moves.retry(job, site=world.site)

    assert world.job("job-0001").value.status is Status.FAILED
    assert world.asked_for() == []


def test_a_failed_job_stays_failed_and_its_owner_gets_a_new_one_for_the_same_render(world: World) -> None:
    job = world.wish()
    world.break_render(key_of(job))
    failed = world.job("job-0001")

    done = moves.retry(failed, site=world.site)

    assert done.job_id
    again = world.job(done.job_id).value
    assert done.said == f"Asked for again: job {done.job_id} is queued."
    assert (again.status, again.owner, again.render_key) == (Status.QUEUED, "ada", key_of(job))
    assert again.request == job.value.request
    assert world.job("job-0001") == failed
    assert world.state(job) is State.IDLE
    assert world.asked_for() == [key_of(job)]


def test_asking_twice_is_asking_once(world: World) -> None:
    world.break_render(key_of(world.wish()))
    failed = world.job("job-0001")

    first, second = moves.retry(failed, site=world.site), moves.retry(failed, site=world.site)

    assert first.job_id == second.job_id
    assert second.said == f"It was asked for again before: job {first.job_id} is queued."
    assert len(world.asked_for()) == 1


def test_what_fails_again_can_be_asked_for_again(world: World) -> None:
    job = world.wish()
    world.break_render(key_of(job))
    first = moves.retry(world.job("job-0001"), site=world.site).job_id
    assert first
    world.break_render(key_of(job))

    second = moves.retry(world.job(first), site=world.site).job_id

    assert second not in {None, first}


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.CANCELED])
def test_what_is_completed_or_canceled_has_nothing_to_be_tried_again(world: World, status: Status) -> None:
    job = world.wish()
    if status is Status.COMPLETED:
        put_video(world.artifacts, key_of(job))
        moves.retry(job, site=world.site)
    else:
        world.store.commit(Replace(stored=job, value=cancel_job(job.value, now=world.clock.now())))

    with pytest.raises(NoSuchMoveError, match=status.value):
        moves.retry(world.job("job-0001"), site=world.site)


def test_a_job_whose_render_is_gone_is_refused_with_what_to_do(world: World) -> None:
    job = world.wish()
    world.store.commit(Delete(stored=world.render(key_of(job))))

    with pytest.raises(NoSuchMoveError, match="can only be failed"):
        moves.retry(job, site=world.site)


def test_a_job_is_failed_with_the_reason_and_its_event_is_out(world: World) -> None:
    job = world.wish()
    world.claim(key_of(job))

    moves.fail(job, reason="it hangs", site=world.site)

    failed = world.job("job-0001").value
    assert failed.status is Status.FAILED
    assert failed.error
    assert (failed.error.code, failed.error.message) == (
        ErrorCode.RENDER_FAILED,
        "An operator has ended it: it hangs",
    )
    assert not failed.event_pending
    assert world.told() == [("job-0001", "failed")]
    assert world.state(job) is State.LEASED, "the worker stops by itself"


def test_others_who_wait_for_the_same_render_go_on_waiting(world: World) -> None:
    job = world.wish()
    world.wish("job-0002", owner="ada")

    moves.fail(job, reason="it hangs", site=world.site)

    assert world.job("job-0002").value.status is Status.QUEUED


def test_who_reads_an_old_version_fails_the_new_one(world: World) -> None:
    job = world.wish()
    world.store.commit(Replace(stored=job, value=touch(job.value, now=world.clock.now())))

    moves.fail(job, reason="it hangs", site=world.site)

    assert world.job("job-0001").value.status is Status.FAILED


def test_a_job_that_was_completed_meanwhile_stays_completed(world: World) -> None:
    job = world.wish()
    put_video(world.artifacts, key_of(job))
    moves.retry(job, site=world.site)

    with pytest.raises(NoSuchMoveError, match="completed: nothing leaves that"):
        moves.fail(job, reason="it hangs", site=world.site)

    assert world.job("job-0001").value.status is Status.COMPLETED


def test_a_job_that_was_deleted_meanwhile_is_told(world: World) -> None:
    job = world.wish()
    world.store.commit(Replace(stored=job, value=touch(job.value, now=world.clock.now())))
    world.store.commit(Delete(stored=world.job("job-0001")))

    with pytest.raises(NoSuchMoveError, match="gone"):
        moves.fail(job, reason="it hangs", site=world.site)


def test_a_rejected_job_must_be_wished_for_again(world: World) -> None:
    job = world.wish().value.model_copy(
        update={"job_id": "job-0009", "status": Status.FAILED, "request": None, "render_key": None}
    )
    world.store.commit(Create(value=job))

    with pytest.raises(NoSuchMoveError, match="wish again"):
        moves.retry(world.job("job-0009"), site=world.site)


def test_workers_are_drained_and_taken_back(world: World) -> None:
    assert not moves.order(is_draining=False, reason="", site=world.site).is_draining
    assert world.crew.orders() is None, "nothing was to be changed"

    drained = moves.order(is_draining=True, reason="a new model", site=world.site)

    stored = world.crew.orders()
    assert stored
    assert stored.value == drained
    assert moves.order(is_draining=False, reason="", site=world.site).is_draining is False


def test_draining_what_is_drained_keeps_the_first_reason(world: World) -> None:
    moves.order(is_draining=True, reason="a new model", site=world.site)

    assert moves.order(is_draining=True, reason="me too", site=world.site).reason == "a new model"
