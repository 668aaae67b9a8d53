"""What every move of a render does to its document, and when its lease ends."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.documents import Render, Stage, State, Status
from shared.jobs import (
    FIRST_CHECK,
    LEASED_CHECK,
    RETENTION,
    SERVER_TIME,
    Ending,
    claim_render,
    complete_render,
    fail_render,
    postpone,
    publish,
    release_render,
    renew_render,
    retire,
    revive_render,
    settled,
    touch,
)
from shared.requests import Priority
from tests.unit.jobs_world import CREATED, ERROR, NOW, completed_render, job_in, render_in

if TYPE_CHECKING:
    from collections.abc import Callable


# --- moves of a render ---


def test_a_claim_raises_token_and_attempts_and_starts_the_lease_by_the_stores_clock() -> None:
    render = claim_render(
        render_in(State.IDLE, token=4, attempts=1, progress=70, stage=None), holder="b", lease_s=60, now=NOW
    )
    assert (render.token, render.attempts, render.holder) == (5, 2, "b")
    assert (render.lease_s, render.renewed_at) == (60, SERVER_TIME)
    assert (render.stage, render.progress) == (Stage.LOADING, 0)


def test_a_claim_says_nothing_about_messages_but_has_reconcile_look_at_it() -> None:
    retired = claim_render(render_in(State.IDLE, check_at=None), holder="b", lease_s=60, now=NOW)
    assert (retired.published_at, retired.check_at) == (None, NOW + FIRST_CHECK)
    earlier = claim_render(
        render_in(State.IDLE, published_at=CREATED, check_at=CREATED), holder="b", lease_s=60, now=NOW
    )
    assert (earlier.published_at, earlier.check_at) == (CREATED, CREATED)


def test_who_claims_what_it_has_by_the_document_begins_no_new_attempt_but_has_a_new_token() -> None:
    mine = render_in(State.LEASED, holder="a", token=4, attempts=2)
    assert claim_render(mine, holder="a", lease_s=60, now=NOW).attempts == 2
    assert claim_render(mine, holder="a", lease_s=60, now=NOW).token == 5
    assert claim_render(mine, holder="b", lease_s=60, now=NOW).attempts == 3
    given_back = render_in(State.IDLE, holder="a", token=4, attempts=2)
    assert claim_render(given_back, holder="a", lease_s=60, now=NOW).attempts == 3


def test_taking_over_an_expired_lease_fences_the_holder_off() -> None:
    first = claim_render(render_in(State.IDLE), holder="a", lease_s=60, now=CREATED)
    second = claim_render(first, holder="b", lease_s=60, now=NOW)
    assert (second.token, second.holder) == (first.token + 1, "b")


def test_renewing_keeps_token_holder_and_attempts() -> None:
    claimed = claim_render(render_in(State.IDLE), holder="a", lease_s=60, now=CREATED)
    renewed = renew_render(claimed, stage=Stage.RENDERING, progress=40, now=NOW)
    assert (renewed.token, renewed.holder, renewed.attempts) == (claimed.token, "a", 1)
    assert (renewed.stage, renewed.progress, renewed.renewed_at) == (Stage.RENDERING, 40, SERVER_TIME)


@pytest.mark.parametrize(
    ("attempts", "ending", "left"),
    [
        (1, Ending.BROKEN, 1),
        (3, Ending.BROKEN, 3),
        (1, Ending.PREEMPTED, 0),
        (3, Ending.PREEMPTED, 2),
        (0, Ending.PREEMPTED, 0),
        (1, Ending.RETRYABLE, 0),
        (3, Ending.RETRYABLE, 2),
        (0, Ending.RETRYABLE, 0),
    ],
)
def test_only_work_that_broke_costs_an_attempt(attempts: int, ending: Ending, left: int) -> None:
    leased = render_in(State.LEASED, attempts=attempts, token=7, stage=Stage.RENDERING, progress=50)
    released = release_render(leased, now=NOW, ending=ending)
    assert (released.attempts, released.token, released.stage, released.progress) == (left, 7, None, 0)


@pytest.mark.parametrize("ending", Ending)
def test_only_what_the_world_ended_is_counted_as_a_retry(ending: Ending) -> None:
    released = release_render(render_in(State.LEASED, attempts=1, retries=4), now=NOW, ending=ending)
    assert released.retries == (5 if ending is Ending.RETRYABLE else 4)


def test_a_revived_render_begins_with_no_attempts_and_no_retries() -> None:
    revived = revive_render(render_in(State.FAILED, attempts=3, retries=9), priority=Priority.BULK, now=NOW)
    assert (revived.attempts, revived.retries) == (0, 0)


def test_ten_preemptions_leave_all_attempts() -> None:
    render = render_in(State.IDLE)
    for _ in range(10):
        render = release_render(claim_render(render, holder="a", lease_s=60, now=NOW), now=NOW, ending=Ending.PREEMPTED)
    assert (render.attempts, render.token) == (0, 10)


def test_each_claim_that_ends_in_an_error_counts() -> None:
    render = render_in(State.IDLE)
    for _ in range(3):
        render = release_render(claim_render(render, holder="a", lease_s=60, now=NOW), now=NOW, ending=Ending.BROKEN)
    assert render.attempts == 3


def test_completing_clears_an_earlier_error_and_keeps_the_result() -> None:
    done = completed_render()
    assert done.video
    late = complete_render(
        fail_render(render_in(State.LEASED), error=ERROR, now=NOW), video=done.video, usage=None, now=NOW
    )
    assert (late.state, late.error, late.video) == (State.COMPLETED, None, done.video)
    assert (late.progress, late.stage, late.finished_at) == (100, None, NOW)


def test_failing_says_why() -> None:
    failed = fail_render(render_in(State.LEASED, stage=Stage.ENCODING), error=ERROR, now=NOW)
    assert (failed.error, failed.stage, failed.finished_at) == (ERROR, None, NOW)


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
def test_reviving_starts_anew_but_never_lowers_the_fencing_token(state: State) -> None:
    old = render_in(state, token=9, attempts=3, progress=100, error=ERROR, finished_at=CREATED, published_at=CREATED)
    revived = revive_render(old, priority=Priority.BULK, now=NOW)
    assert (revived.token, revived.attempts, revived.progress) == (9, 0, 0)
    assert (revived.video, revived.usage, revived.error, revived.finished_at) == (None, None, None, None)
    assert (revived.published_at, revived.priority, revived.expires_at) == (None, Priority.BULK, NOW + RETENTION)


@pytest.mark.parametrize("state", State)
def test_what_only_concerns_message_and_check_changes_nothing_else(state: State) -> None:
    render = render_in(state, published_at=CREATED, check_at=CREATED + FIRST_CHECK)
    first, second = NOW + LEASED_CHECK, NOW + 2 * FIRST_CHECK
    changes: list[tuple[Callable[..., Render], dict[str, object]]] = [
        (publish, {"published_at": NOW, "check_at": second}),
        (postpone, {"published_at": NOW, "check_at": first}),
        (retire, {"published_at": None, "check_at": None}),
        (settled, {"check_at": None}),
        (touch, {}),
    ]
    for function, change in changes:
        assert function(render, now=NOW) == render.model_copy(update={"updated_at": NOW, **change})


def test_touching_a_job_changes_nothing_but_when() -> None:
    job = job_in(Status.IN_PROGRESS, progress=30)
    assert touch(job, now=NOW) == job.model_copy(update={"updated_at": NOW})


# --- the lease ---


@pytest.mark.parametrize(("age_s", "left_s"), [(0, 60), (0.5, 59.5), (59, 1), (60, 0), (61, 0), (1e6, 0)])
def test_a_lease_ends_by_the_stores_clock(age_s: float, left_s: float) -> None:
    render = render_in(State.LEASED, renewed_at=CREATED, lease_s=60)
    assert render.lease_left_s(CREATED + timedelta(seconds=age_s)) == left_s


@pytest.mark.parametrize("state", [State.IDLE, State.COMPLETED, State.FAILED])
def test_only_a_leased_render_has_a_lease_left(state: State) -> None:
    assert render_in(state, renewed_at=CREATED, lease_s=60).lease_left_s(CREATED) == 0


def test_a_lease_that_was_never_renewed_is_over() -> None:
    assert render_in(State.LEASED, renewed_at=None, lease_s=60).lease_left_s(CREATED) == 0
