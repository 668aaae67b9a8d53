"""Who may work on a render, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpu_job.lease import Held, NoLease
from shared.documents import State, Status
from shared.errors import ErrorCode, Retryable
from shared.jobs import MAX_ATTEMPTS
from shared.messages import RENDER_REQUESTS
from tests.unit.worker_world import BROKEN, LEASE_S, USAGE, World, no_answer, nothing

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa", "job-bbbb")
    return world


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
    assert again.render.attempts == unheard.render.attempts


def test_a_store_that_was_away_for_longer_than_the_lease_costs_its_holder_no_attempt_however_often(
    world: World,
) -> None:
    for _ in range(MAX_ATTEMPTS):  # workers that died
        world.clock.pass_s(LEASE_S)
        world.claim(f"worker-{world.render.token}")
    for _ in range(MAX_ATTEMPTS):
        world.clock.pass_s(LEASE_S)
        world.claim("worker-2")

    assert (world.render.state, world.render.attempts) == (State.LEASED, MAX_ATTEMPTS)
    assert world.render.token == 2 * MAX_ATTEMPTS


def test_who_finds_its_own_lease_ended_after_another_had_it_begins_a_new_attempt(world: World) -> None:
    for holder in ("worker-a", "worker-b", "worker-a"):
        world.claim(holder)
        world.clock.pass_s(LEASE_S)

    assert world.render.attempts == 3


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
    for number in range(MAX_ATTEMPTS):
        world.claim(f"worker-{number}")
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
