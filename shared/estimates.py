"""Estimates: when a render will be final. Enters: the queue, who works, what was finished lately, what may be started.

Leaves: seconds from now, with an interval that holds for four of five. The future is played a hundred times with
seconds drawn from what was seen: who works finishes, workers that the autoscaler has asked for begin, whoever is free
takes the next render, as `gpu_job.message_source.turns` has it. The same question at the same moment gets the same
answer.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from datetime import timedelta
from itertools import product
from typing import TYPE_CHECKING, Final

from shared.documents import Stage, State
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shared.crew import Presence
    from shared.documents import Render
    from shared.durations import Durations, History

#: Futures that are played: enough for tenths.
FUTURES: Final = 100
#: One in ten is sooner than the first, one in ten later than the last.
LOW, MIDDLE, HIGH = 0.1, 0.5, 0.9
#: Who is idle pulls again within this, in seconds: a render that waits longer has found nobody idle.
IDLE_PULL_S: Final = 6.0
#: One in so many turns begins with bulk: `gpu_job.message_source.BULK_SHARE`; a test compares.
BULK_SHARE: Final = 5
#: Renders before this one that are played one by one; those beyond pass at the pace of these.
MOST_PLAYED: Final = 150
#: Below this, in percent, progress says nothing about drawing: a model is loaded.
LEAST_PROGRESS: Final = 10
#: Draws of a whole that is longer than what has passed, before it counts as longer than any that was seen.
DRAWS: Final = 20
#: How far a whole line may pass sooner or later than that (sigma of a log-normal): workers are taken away, come late
#: or leave. Of simulated manifests of 120.
LINE_SPREAD: Final = 0.06
#: Wishes of the last so many seconds that still wait are a crowd.
CROWD_S: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What the autoscaler may start."""

    #: Workers at a time.
    most: int
    #: Renders that are to do, for each worker that is wanted.
    renders_a_worker: float
    #: From the wish that asks for a worker to that worker's first pull, in seconds: at least, at most.
    starts_after_s: tuple[float, float]
    #: How long a worker stays that finds nothing, in seconds.
    warm_s: float
    #: Renders of bulk that count for it; None: all.
    bulk_at_most: int | None = None

    def wanted(self, to_do: Mapping[Priority, int]) -> int:
        """Workers that it wants for so many renders."""
        bulk = to_do.get(Priority.BULK, 0)
        counted = to_do.get(Priority.INTERACTIVE, 0) + min(bulk, self.bulk_at_most or bulk)
        return min(self.most, math.ceil(counted / self.renders_a_worker))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What is to be seen of the service at a moment."""

    now: datetime
    history: History
    #: Renders with a live lease.
    working: Sequence[Render]
    #: Renders that wait or are being made.
    to_do: Mapping[Priority, int]
    #: The first some dozens of the renders that wait, the oldest first.
    waiting: Sequence[Render]
    #: Who said lately that it is there, whether it works or not; None: nobody knows, so it is guessed.
    present: Sequence[Presence] | None = None
    #: Workers finish what they have and leave, and none is started: nobody knows until when.
    is_draining: bool = False


@dataclass(frozen=True, kw_only=True)
class Eta:
    """Whole seconds from now."""

    #: It is as likely sooner as later.
    seconds: int
    #: It is sooner than that for one in ten.
    low: int
    #: It is later than that for one in ten.
    high: int


def estimate(render: Render, *, ahead: int, scene: Scene, fleet: Fleet) -> Eta | None:
    """When a render that waits or is being made will be final; None where nothing is known of such renders.

    None, too, for one that waits while workers are drained: what is being made is finished, and nothing is begun.

    Args:
        render: as it is now.
        ahead: renders of the same priority that were wished for before it and are to do, made ones included.
        scene: what else there is.
        fleet: what may come.
    """
    chance = random.Random(render.render_key)  # noqa: S311 - no secret
    if render.state is State.LEASED:
        left = _Left.of(render, scene)
        futures = [left.draw(chance) for _ in range(FUTURES)] if left else []
    elif scene.is_draining:
        futures = []
    else:
        line = _Line.of(render, ahead=ahead, scene=scene, fleet=fleet)
        futures = [line.play(chance) for _ in range(FUTURES)] if line else []
    if not futures:
        return None
    futures.sort()
    low, high = _interval(futures)
    return Eta(seconds=round(futures[round(MIDDLE * (FUTURES - 1))]), low=low, high=high)


def _interval(futures: Sequence[float]) -> tuple[int, int]:
    """The whole seconds that have in them what is nearest to four of five futures, which are in order.

    Rounded outwards both, an interval of few seconds would have more of them, by as much as a second is of it.
    """
    low, high = (futures[round(part * (FUTURES - 1))] for part in (LOW, HIGH))

    def is_off(ends: tuple[int, int]) -> float:
        return abs(sum(ends[0] <= each <= ends[1] for each in futures) / FUTURES - (HIGH - LOW))

    lows, highs = (math.floor(low), math.ceil(low)), (math.floor(high), math.ceil(high))
    return min(product(lows, highs), key=is_off)


@dataclass(frozen=True, kw_only=True)
class _Left:
    """What a render that is being made still takes."""

    takes: Durations
    loads: Durations | None
    elapsed_s: float
    progress: int

    @classmethod
    def of(cls, render: Render, scene: Scene) -> _Left | None:
        history = scene.history
        device = history.device_of(render.holder)
        takes = history.of(render.spec, device=device)
        if takes is None or render.claimed_at is None:
            return None
        # A worker that has finished something has its model loaded, as far as anybody can know.
        loads = history.load_s(render.spec.model) if device is None else None
        elapsed_s = max(0.0, (scene.now - render.claimed_at).total_seconds())
        progress = 0 if render.stage is Stage.LOADING else render.progress
        return cls(takes=takes, loads=loads, elapsed_s=elapsed_s, progress=progress)

    def draw(self, chance: random.Random) -> float:
        """Of a whole that is longer than what has passed, the rest; the further it is, the more its own pace counts."""
        wholes = (self.takes.draw(chance) + (self.loads.draw(chance) if self.loads else 0.0) for _ in range(DRAWS))
        left_s = next((whole_s - self.elapsed_s for whole_s in wholes if whole_s > self.elapsed_s), None)
        if left_s is None:
            left_s = chance.random() * max(1.0, self.elapsed_s - min(self.takes.seconds))
        if self.progress < LEAST_PROGRESS:
            return left_s
        share = self.progress / 100
        drawing_s = self.elapsed_s - min(self.elapsed_s, self.loads.draw(chance) if self.loads else 0.0)
        return (1 - share) * left_s + share * drawing_s * (1 - share) / share


@dataclass(frozen=True, kw_only=True)
class _Idle:
    """Workers that wait for more."""

    #: All of them.
    workers: int
    #: Those that render with the model and have it loaded.
    warm: int
    #: Those that have to load it first.
    cold: int

    @classmethod
    def of(cls, render: Render, scene: Scene, fleet: Fleet) -> _Idle:
        """As they say themselves; who has finished nothing lately has loaded nothing, as far as anybody can know."""
        if scene.present is None:
            return cls._guessed(render, scene, fleet)
        at_work = {each.holder for each in scene.working}
        idle = [each for each in scene.present if each.holder not in at_work]
        able = [each for each in idle if render.spec.model in each.models]
        warm = sum(scene.history.device_of(each.holder) is not None for each in able)
        return cls(workers=len(idle), warm=warm, cold=len(able) - warm)

    @classmethod
    def _guessed(cls, render: Render, scene: Scene, fleet: Fleet) -> _Idle:
        """Who has finished something lately; nobody where something has waited longer than who is idle looks away."""
        since = min([render.created_at, *(each.created_at for each in scene.waiting)])
        if (scene.now - since).total_seconds() > IDLE_PULL_S:
            return cls(workers=0, warm=0, cold=0)
        here = scene.history.holders_since(scene.now - timedelta(seconds=fleet.warm_s))
        idle = len(here - {each.holder for each in scene.working})
        return cls(workers=idle, warm=idle, cold=0)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A render that waits, and what is before it."""

    mine: Priority
    #: Renders of the same priority that go first.
    before: int
    #: Renders of the other priority that wait.
    other: int
    #: How many of the other priority come in a second that go before this one; none before an interactive one.
    others_a_second: float
    takes: Durations
    #: What those before it take: seconds of one of each kind that waits.
    others: Sequence[Durations]
    loads: Durations | None
    busy: Sequence[_Left]
    idle: _Idle
    scene: Scene
    fleet: Fleet

    @classmethod
    def of(cls, render: Render, *, ahead: int, scene: Scene, fleet: Fleet) -> _Line | None:
        takes = scene.history.of(render.spec)
        if takes is None:
            return None
        of_waiting = [scene.history.of(each.spec) for each in scene.waiting]
        others = [each for each in of_waiting if each] or [takes]
        waiting = dict(scene.to_do)
        for each in scene.working:
            waiting[each.priority] = max(0, waiting.get(each.priority, 0) - 1)
        mine = render.priority
        being_made = sum(each.priority is mine and each.created_at < render.created_at for each in scene.working)
        return cls(
            mine=mine,
            before=max(0, ahead - being_made),
            other=waiting.get(Priority.BULK if mine is Priority.INTERACTIVE else Priority.INTERACTIVE, 0),
            others_a_second=(
                scene.history.wishes_a_second(Priority.INTERACTIVE, now=scene.now) if mine is Priority.BULK else 0.0
            ),
            takes=takes,
            others=others,
            loads=scene.history.load_s(render.spec.model),
            busy=[left for each in scene.working if (left := _Left.of(each, scene))],
            idle=_Idle.of(render, scene, fleet),
            scene=scene,
            fleet=fleet,
        )

    def play(self, chance: random.Random) -> float:
        """Seconds until it is final, in one future."""
        others = [each.resampled(chance) for each in self.others]
        # When each worker is free, and whether it must load its model.
        free = [(left.draw(chance), False) for left in self.busy]
        free += [(0.0, False)] * self.idle.warm + [(0.0, True)] * self.idle.cold
        free += [(self._comes_in(ago_s, chance), True) for ago_s in self._asked_ago_s(chance)]
        if not free:  # who works does what nobody has seen
            free = [(chance.choice(others).draw(chance), False)]
        heapq.heapify(free)
        before, other = min(self.before, MOST_PLAYED), float(self.other)
        begun: list[float] = []
        first_s = free[0][0]
        while True:
            at_s, is_new = heapq.heappop(free)
            load_s = self.loads.draw(chance) if is_new and self.loads else 0.0
            is_turn_of_bulk = chance.random() < 1 / BULK_SHARE
            if other + at_s * self.others_a_second >= 1 and is_turn_of_bulk is (self.mine is Priority.INTERACTIVE):
                other -= 1
            elif before:
                before -= 1
                begun.append(at_s)
            else:
                break
            heapq.heappush(free, (at_s + load_s + chance.choice(others).draw(chance), False))
        beyond_s = (
            (self.before - MOST_PLAYED) * (begun[-1] - begun[0]) / len(begun) if self.before > MOST_PLAYED else 0.0
        )
        in_line_s = (at_s - first_s + beyond_s) * math.exp(chance.gauss(0, LINE_SPREAD))
        return first_s + in_line_s + load_s + self.takes.draw(chance)

    def _asked_ago_s(self, chance: random.Random) -> list[float]:
        """How long ago each worker was asked for that is wanted and not there; negative: it will be.

        It was asked for when so much was to do for the first time. Wishes that come in a crowd go on coming at that
        pace for as long again as they have, or less, and bring workers that those before them have the use of, too.
        """
        scene, present = self.scene, len(self.scene.working) + self.idle.workers
        ago_s = [(scene.now - each.created_at).total_seconds() for each in scene.waiting]
        crowd_s = [
            each
            for each, waits in zip(ago_s, scene.waiting, strict=True)
            if each <= CROWD_S and waits.priority is Priority.INTERACTIVE
        ]
        more = int(len(crowd_s) * chance.random()) if len(crowd_s) > 1 else 0
        pace_s = max(crowd_s) / len(crowd_s) if crowd_s else 0.0
        to_do = dict(scene.to_do)
        to_do[Priority.INTERACTIVE] = to_do.get(Priority.INTERACTIVE, 0) + more
        asked = []
        for number in range(present, self.fleet.wanted(to_do)):
            place = max(0, int(self.fleet.renders_a_worker * number) - len(scene.working))
            if place < len(ago_s):
                asked.append(ago_s[place])
            else:
                asked.append(-pace_s * max(0, place - sum(scene.to_do.values()) + len(scene.working)))
        return asked

    def _comes_in(self, asked_ago_s: float, chance: random.Random) -> float:
        low, high = self.fleet.starts_after_s
        if asked_ago_s < high:
            return chance.uniform(max(low, asked_ago_s), high) - asked_ago_s
        return chance.random() * asked_ago_s  # no machine was to be had so far: as long again, or less
