"""What renewing keeps and tells, and who may not renew any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpu_job.lease import MANY_JOBS, Held, LeaseLostError, NobodyWaitsError
from shared.documents import Stage, Status
from shared.errors import Retryable
from shared.jobs import Ending
from shared.settling import BATCH_JOBS
from tests.unit.worker_world import BROKEN, LEASE_S, World, no_answer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa", "job-bbbb")
    return world


def test_renewing_keeps_the_lease_and_tells_every_waiting_job_how_far_the_work_is(world: World) -> None:
    lease = world.claim("worker-a")
    world.clock.pass_s(40)

    lease.renew(Stage.RENDERING, 30)

    world.clock.pass_s(40)
    assert world.claimant("worker-b").claim(world.key) == Held(left_s=LEASE_S - 40)
    assert (world.render.stage, world.render.progress) == (Stage.RENDERING, 30)
    for job_id in ("job-aaaa", "job-bbbb"):
        job = world.job(job_id)
        assert (job.status, job.stage, job.progress) == (Status.IN_PROGRESS, Stage.RENDERING, 30)


def test_a_jobs_progress_never_goes_back_when_another_worker_begins_anew(world: World) -> None:
    world.claim("worker-a").renew(Stage.RENDERING, 60)
    world.clock.pass_s(LEASE_S)

    world.claim("worker-b").renew(Stage.LOADING, 0)

    assert (world.job("job-aaaa").progress, world.job("job-aaaa").stage) == (60, Stage.LOADING)


def test_a_job_that_attaches_in_between_is_told_by_the_same_renewal(world: World) -> None:
    lease = world.claim("worker-a")
    world.store.meddling.before("commit", lambda: world.wish("job-cccc"))

    lease.renew(Stage.RENDERING, 30)

    assert world.job("job-cccc").progress == 30
    assert world.render.token == 1


def test_a_job_that_is_canceled_in_between_stays_canceled_and_the_others_are_told(world: World) -> None:
    lease = world.claim("worker-a")
    world.store.meddling.before("commit", lambda: world.cancel("job-aaaa"))

    lease.renew(Stage.RENDERING, 30)

    assert world.job("job-aaaa").status is Status.CANCELED
    assert world.job("job-bbbb").progress == 30


def test_with_many_waiting_only_changes_of_stage_reach_the_jobs(tmp_path: Path) -> None:
    world = World(tmp_path)
    job_ids = [f"job-{number:04}" for number in range(MANY_JOBS + 1)]
    world.wish(*job_ids)
    lease = world.claim()

    lease.renew(Stage.RENDERING, 10)
    lease.renew(Stage.RENDERING, 40)
    assert {world.job(job_id).progress for job_id in job_ids} == {10}
    assert world.render.progress == 40

    lease.renew(Stage.ENCODING, 70)
    assert {world.job(job_id).progress for job_id in job_ids} == {70}


def test_with_few_waiting_every_renewal_reaches_the_jobs(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.wish(*[f"job-{number:04}" for number in range(MANY_JOBS)])
    lease = world.claim()

    lease.renew(Stage.RENDERING, 10)
    lease.renew(Stage.RENDERING, 40)

    assert world.job("job-0009").progress == 40


def test_of_more_jobs_than_one_batch_takes_the_first_are_told_in_one_commit_and_the_others_wait_on(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    job_ids = [f"job-{number:04}" for number in range(450)]
    world.wish(*job_ids)
    lease = world.claim()
    commits = len(world.store.jobs_written)

    lease.renew(Stage.RENDERING, 10)
    assert {world.job(job_id).status for job_id in job_ids[:BATCH_JOBS]} == {Status.IN_PROGRESS}
    assert {world.job(job_id).status for job_id in job_ids[BATCH_JOBS:]} == {Status.QUEUED}
    assert len(world.store.jobs_written) == commits + 1

    lease.release(Ending.PREEMPTED)
    assert {world.job(job_id).status for job_id in job_ids} == {Status.QUEUED}
    assert len(world.store.jobs_written) == commits + 2


def test_a_job_that_is_left_in_progress_by_who_gave_its_render_back_ends_as_every_other(tmp_path: Path) -> None:
    world = World(tmp_path)
    told = [f"told-{number:04}" for number in range(BATCH_JOBS)]
    world.wish(*told)
    lease = world.claim("worker-a")
    lease.renew(Stage.RENDERING, 10)
    world.wish(*[f"early-{number:04}" for number in range(50)])  # first by their ids
    lease.release(Ending.PREEMPTED)
    left = [job_id for job_id in told if world.job(job_id).status is Status.IN_PROGRESS]
    assert len(left) == 50

    world.claim("worker-b").renew(Stage.RENDERING, 5)
    assert (world.job(left[0]).status, world.job(left[0]).progress) == (Status.IN_PROGRESS, 10)
    world.commit_video()
    world.claimant("worker-c").claim(world.key)

    assert {world.job(job_id).status for job_id in told} == {Status.COMPLETED}
    assert len({event.job_id for event in world.events}) == BATCH_JOBS + 50


def test_a_renewal_that_tells_nothing_new_writes_no_job(world: World) -> None:
    lease = world.claim()
    lease.renew(Stage.RENDERING, 10)
    written = world.store.job("job-aaaa")
    assert written

    world.clock.pass_s(0)
    lease.renew(Stage.RENDERING, 10)

    again = world.store.job("job-aaaa")
    assert again
    assert again.version == written.version


def test_renewing_for_nobody_keeps_the_lease_and_says_so(world: World) -> None:
    lease = world.claim()
    world.cancel("job-aaaa", "job-bbbb")
    world.clock.pass_s(40)

    with pytest.raises(NobodyWaitsError):
        lease.renew(Stage.RENDERING, 30)

    assert world.render.lease_left_s(world.clock.now()) == LEASE_S


def test_a_zombies_batch_is_refused_as_a_whole(world: World) -> None:
    zombie = world.claim("worker-a")
    world.clock.pass_s(LEASE_S)
    world.claim("worker-b").renew(Stage.LOADING, 3)
    before = world.job("job-aaaa")

    with pytest.raises(LeaseLostError):
        zombie.renew(Stage.ENCODING, 90)
    with pytest.raises(LeaseLostError):
        zombie.release(Ending.PREEMPTED)
    with pytest.raises(LeaseLostError):
        zombie.fail(BROKEN)

    assert (world.render.holder, world.render.stage, world.job("job-aaaa")) == ("worker-b", Stage.LOADING, before)
    assert world.events == []


def test_the_same_worker_with_an_older_token_is_a_zombie_too(world: World) -> None:
    zombie = world.claim("worker-a")
    world.clock.pass_s(LEASE_S)
    world.claim("worker-a")

    with pytest.raises(LeaseLostError):
        zombie.renew(Stage.ENCODING, 90)


def test_a_render_that_was_completed_by_another_leaves_nothing_to_renew(world: World) -> None:
    lease = world.claim("worker-a")
    world.commit_video()
    world.claimant("worker-b").claim(world.key)

    with pytest.raises(LeaseLostError):
        lease.renew(Stage.ENCODING, 90)
    assert world.job("job-aaaa").status is Status.COMPLETED


def test_a_render_that_was_deleted_is_lost(world: World) -> None:
    lease = world.claim("worker-a")
    world.store.forget(world.key)

    with pytest.raises(LeaseLostError):
        lease.renew(Stage.ENCODING, 90)


def test_the_holder_counts_from_when_it_sent_the_renewal_so_it_never_believes_longer_than_the_store(
    world: World,
) -> None:
    lease = world.claim()
    world.store.meddling.before("commit", lambda: world.clock.pass_s(20))
    lease.renew(Stage.RENDERING, 30)

    world.clock.pass_s(LEASE_S - 19)

    assert lease.is_over
    assert world.render.lease_left_s(world.clock.now()) == 19


def test_the_holder_counts_from_when_it_sent_the_claim_too(world: World) -> None:
    world.store.meddling.before("commit", lambda: world.clock.pass_s(20))
    lease = world.claim()

    world.clock.pass_s(LEASE_S - 19)

    assert lease.is_over


def test_a_renewal_that_nobody_answered_does_not_prolong_the_lease(world: World) -> None:
    lease = world.claim()
    world.clock.pass_s(LEASE_S)
    assert not lease.is_over
    world.store.meddling.before("commit", no_answer)

    with pytest.raises(Retryable):
        lease.renew(Stage.RENDERING, 30)

    world.clock.pass_s(1)
    assert lease.is_over


# --- preview ---


def test_a_preview_is_told_of_with_the_renewal_and_the_job_gets_it(world: World) -> None:
    lease = world.claim("worker-a")

    lease.renew(Stage.RENDERING, 40, preview_path="renders/x/preview.jpg")
    lease.renew(Stage.RENDERING, 50)

    assert world.render.preview_path == world.job("job-aaaa").preview_path == "renders/x/preview.jpg"


def test_a_later_attempts_preview_replaces_the_earlier(world: World) -> None:
    lease = world.claim("worker-a")
    lease.renew(Stage.RENDERING, 40, preview_path="first.jpg")
    lease.release(Ending.PREEMPTED)
    assert world.job("job-aaaa").preview_path == "first.jpg"

    world.claim("worker-b").renew(Stage.RENDERING, 40, preview_path="second.jpg")

    assert world.render.preview_path == world.job("job-aaaa").preview_path == "second.jpg"


def test_a_zombies_preview_reaches_nobody(world: World) -> None:
    zombie = world.claim("worker-a")
    world.clock.pass_s(LEASE_S + 1)
    world.claim("worker-b").renew(Stage.RENDERING, 5)

    with pytest.raises(LeaseLostError):
        zombie.renew(Stage.RENDERING, 40, preview_path="late.jpg")

    assert (world.render.preview_path, world.job("job-aaaa").preview_path) == (None, None)
