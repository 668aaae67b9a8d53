"""When reconcile looks at a render."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.documents import JobError, Render, Stage, State
from shared.errors import ErrorCode
from shared.jobs import (
    FIRST_CHECK,
    FIRST_CHECK_OF_BULK,
    JOB_DEADLINE,
    LAST_CHECK,
    LEASED_CHECK,
    SOON,
    Ending,
    attach_to,
    claim_render,
    fail_render,
    give_up,
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
from tests.unit.jobs_world import CREATED, ERROR, NOW, completed_render, render_in


def test_a_new_render_is_looked_at_soon_since_its_message_may_never_be_sent() -> None:
    assert render_in(State.IDLE).check_at == CREATED + SOON


def test_a_first_message_is_trusted_for_a_while_however_long_the_render_was_without() -> None:
    for render in (render_in(State.IDLE), render_in(State.IDLE, check_at=None), revived()):
        assert publish(render, now=NOW).check_at == NOW + FIRST_CHECK


def test_a_message_in_the_long_queue_of_bulk_is_trusted_for_longer_but_its_job_has_time_for_several() -> None:
    assert publish(revived(Priority.BULK), now=NOW).check_at == NOW + FIRST_CHECK_OF_BULK
    assert FIRST_CHECK_OF_BULK + LAST_CHECK < JOB_DEADLINE / 2


def test_a_bulk_render_that_somebody_waits_for_is_looked_at_as_soon_as_any_other() -> None:
    bulk = publish(render_in(State.IDLE, priority=Priority.BULK), now=NOW)

    urgent = attach_to(bulk, priority=Priority.INTERACTIVE, now=NOW)

    assert urgent.check_at == NOW + SOON
    assert publish(urgent, now=NOW).check_at == NOW + FIRST_CHECK


def revived(priority: Priority = Priority.INTERACTIVE) -> Render:
    return revive_render(render_in(State.FAILED, published_at=CREATED), priority=priority, now=NOW)


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
        now += LEASED_CHECK
        render = postpone(render, now=now)
        assert render.check_at == now + LEASED_CHECK
    later = now + LEASED_CHECK
    assert publish(render, now=later).check_at == later + FIRST_CHECK


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
