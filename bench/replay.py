"""Traces of renders, and the estimates that somebody would have been shown. Enters: a trace. Leaves: what held.

A trace has a line an attempt: when it was wished for, claimed and ended, by whom. At any moment of it the service's
documents are as they were then, and nothing of what came later is known.
"""

from __future__ import annotations

import csv
import random
from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from shared.documents import Render, Stage, State, Usage
from shared.durations import History
from shared.estimates import Eta, Scene, estimate
from shared.requests import Offer, Priority, RenderSpec, Request, fill_in, render_spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from shared.estimates import Fleet

BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
#: As functions/submit/etas.py reads them.
LATEST: Final = 200
OLDEST: Final = 32
#: A client asks for the first time so soon after its wish.
FIRST_LOOK_S: Final = 0.5
FIELDS: Final = ("number", "priority", "frames", "wished_s", "claimed_s", "ended_s", "load_s", "worker", "is_done")


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One attempt at a render."""

    number: int
    priority: Priority
    frames: int
    wished_s: float
    claimed_s: float
    #: When its render was final, or its worker taken away.
    ended_s: float
    load_s: float
    worker: str
    is_done: bool


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An estimate, and what came."""

    priority: Priority
    state: State
    eta: Eta | None
    came_s: float

    @property
    def has_held(self) -> bool:
        """Whether it was final within the interval."""
        return self.eta is not None and self.eta.low <= self.came_s <= self.eta.high


def read_trace(path: Path) -> list[Tried]:
    """A trace that was recorded."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Tried(
                number=int(row["number"]),
                priority=Priority(row["priority"]),
                frames=int(row["frames"]),
                wished_s=float(row["wished_s"]),
                claimed_s=float(row["claimed_s"]),
                ended_s=float(row["ended_s"]),
                load_s=float(row["load_s"]),
                worker=row["worker"],
                is_done=row["is_done"] == "1",
            )
            for row in csv.DictReader(file)
        ]


def write_trace(path: Path, trace: Iterable[Tried]) -> None:
    """Record a trace."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(FIELDS)
        for each in trace:
            times = [f"{moment_s:.1f}" for moment_s in (each.claimed_s, each.ended_s, each.load_s)]
            # To the millisecond: rows of a manifest are wished for within a second, one before the other.
            what = [each.number, each.priority.value, each.frames, f"{each.wished_s:.3f}"]
            writer.writerow([*what, *times, each.worker, int(each.is_done)])


class Replay:
    """A trace, looked at as the API looks at its documents."""

    def __init__(self, trace: Sequence[Tried]) -> None:
        self._trace = trace
        self._last = {each.number: each for each in trace if each.is_done}
        self._finished = sorted(self._last.values(), key=lambda each: each.ended_s)
        self._ended_s = [each.ended_s for each in self._finished]

    def first_looks(self, *, fleet: Fleet, every: int = 1) -> Iterator[Shown]:
        """What each wish is told as it is made; of every so many."""
        for each in sorted(self._last.values(), key=lambda each: each.wished_s)[::every]:
            yield self.look(each.number, each.wished_s + FIRST_LOOK_S, fleet=fleet)

    def later_looks(self, *, fleet: Fleet, every: int = 1) -> Iterator[Shown]:
        """What each wish is told at some moment while it is being made."""
        chance = random.Random("looks")
        for each in self._finished[::every]:
            yield self.look(each.number, chance.uniform(each.claimed_s, each.ended_s), fleet=fleet)

    def look(self, number: int, at_s: float, *, fleet: Fleet) -> Shown:
        """What is shown of a render at a moment."""
        now = BEGAN + timedelta(seconds=at_s)
        working = [each for each in self._trace if each.claimed_s <= at_s < each.ended_s]
        claimed = {each.number for each in working}
        to_do = [each for each in self._last.values() if each.wished_s <= at_s < each.ended_s]
        waiting = sorted((each for each in to_do if each.number not in claimed), key=lambda each: each.wished_s)
        mine = self._last[number]
        latest = self._finished[max(0, (end := bisect_right(self._ended_s, at_s)) - LATEST) : end]
        scene = Scene(
            now=now,
            history=History([_finished(each) for each in reversed(latest)]),
            working=[_leased(each, at_s) for each in working],
            to_do={each: sum(render.priority is each for render in to_do) for each in Priority},
            waiting=[_idle(each) for each in waiting[:OLDEST]],
        )
        ahead = sum(each.priority is mine.priority and each.wished_s < mine.wished_s for each in to_do)
        render = next((_leased(each, at_s) for each in working if each.number == number), _idle(mine))
        eta = estimate(render, ahead=ahead, scene=scene, fleet=fleet)
        return Shown(priority=mine.priority, state=render.state, eta=eta, came_s=mine.ended_s - at_s)


def share_held(shown: Iterable[Shown]) -> float:
    """Of those that were told something, the share whose interval held."""
    told = [each for each in shown if each.eta]
    return sum(each.has_held for each in told) / len(told)


def _idle(tried: Tried) -> Render:
    wished_at = BEGAN + timedelta(seconds=tried.wished_s)
    return Render(
        render_key=f"{tried.number:040x}",
        state=State.IDLE,
        spec=_spec(tried.frames),
        priority=tried.priority,
        created_at=wished_at,
        updated_at=wished_at,
        expires_at=wished_at,
    )


def _leased(tried: Tried, at_s: float) -> Render:
    passed_s, whole_s = at_s - tried.claimed_s, tried.ended_s - tried.claimed_s
    is_loading = passed_s < tried.load_s
    progress = 0 if is_loading else int(100 * (passed_s - tried.load_s) / max(1.0, whole_s - tried.load_s))
    changes = {
        "state": State.LEASED,
        "holder": tried.worker,
        "claimed_at": BEGAN + timedelta(seconds=tried.claimed_s),
        "stage": Stage.LOADING if is_loading else Stage.RENDERING,
        # A worker that is taken away is not on its way to an end that anybody could know of.
        "progress": progress if tried.is_done else 0,
    }
    return _idle(tried).model_copy(update=changes)


def _finished(tried: Tried) -> Render:
    usage = Usage(load_s=tried.load_s, render_s=0, encode_s=0, device="NVIDIA L4")
    changes = {
        "state": State.COMPLETED,
        "holder": tried.worker,
        "claimed_at": BEGAN + timedelta(seconds=tried.claimed_s),
        "finished_at": BEGAN + timedelta(seconds=tried.ended_s),
        "usage": usage,
    }
    return _idle(tried).model_copy(update=changes)


@cache
def _spec(frames: int) -> RenderSpec:
    offer = Offer(served=("pocket",), seed_pool=1)
    request = fill_in(Request(perspective="curious-cat"), job_id="example-job", offer=offer)
    return render_spec(request, owner="nobody", offer=offer).model_copy(update={"frames": frames})
