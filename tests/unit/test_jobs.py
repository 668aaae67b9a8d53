"""The two documents, what they refuse to hold, and how a job follows its render or ends without it."""

from datetime import datetime, timedelta
from itertools import product

import pytest
from pydantic import ValidationError

from shared.documents import FINAL, WAITING, Job, Render, Stage, State, Status
from shared.jobs import JOB_DEADLINE, RETENTION, cancel_job, event_published, fail_job, follow, rejected_job
from shared.testing import TRACEPARENT
from shared.transitions import ForbiddenTransitionError
from tests.unit.jobs_world import CREATED, ERROR, NOW, completed_render, job_in, render_in

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
