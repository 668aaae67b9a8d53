"""The two documents and the one transition table: what every move does, and what no move may do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from pydantic import ValidationError

from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import FINAL, WAITING, Job, JobError, Render, Stage, State, Status
from shared.errors import ErrorCode
from shared.jobs import (
    FIRST_CHECK,
    JOB_DEADLINE,
    JOB_TRANSITIONS,
    LAST_CHECK,
    RENDER_TRANSITIONS,
    RETENTION,
    SERVER_TIME,
    SOON,
    Ending,
    ForbiddenTransitionError,
    Move,
    can,
    cancel_job,
    claim_render,
    complete_render,
    event_published,
    fail_job,
    fail_render,
    follow,
    give_up,
    postpone,
    publish,
    rejected_job,
    release_render,
    renew_render,
    retire,
    revive_render,
    settled,
    touch,
)
from shared.requests import Priority
from shared.testing import TRACEPARENT, a_commit, a_job, a_render, put_video

CREATED = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = CREATED + timedelta(minutes=5)
ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")
EVERYWHERE: list[Status | State] = [*Status, *State]
RENDER_MOVES = [move for move in Move if move is not Move.CANCEL]

#: The table once more, as the state chart in the design reads: where each cause leads. Keys are pairs of kind and
#: place, since `Status.COMPLETED == State.COMPLETED`.
ARROWS: dict[tuple[type[Status | State], Status | State], dict[Move, Status | State]] = {
    (Status, Status.QUEUED): {
        Move.CLAIM: Status.IN_PROGRESS,
        Move.COMPLETE: Status.COMPLETED,
        Move.FAIL: Status.FAILED,
        Move.CANCEL: Status.CANCELED,
    },
    (Status, Status.IN_PROGRESS): {
        Move.CLAIM: Status.IN_PROGRESS,
        Move.RELEASE: Status.QUEUED,
        Move.COMPLETE: Status.COMPLETED,
        Move.FAIL: Status.FAILED,
        Move.CANCEL: Status.CANCELED,
    },
    (Status, Status.COMPLETED): {},
    (Status, Status.FAILED): {},
    (Status, Status.CANCELED): {},
    (State, State.IDLE): {Move.CLAIM: State.LEASED, Move.COMPLETE: State.COMPLETED, Move.FAIL: State.FAILED},
    (State, State.LEASED): {
        Move.CLAIM: State.LEASED,
        Move.RENEW: State.LEASED,
        Move.RELEASE: State.IDLE,
        Move.COMPLETE: State.COMPLETED,
        Move.FAIL: State.FAILED,
    },
    (State, State.COMPLETED): {Move.REVIVE: State.IDLE},
    (State, State.FAILED): {Move.COMPLETE: State.COMPLETED, Move.REVIVE: State.IDLE},
}


def arrows(place: Status | State) -> dict[Move, Status | State]:
    return ARROWS[type(place), place]


def render_in(state: State, **changes: object) -> Render:
    return a_render(now=CREATED, changes={"state": state, **changes})


def job_in(status: Status, **changes: object) -> Job:
    return a_job(render_in(State.IDLE), now=CREATED).model_copy(update={"status": status, **changes})


def completed_render() -> Render:
    artifacts = InMemoryArtifactStore()
    render = render_in(State.LEASED)
    commit = a_commit(render.render_key)
    video = commit.video(put_video(artifacts, render.render_key))
    return complete_render(render, video=video, usage=commit.usage, now=NOW)


def move_render(render: Render, move: Move) -> Render:
    """Every move of a render, each by its function."""
    done = completed_render()
    assert done.video
    match move:
        case Move.CLAIM:
            return claim_render(render, holder="b", lease_s=60, now=NOW)
        case Move.RENEW:
            return renew_render(render, stage=Stage.ENCODING, progress=80, now=NOW)
        case Move.RELEASE:
            return release_render(render, now=NOW, ending=Ending.BROKEN)
        case Move.COMPLETE:
            return complete_render(render, video=done.video, usage=done.usage, now=NOW)
        case Move.FAIL:
            return fail_render(render, error=ERROR, now=NOW)
        case Move.REVIVE:
            return revive_render(render, priority=Priority.BULK, now=NOW)
        case Move.CANCEL:
            raise AssertionError("a render is not canceled: it becomes idle when its last job is")


# --- the table ---


@pytest.mark.parametrize(("place", "move"), list(product(EVERYWHERE, Move)))
def test_every_place_and_move_is_in_the_table_or_forbidden(place: Status | State, move: Move) -> None:
    document = job_in(place) if isinstance(place, Status) else render_in(place)
    to = JOB_TRANSITIONS.get((place, move)) if isinstance(place, Status) else RENDER_TRANSITIONS.get((place, move))
    assert to is arrows(place).get(move)
    assert can(document, move) is (move in arrows(place))


def test_the_state_chart_tells_of_every_place_and_nothing_else_is_in_the_table() -> None:
    assert set(ARROWS) == {(type(place), place) for place in EVERYWHERE}
    assert len(JOB_TRANSITIONS) + len(RENDER_TRANSITIONS) == sum(len(arrows(place)) for place in EVERYWHERE)


def test_the_table_keeps_jobs_and_renders_apart() -> None:
    assert {type(each) for (place, _), to in JOB_TRANSITIONS.items() for each in (place, to)} == {Status}
    assert {type(each) for (place, _), to in RENDER_TRANSITIONS.items() for each in (place, to)} == {State}


@pytest.mark.parametrize("status", sorted(FINAL))
def test_nothing_leaves_a_final_status(status: Status) -> None:
    assert job_in(status).is_final
    assert not any(can(job_in(status), move) for move in Move)


def test_every_status_is_either_waiting_or_final() -> None:
    assert {*FINAL, *WAITING} == {*Status}
    assert not FINAL & WAITING
    assert {status for status in Status if not job_in(status).is_final} == WAITING


def test_a_waiting_job_can_reach_every_final_status() -> None:
    for status in WAITING:
        assert {to for (place, _), to in JOB_TRANSITIONS.items() if place is status} >= FINAL


@pytest.mark.parametrize(("state", "move"), list(product(State, RENDER_MOVES)))
def test_every_function_on_renders_obeys_the_table(state: State, move: Move) -> None:
    render = render_in(state)
    if move in arrows(state):
        assert move_render(render, move).state is arrows(state)[move]
        assert move_render(render, move).updated_at == NOW
    else:
        with pytest.raises(ForbiddenTransitionError, match=f"render is {state}: no {move} from there"):
            move_render(render, move)


def test_a_render_is_final_exactly_when_no_worker_has_anything_left_to_do() -> None:
    assert {state for state in State if render_in(state).is_final} == {State.COMPLETED, State.FAILED}


# --- documents ---


def test_documents_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        job_in(Status.QUEUED).status = Status.COMPLETED  # type: ignore[misc]


def test_a_document_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        Job.model_validate({**job_in(Status.QUEUED).model_dump(), "colour": "blue"})


def test_a_naive_time_is_refused() -> None:
    naive = {**job_in(Status.QUEUED).model_dump(), "created_at": datetime(2026, 1, 1)}  # noqa: DTZ001 - that is the point
    with pytest.raises(ValidationError, match="created_at"):
        Job.model_validate(naive)


@pytest.mark.parametrize(
    "document",
    [
        job_in(Status.QUEUED),
        follow(job_in(Status.IN_PROGRESS), completed_render(), now=NOW),
        render_in(State.IDLE),
        completed_render(),
    ],
    ids=["new job", "completed job", "new render", "completed render"],
)
def test_a_document_survives_being_written_and_read(document: Job | Render) -> None:
    assert type(document).model_validate_json(document.model_dump_json()) == document
    assert type(document).model_validate(document.model_dump(mode="python")) == document


def test_an_unreadable_document_does_not_tell_its_prompt_to_the_logs() -> None:
    stored = job_in(Status.QUEUED).model_dump()
    stored["request"] |= {"prompt": ["my secret wish"]}
    with pytest.raises(ValidationError, match=r"request\.prompt") as caught:
        Job.model_validate(stored)
    assert "my secret wish" not in str(caught.value)


@pytest.mark.parametrize(
    "job_id",
    ["short", "x" * 65, "has space", "slash/ed", "..dotted..", "__reserved__", "_leading1", "newline1\n", "ümlauted"],
)
def test_a_job_id_that_firestore_or_an_address_cannot_hold_is_refused(job_id: str) -> None:
    with pytest.raises(ValidationError, match="job_id"):
        Job.model_validate({**job_in(Status.QUEUED).model_dump(), "job_id": job_id})


@pytest.mark.parametrize("job_id", ["12345678", "a" * 64, "Ab-_9zZz", "-leading-dash"])
def test_other_ids_are_fine(job_id: str) -> None:
    assert Job.model_validate({**job_in(Status.QUEUED).model_dump(), "job_id": job_id}).job_id == job_id


def test_a_new_job_waits_and_knows_when_it_is_given_up_and_forgotten() -> None:
    job = job_in(Status.QUEUED)
    assert (job.status, job.progress, job.stage, job.video, job.error) == (Status.QUEUED, 0, None, None, None)
    assert (job.created_at, job.updated_at) == (CREATED, CREATED)
    assert (job.deadline_at, job.expires_at) == (CREATED + JOB_DEADLINE, CREATED + RETENTION)
    assert (job.started_at, job.finished_at, job.event_pending) == (None, None, False)


def test_a_rejected_job_is_final_from_the_start_and_owes_an_event() -> None:
    job = rejected_job(
        job_id="rejected-1", owner="system:a", error=ERROR, fingerprint="f", now=NOW, traceparent=TRACEPARENT
    )
    assert job.is_final
    assert (job.status, job.error, job.request, job.render_key) == (Status.FAILED, ERROR, None, None)
    assert (job.finished_at, job.event_pending, job.expires_at) == (NOW, True, NOW + RETENTION)


def test_a_new_render_is_idle_and_no_message_speaks_for_it_yet() -> None:
    render = render_in(State.IDLE)
    assert (render.token, render.attempts, render.holder, render.renewed_at) == (0, 0, None, None)
    assert (render.published_at, render.expires_at) == (None, CREATED + RETENTION)


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
    first, second = NOW + FIRST_CHECK, NOW + 2 * FIRST_CHECK
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


# --- when reconcile looks ---


def test_a_new_render_is_looked_at_soon_since_its_message_may_never_be_sent() -> None:
    assert render_in(State.IDLE).check_at == CREATED + SOON


def test_a_first_message_is_trusted_for_a_while_however_long_the_render_was_without() -> None:
    for render in (render_in(State.IDLE), render_in(State.IDLE, check_at=None), revived()):
        assert publish(render, now=NOW).check_at == NOW + FIRST_CHECK


def revived() -> Render:
    return revive_render(render_in(State.FAILED, published_at=CREATED), priority=Priority.BULK, now=NOW)


def test_each_further_message_is_trusted_for_twice_as_long_up_to_a_limit() -> None:
    render, now = render_in(State.IDLE), NOW
    patience_min: list[float] = []
    for _ in range(9):
        render = publish(render, now=now)
        assert render.check_at
        patience_min.append((render.check_at - now).total_seconds() / 60)
        now = render.check_at
    assert patience_min == [10, 20, 40, 80, 160, 320, 360, 360, 360]
    assert timedelta(minutes=patience_min[-1]) == LAST_CHECK


def test_a_message_is_never_trusted_for_less_than_the_first_time() -> None:
    """The note of the first message lost against a claim that came long after the check of a new render."""
    odd = render_in(State.LEASED, published_at=NOW, check_at=CREATED)
    assert CREATED < NOW
    assert publish(odd, now=NOW).check_at == NOW + FIRST_CHECK


def test_what_was_long_in_the_making_is_not_left_alone_for_longer_when_its_worker_dies() -> None:
    render, now = publish(render_in(State.IDLE), now=NOW), NOW
    for _ in range(20):
        now += FIRST_CHECK
        render = postpone(render, now=now)
    assert publish(render, now=now + FIRST_CHECK).check_at == now + 3 * FIRST_CHECK


@pytest.mark.parametrize(
    "change",
    [
        lambda render: claim_render(render, holder="b", lease_s=60, now=NOW),
        lambda render: renew_render(render, stage=Stage.ENCODING, progress=80, now=NOW),
        lambda render: release_render(render, now=NOW, ending=Ending.PREEMPTED),
        lambda render: touch(render, now=NOW),
    ],
    ids=["claim", "renew", "release", "touch"],
)
def test_work_does_not_put_off_the_look_at_a_render(change: Callable[[Render], Render]) -> None:
    leased = render_in(State.LEASED, check_at=CREATED + FIRST_CHECK)
    assert change(leased).check_at == CREATED + FIRST_CHECK


def test_a_final_render_is_looked_at_soon_since_its_jobs_may_never_be_told_and_then_no_more() -> None:
    leased = render_in(State.LEASED, attempts=3)
    for final in (completed_render(), fail_render(leased, error=ERROR, now=NOW), give_up(leased, now=NOW)):
        assert final.check_at == NOW + SOON
        assert settled(final, now=NOW).check_at is None
        assert settled(final, now=NOW).state is final.state


def test_a_revived_render_is_looked_at_soon_since_its_message_may_never_be_sent() -> None:
    assert revived().check_at == NOW + SOON


def test_nobody_looks_at_what_nobody_waits_for() -> None:
    assert retire(publish(render_in(State.IDLE), now=NOW), now=NOW).check_at is None


def test_a_render_that_is_given_up_says_how_often_it_was_tried() -> None:
    given_up = give_up(render_in(State.LEASED, attempts=3), now=NOW)
    assert given_up.error == JobError(code=ErrorCode.RENDER_FAILED, message="It was tried 3 times and never finished.")


# --- a job that ends without its render ---


@pytest.mark.parametrize("status", sorted(WAITING))
def test_a_canceled_job_is_final_and_owes_an_event(status: Status) -> None:
    job = cancel_job(job_in(status, stage=Stage.RENDERING, progress=30), now=NOW)
    assert (job.status, job.stage, job.video, job.error) == (Status.CANCELED, None, None, None)
    assert (job.event_pending, job.finished_at, job.updated_at) == (True, NOW, NOW)


@pytest.mark.parametrize("status", sorted(WAITING))
def test_a_job_that_fails_by_itself_says_why_and_owes_an_event(status: Status) -> None:
    job = fail_job(job_in(status, stage=Stage.RENDERING), error=ERROR, now=NOW)
    assert (job.status, job.stage, job.error) == (Status.FAILED, None, ERROR)
    assert (job.event_pending, job.finished_at, job.updated_at) == (True, NOW, NOW)


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_final_job_is_neither_canceled_nor_failed(status: Status) -> None:
    with pytest.raises(ForbiddenTransitionError):
        cancel_job(job_in(status), now=NOW)
    with pytest.raises(ForbiddenTransitionError):
        fail_job(job_in(status), error=ERROR, now=NOW)


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


# --- a job follows its render ---


@pytest.mark.parametrize(("status", "state"), list(product(sorted(FINAL), State)))
def test_a_final_job_follows_nothing(status: Status, state: State) -> None:
    job = job_in(status, progress=30)
    assert follow(job, render_in(state, progress=90, error=ERROR), now=NOW) is job


#: Where a waiting job goes, for every state of its render.
FOLLOWED = {
    (Status.QUEUED, State.IDLE): Status.QUEUED,
    (Status.QUEUED, State.LEASED): Status.IN_PROGRESS,
    (Status.QUEUED, State.COMPLETED): Status.COMPLETED,
    (Status.QUEUED, State.FAILED): Status.FAILED,
    (Status.IN_PROGRESS, State.IDLE): Status.QUEUED,
    (Status.IN_PROGRESS, State.LEASED): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, State.COMPLETED): Status.COMPLETED,
    (Status.IN_PROGRESS, State.FAILED): Status.FAILED,
}


@pytest.mark.parametrize(("status", "state"), list(product(sorted(WAITING), State)))
def test_a_waiting_job_goes_where_its_render_is(status: Status, state: State) -> None:
    followed = follow(job_in(status), render_in(state, error=ERROR), now=NOW)
    assert followed.status is FOLLOWED[status, state]
    assert followed.event_pending is followed.is_final
    assert followed.finished_at == (NOW if followed.is_final else None)


def test_a_queued_job_of_an_idle_render_is_left_alone() -> None:
    job = job_in(Status.QUEUED)
    assert follow(job, render_in(State.IDLE), now=NOW) is job


def test_a_job_shows_stage_and_progress_of_its_render_and_since_when() -> None:
    job = follow(job_in(Status.QUEUED), render_in(State.LEASED, stage=Stage.RENDERING, progress=40), now=NOW)
    assert (job.stage, job.progress, job.started_at, job.updated_at) == (Stage.RENDERING, 40, NOW, NOW)
    later = follow(job, render_in(State.LEASED, stage=Stage.ENCODING, progress=90), now=NOW + timedelta(minutes=1))
    assert (later.stage, later.progress, later.started_at) == (Stage.ENCODING, 90, NOW)


def test_progress_never_runs_backwards_while_the_job_is_in_progress() -> None:
    job = job_in(Status.IN_PROGRESS, progress=60)
    assert follow(job, render_in(State.LEASED, progress=5), now=NOW).progress == 60


def test_a_released_job_waits_as_if_nothing_had_happened() -> None:
    job = follow(job_in(Status.IN_PROGRESS, progress=60, stage=Stage.RENDERING), render_in(State.IDLE), now=NOW)
    assert (job.status, job.progress, job.stage, job.event_pending) == (Status.QUEUED, 0, None, False)


def test_a_completed_job_has_the_video_even_when_it_never_was_in_progress() -> None:
    render = completed_render()
    job = follow(job_in(Status.QUEUED), render, now=NOW)
    assert (job.video, job.progress, job.stage, job.error) == (render.video, 100, None, None)
    assert (job.started_at, job.finished_at) == (NOW, NOW)


def test_a_failed_job_has_the_renders_error_and_no_video() -> None:
    job = follow(
        job_in(Status.IN_PROGRESS, progress=60, stage=Stage.RENDERING), render_in(State.FAILED, error=ERROR), now=NOW
    )
    assert (job.error, job.video, job.stage, job.progress) == (ERROR, None, None, 60)


def test_following_twice_is_following_once() -> None:
    for status, state in product(WAITING, State):
        render = render_in(state, error=ERROR)
        once = follow(job_in(status), render, now=NOW)
        assert follow(once, render, now=NOW) == once


def test_a_published_event_is_no_longer_pending_and_nothing_else_changes() -> None:
    job = job_in(Status.FAILED, event_pending=True)
    assert event_published(job) == job.model_copy(update={"event_pending": False})
