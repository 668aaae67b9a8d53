"""What goes wrong in a run: drawn from its seed, some kinds of fault in one run, others in the next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


class Fault(Enum):
    """What may happen at a call to a service."""

    #: The process dies on the way there, or on the way back.
    KILL_BEFORE = auto()
    KILL_AFTER = auto()
    #: No answer: nothing happened, it happened and nobody says so, or it happens later.
    FAIL_BEFORE = auto()
    FAIL_AFTER = auto()
    FAIL_AND_HAPPEN_LATER = auto()
    #: It happened, the answer was lost, and the client's own second try conflicts with the first.
    CONFLICT_WITH_ITSELF = auto()
    #: The answer takes seconds.
    SLOW = auto()
    #: The whole process stands still, mostly for longer than a lease.
    STALL_BEFORE = auto()
    STALL_AFTER = auto()
    #: SIGTERM.
    TERMINATE = auto()


class Kind(StrEnum):
    """What a run shows."""

    #: Everything may fail and get lost; reconcile repairs.
    ROUGH = "rough"
    #: Workers may do what they want; messages and events come at least once, functions answer: no reconcile is needed.
    UNREPAIRED = "unrepaired"
    #: Nobody dies and nothing fails, but messages come twice and late, nodes are preempted and clocks are wrong: no
    #: reconcile is needed, and every job that nobody cancels gets its video.
    GENTLE = "gentle"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How likely what is."""

    kind: Kind
    #: At each call of a worker.
    worker: Mapping[Fault, float]
    #: At each call of a function.
    function: Mapping[Fault, float]
    #: At each publishing of a render request, or finalizing of an object.
    lose: float
    delay: float
    #: Seconds between two acts of mischief in the queue: redelivery, copy, loss, rubbish.
    mischief_s: float
    #: How many deliveries of a message there may be before it is dead.
    max_deliveries: int
    #: At each step of the renderer.
    renderer_fails: float
    #: A client that got no answer asks no more.
    gives_up: float
    skew_s: float
    #: A call takes so long at most when nothing is wrong.
    latency_s: float
    #: No fault comes after this; in a second act, so long after its beginning.
    until_s: float
    jobs: int
    renders: int
    workers: int
    #: Of many wishes each.
    batches: int
    #: Of the wishes, how many have a prompt of their owner's.
    private: float
    #: Of the jobs, how many are deleted by their owner.
    deleted: float
    #: There is a second act, when what is kept from the first comes to its end.
    ages: bool


_OF_FUNCTIONS: Final = frozenset(Fault) - {Fault.TERMINATE, Fault.STALL_AFTER}
_HARMLESS: Final = frozenset({Fault.TERMINATE})
#: Of a stall to a kill there are so many chances; each costs a render an attempt, of which it has three.
_RATES: Final = (0.003, 0.01, 0.03)


def draw(rng: random.Random) -> Profile:
    """The faults of one run."""
    kind = rng.choices([Kind.ROUGH, Kind.UNREPAIRED, Kind.GENTLE], weights=[4, 3, 3])[0]
    worker = _rates(rng, _HARMLESS if kind is Kind.GENTLE else frozenset(Fault))
    function = _rates(rng, _OF_FUNCTIONS if kind is Kind.ROUGH else frozenset())
    function[Fault.SLOW] = rng.choice([0.02, 0.3, 0.6])
    return Profile(
        kind=kind,
        worker=worker,
        function=function,
        lose=rng.choice([0, 0.1, 0.5]) if kind is Kind.ROUGH else 0,
        delay=rng.choice([0, 0.3, 0.9]),
        mischief_s=rng.choice([15, 60, 600]),
        max_deliveries=rng.choice([3, 6, 100]) if kind is Kind.ROUGH else 1000,
        renderer_fails=0 if kind is Kind.GENTLE else rng.choice([0, 0, 0.02, 0.1]),
        gives_up=rng.choice([0, 0.5]) if kind is Kind.ROUGH else 0,
        skew_s=rng.choice([0, 60, 600]),
        latency_s=rng.choice([0, 0.05, 0.6]),
        until_s=rng.choice([300, 900]),
        jobs=rng.randint(3, 8),
        renders=rng.randint(1, 3),
        workers=rng.randint(1, 4),
        batches=rng.choice([0, 0, 0, 1, 2]),
        private=rng.choice([0, 0.3, 0.8]),
        deleted=rng.choice([0, 0, 0.3, 0.6]),
        ages=rng.random() < 0.25,
    )


def _rates(rng: random.Random, faults: frozenset[Fault]) -> dict[Fault, float]:
    return {each: rng.choice(_RATES) for each in Fault if each in faults and rng.random() < 0.4}
