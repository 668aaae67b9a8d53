"""The one transition table: where every move leads, and what no move may do."""

from itertools import product

import pytest

from shared.documents import FINAL, WAITING, Render, Stage, State, Status
from shared.jobs import Ending, claim_render, complete_render, fail_render, release_render, renew_render, revive_render
from shared.requests import Priority
from shared.transitions import JOB_TRANSITIONS, RENDER_TRANSITIONS, ForbiddenTransitionError, Move, can
from tests.unit.jobs_world import ERROR, NOW, completed_render, job_in, render_in

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
