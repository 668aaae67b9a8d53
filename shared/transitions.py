"""The one table of what may become of a job and of a render, and the move by it. Pure.

job     queued ──claim──▶ in_progress ──complete | fail | cancel──▶ completed | failed | canceled   (final)
queued ◀─release── in_progress        queued ──complete | fail | cancel──▶ …
render  idle ──claim──▶ leased ──complete──▶ completed ──revive──▶ idle    (revive: its object is gone)
idle ◀─release── leased ──fail──▶ failed ──revive──▶ idle          (revive: somebody wishes for it again)
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeVar

from shared.documents import Job, Render, State, Status
from shared.errors import LifeAsNotMeError

D = TypeVar("D", Job, Render)


class Move(StrEnum):
    """The causes of a transition."""

    CLAIM = "claim"
    RENEW = "renew"
    RELEASE = "release"
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"
    REVIVE = "revive"


#: The one table: what is not in it is forbidden. In two halves, since a status and a state of one name are equal keys.
JOB_TRANSITIONS: Final[dict[tuple[Status, Move], Status]] = {
    (Status.QUEUED, Move.CLAIM): Status.IN_PROGRESS,
    (Status.QUEUED, Move.COMPLETE): Status.COMPLETED,
    (Status.QUEUED, Move.FAIL): Status.FAILED,
    (Status.QUEUED, Move.CANCEL): Status.CANCELED,
    (Status.IN_PROGRESS, Move.CLAIM): Status.IN_PROGRESS,
    (Status.IN_PROGRESS, Move.RELEASE): Status.QUEUED,
    (Status.IN_PROGRESS, Move.COMPLETE): Status.COMPLETED,
    (Status.IN_PROGRESS, Move.FAIL): Status.FAILED,
    (Status.IN_PROGRESS, Move.CANCEL): Status.CANCELED,
}
RENDER_TRANSITIONS: Final[dict[tuple[State, Move], State]] = {
    (State.IDLE, Move.CLAIM): State.LEASED,
    (State.IDLE, Move.COMPLETE): State.COMPLETED,
    (State.IDLE, Move.FAIL): State.FAILED,
    (State.LEASED, Move.CLAIM): State.LEASED,
    (State.LEASED, Move.RENEW): State.LEASED,
    (State.LEASED, Move.RELEASE): State.IDLE,
    (State.LEASED, Move.COMPLETE): State.COMPLETED,
    (State.LEASED, Move.FAIL): State.FAILED,
    (State.FAILED, Move.COMPLETE): State.COMPLETED,
    (State.FAILED, Move.REVIVE): State.IDLE,
    (State.COMPLETED, Move.REVIVE): State.IDLE,
}


class ForbiddenTransitionError(LifeAsNotMeError):
    """The table has no such arrow: a fault in the caller, which must look at the state first."""


def can(document: Job | Render, move: Move) -> bool:
    """Whether the table has the arrow."""
    return _to(document, move) is not None


def moved(document: D, move: Move, **changes: object) -> D:
    """The document after that move, with these changes.

    Raises:
        ForbiddenTransitionError: the table has no such arrow.
    """
    field = "status" if isinstance(document, Job) else "state"
    to = _to(document, move)
    if to is None:
        msg = f"{type(document).__name__.lower()} is {getattr(document, field)}: no {move} from there"
        raise ForbiddenTransitionError(msg)
    return document.model_copy(update={field: to, **changes})


def _to(document: Job | Render, move: Move) -> Status | State | None:
    if isinstance(document, Job):
        return JOB_TRANSITIONS.get((document.status, move))
    return RENDER_TRANSITIONS.get((document.state, move))
