"""Who may work on a render, for how long, and what the holder may write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpu_job.lease import MANY_JOBS, Held, LeaseLostError, NobodyWaitsError, NoLease
from shared.documents import JobError, Stage, State, Status
from shared.errors import ErrorCode, Retryable
from shared.jobs import MAX_ATTEMPTS, Ending
from shared.messages import RENDER_REQUESTS
from tests.unit.worker_world import LEASE_S, USAGE, World, no_answer, nothing

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = JobError(code=ErrorCode.RENDER_FAILED, message="It is broken.")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa", "job-bbbb")
    return world


# Claiming


def test_an_idle_render_is_leased_to_the_first_who_claims_it(world: World) -> None:
    lease = world.claim("worker-a")

    assert world.render == lease.render
    assert (world.render.state, world.render.holder) == (State.LEASED, "worker-a")
    assert (world.render.token, world.render.attempts) == (1, 1)
    assert world.render.renewed_at == world.clock.now()
    assert lease.attempt == "1-worker-a"


def test_a_live_lease_of_another_is_respected_and_the_time_left_is_told(world: World) -> None:
    world.claim("worker-a")
    world.clock.pass_s(45)

    assert world.claimant("worker-b").claim(world.key) == Held(left_s=LEASE_S - 45)
    assert world.render.holder == "worker-a"


def test_a_holder_who_never_heard_that_its_claim_succeeded_claims_again_at_once(world: World) -> None:
    unheard = world.claim("worker-a")

    again = world.claim("worker-a")

    assert (again.render.token, again.render.holder) == (unheard.render.token + 1, "worker-a")


def test_the_time_left_is_judged_by_the_stores_clock_not_by_the_workers(world: World) -> None:
    world.claim("worker-a")
    late = world.claimant("worker-b")
    object.__setattr__(late, "now", lambda: world.clock.now().replace(year=2030))

    assert late.claim(world.key) == Held(left_s=LEASE_S)


def test_an_expired_lease_is_taken_over_with_the_next_token(world: World) -> None:
    world.claim("worker-a")
    world.clock.pass_s(LEASE_S)

    lease = world.claim("worker-b")

    assert (world.render.holder, world.render.token, world.render.attempts) == ("worker-b", 2, 2)
    assert lease.attempt == "2-worker-b"


def test_of_two_who_claim_at_the_same_moment_the_later_one_finds_it_held(world: World) -> None:
    world.store.meddling.before("commit", lambda: (world.claim("worker-b"), None)[1])

    assert world.claimant("worker-a").claim(world.key) == Held(left_s=LEASE_S)
    assert (world.render.holder, world.render.token) == ("worker-b", 1)


def test_a_job_that_attaches_while_the_render_is_claimed_costs_only_another_try(world: World) -> None:
    world.store.meddling.before("commit", lambda: world.wish("job-cccc"))

    world.claim("worker-a")

    assert (world.render.state, world.render.token, world.render.attempts) == (State.LEASED, 1, 1)


def test_claiming_does_not_say_that_a_message_is_on_its_way_since_another_may_acknowledge_it(world: World) -> None:
    world.change_render(published_at=None)

    world.claim("worker-a")

    assert world.render.published_at is None


def test_a_message_for_a_render_that_does_not_exist_asks_for_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)

    assert world.claimant().claim(world.key) is NoLease.NOBODY_WAITS


def test_a_final_render_is_settled_its_jobs_are_told_and_their_events_are_out(world: World) -> None:
    world.change_render(state=State.FAILED, error=BROKEN)

    assert world.claimant().claim(world.key) is NoLease.SETTLED

    for job_id in ("job-aaaa", "job-bbbb"):
        job = world.job(job_id)
        assert (job.status, job.error, job.event_pending) == (Status.FAILED, BROKEN, False)
    assert {event.job_id for event in world.events} == {"job-aaaa", "job-bbbb"}


def test_claiming_a_final_render_again_changes_nothing_and_tells_nobody_twice(world: World) -> None:
    world.change_render(state=State.FAILED, error=BROKEN)
    world.claimant().claim(world.key)
    before = world.store.render(world.key)

    assert world.claimant().claim(world.key) is NoLease.SETTLED

    assert world.store.render(world.key) == before
    assert len(world.events) == 2


def test_an_event_that_could_not_be_published_is_published_by_the_next_who_comes(world: World) -> None:
    world.change_render(state=State.FAILED, error=BROKEN)
    world.publisher.meddling.before("publish", nothing, no_answer)
    with pytest.raises(Retryable):
        world.claimant().claim(world.key)
    assert world.job("job-bbbb").event_pending

    world.claimant().claim(world.key)

    assert not world.job("job-aaaa").event_pending
    assert not world.job("job-bbbb").event_pending
    assert {event.event_id for event in world.events} == {"job-aaaa", "job-bbbb"}


def test_a_video_that_exists_is_not_made_again_whatever_the_document_says(world: World) -> None:
    world.commit_video(attempt="7-another")

    assert world.claimant().claim(world.key) is NoLease.SETTLED

    assert (world.render.state, world.render.usage) == (State.COMPLETED, USAGE)
    assert world.render.video
    assert world.render.video.poster_path == f"renders/{world.key}/attempts/7-another/poster.jpg"
    assert world.job("job-aaaa").video == world.render.video
    assert [event.status for event in world.events] == [Status.COMPLETED, Status.COMPLETED]


def test_a_video_outranks_even_the_live_lease_of_another(world: World) -> None:
    world.claim("worker-a")
    world.commit_video()

    assert world.claimant("worker-b").claim(world.key) is NoLease.SETTLED
    assert world.render.state is State.COMPLETED


def test_a_video_completes_a_render_that_was_given_up_before_but_not_the_jobs_that_were_told(world: World) -> None:
    world.change_render(state=State.FAILED, error=BROKEN)
    world.claimant().claim(world.key)
    world.commit_video()

    assert world.claimant().claim(world.key) is NoLease.SETTLED

    assert (world.render.state, world.render.error) == (State.COMPLETED, None)
    assert world.job("job-aaaa").status is Status.FAILED


def test_an_object_that_no_worker_made_fails_the_render_instead_of_coming_back_for_ever(world: World) -> None:
    world.put_rubbish_in_place_of_the_video()

    assert world.claimant().claim(world.key) is NoLease.SETTLED

    assert world.render.state is State.FAILED
    error = world.job("job-aaaa").error
    assert error
    assert error.code is ErrorCode.RENDER_FAILED
    assert len(world.events) == 2


def test_when_nobody_waits_the_message_may_go_and_the_render_remembers_that_it_has_none(world: World) -> None:
    world.cancel("job-aaaa", "job-bbbb")

    assert world.claimant().claim(world.key) is NoLease.NOBODY_WAITS

    assert (world.render.state, world.render.published_at, world.render.attempts) == (State.IDLE, None, 0)


def test_an_expired_lease_for_nobody_is_given_back_without_costing_an_attempt(world: World) -> None:
    world.claim("worker-a")
    world.clock.pass_s(LEASE_S)
    world.cancel("job-aaaa", "job-bbbb")

    assert world.claimant("worker-b").claim(world.key) is NoLease.NOBODY_WAITS
    assert (world.render.state, world.render.attempts, world.render.published_at) == (State.IDLE, 0, None)


def test_a_job_that_attaches_before_the_render_is_retired_is_seen_by_the_second_look(world: World) -> None:
    world.cancel("job-aaaa", "job-bbbb")
    world.store.meddling.before("commit", lambda: world.wish("job-cccc"))

    world.claim("worker-a")

    assert world.render.state is State.LEASED
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_a_job_that_attaches_after_the_render_was_retired_sends_a_message_of_its_own_or_is_seen(world: World) -> None:
    world.cancel("job-aaaa", "job-bbbb")
    world.store.meddling.before("waiting_jobs", nothing, lambda: world.wish("job-cccc"))

    world.claim("worker-a")

    assert len(world.publisher.published[RENDER_REQUESTS]) == 2
    assert world.render.published_at


def test_a_job_that_attaches_after_the_second_look_finds_that_it_must_send_a_message(world: World) -> None:
    world.cancel("job-aaaa", "job-bbbb")
    world.claimant().claim(world.key)

    world.wish("job-cccc")

    assert len(world.publisher.published[RENDER_REQUESTS]) == 2


def test_too_many_attempts_that_never_finished_fail_the_render_and_its_jobs(world: World) -> None:
    for _ in range(MAX_ATTEMPTS):
        world.claim("worker-a")
        world.clock.pass_s(LEASE_S)

    assert world.claimant("worker-b").claim(world.key) is NoLease.SETTLED

    assert (world.render.state, world.render.token) == (State.FAILED, MAX_ATTEMPTS)
    error = world.job("job-aaaa").error
    assert error
    assert error.message == "It was tried 3 times and never finished."
    assert [event.error for event in world.events] == [error, error]


def test_a_store_that_does_not_answer_makes_claiming_retryable(world: World) -> None:
    world.store.meddling.before("commit", no_answer)

    with pytest.raises(Retryable):
        world.claimant().claim(world.key)
    assert world.render.state is State.IDLE


# Renewing


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


def test_more_jobs_than_one_batch_takes_are_all_told(tmp_path: Path) -> None:
    world = World(tmp_path)
    job_ids = [f"job-{number:04}" for number in range(450)]
    world.wish(*job_ids)
    lease = world.claim()

    lease.renew(Stage.RENDERING, 10)
    assert {world.job(job_id).status for job_id in job_ids} == {Status.IN_PROGRESS}
    assert max(map(len, world.store.jobs_written)) == 200

    lease.release(Ending.PREEMPTED)
    assert {world.job(job_id).status for job_id in job_ids} == {Status.QUEUED}


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


# Giving back, failing, completing


def test_preemption_costs_no_attempt_and_the_jobs_are_queued_again(world: World) -> None:
    lease = world.claim("worker-a")
    lease.renew(Stage.RENDERING, 30)

    lease.release(Ending.PREEMPTED)

    assert (world.render.state, world.render.attempts, world.render.stage) == (State.IDLE, 0, None)
    job = world.job("job-aaaa")
    assert (job.status, job.stage, job.progress) == (Status.QUEUED, None, 0)
    assert world.claim("worker-b").render.token == 2


def test_a_failed_attempt_is_counted_when_it_is_given_back(world: World) -> None:
    world.claim("worker-a").release(Ending.BROKEN)

    assert (world.render.state, world.render.attempts) == (State.IDLE, 1)


def test_an_attempt_that_the_world_ended_is_not_counted_but_its_retry_is(world: World) -> None:
    world.claim("worker-a").release(Ending.RETRYABLE)

    assert (world.render.state, world.render.attempts, world.render.retries) == (State.IDLE, 0, 1)
    assert world.job("job-aaaa").status is Status.QUEUED


def test_giving_back_what_a_job_attached_to_in_between_works(world: World) -> None:
    lease = world.claim("worker-a")
    world.store.meddling.before("commit", lambda: world.wish("job-cccc"))

    lease.release(Ending.PREEMPTED)

    assert world.render.state is State.IDLE
    assert world.job("job-cccc").status is Status.QUEUED


def test_failing_tells_every_job_why_and_the_world_too(world: World) -> None:
    lease = world.claim("worker-a")

    lease.fail(BROKEN)

    assert (world.render.state, world.render.error) == (State.FAILED, BROKEN)
    assert world.job("job-bbbb").error == BROKEN
    assert [(event.status, event.error) for event in world.events] == [(Status.FAILED, BROKEN)] * 2


def test_a_job_that_attaches_while_the_render_fails_fails_with_it(world: World) -> None:
    lease = world.claim("worker-a")
    world.store.meddling.before("commit", lambda: world.wish("job-cccc"))

    lease.fail(BROKEN)

    assert world.job("job-cccc").error == BROKEN


def test_failing_looks_for_the_video_first(world: World) -> None:
    lease = world.claim("worker-a")
    world.commit_video()

    lease.fail(BROKEN)

    assert world.render.state is State.COMPLETED
    assert world.job("job-aaaa").status is Status.COMPLETED


def test_failing_where_an_object_lies_that_no_worker_made_still_fails(world: World) -> None:
    lease = world.claim("worker-a")
    world.put_rubbish_in_place_of_the_video()

    lease.fail(BROKEN)

    assert world.job("job-aaaa").status is Status.FAILED


def test_completing_says_so_on_the_render_and_leaves_the_jobs_to_notify(world: World) -> None:
    lease = world.claim("worker-a")
    lease.renew(Stage.UPLOADING, 95)
    world.commit_video(lease.attempt)

    lease.complete()

    assert world.render.state is State.COMPLETED
    assert world.job("job-aaaa").status is Status.IN_PROGRESS


def test_completing_what_notify_completed_before_changes_nothing(world: World) -> None:
    lease = world.claim("worker-a")
    world.commit_video(lease.attempt)
    world.claimant("worker-b").claim(world.key)
    before = world.store.render(world.key)

    lease.complete()

    assert world.store.render(world.key) == before


def test_completing_where_an_object_lies_that_no_worker_made_fails_the_jobs_since_notify_will_not_tell_them(
    world: World,
) -> None:
    lease = world.claim("worker-a")
    world.put_rubbish_in_place_of_the_video()

    lease.complete()

    assert world.render.state is State.FAILED
    assert {event.job_id for event in world.events} == {"job-aaaa", "job-bbbb"}


def test_completing_what_was_deleted_in_the_same_moment_is_no_success(world: World) -> None:
    lease = world.claim("worker-a")

    with pytest.raises(Retryable, match="deleted"):
        lease.complete()

    assert world.render.state is State.LEASED
    assert world.events == []


def test_completing_a_render_whose_document_is_gone_has_nothing_to_do(world: World) -> None:
    lease = world.claim("worker-a")
    world.store.forget(world.key)

    lease.complete()

    assert world.events == []
