"""Wishes as they might arrive: steady, bursty, daily, viral, and many in bulk beside a few people.

Enters: a seed. Leaves: a list of wishes, in order of time. A wish brings the seconds of its render along, so every
way of scaling has the same work to do.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

HOUR_S: Final = 3600.0
DAY_S: Final = 24 * HOUR_S
#: One clip of five seconds at 832x480 on an L4: docs/deploy.md, an estimate there.
RENDER_S: Final = 45.0
#: How far seconds of equal renders differ (sigma of a log-normal): an estimate. Equal specs have equal steps.
RENDER_SPREAD: Final = 0.1


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A render that somebody waits for."""

    #: Its place in the trace.
    number: int
    #: When it is published, in seconds from the beginning.
    at_s: float
    #: How long a worker with the model loaded takes for it.
    render_s: float
    priority: Priority = Priority.INTERACTIVE


def poisson(draw: random.Random, *, rate: Callable[[float], float], highest: float, ends_s: float) -> Iterator[float]:
    """Times of a Poisson process whose rate (a second) changes, by thinning (Lewis and Shedler, 1979).

    Raises:
        ValueError: the rate was above the highest.
    """
    at_s = 0.0
    while (at_s := at_s + draw.expovariate(highest)) < ends_s:
        if (now := rate(at_s)) > highest:
            raise ValueError(f"{now} a second is more than the highest, {highest}")
        if draw.random() * highest < now:
            yield at_s


def wishes(interactive: Iterable[float], bulk: Iterable[float] = (), *, seed: int) -> list[Wish]:
    """Of times: in order, each with the seconds of its render."""
    draw = random.Random(f"{seed} renders")
    times = [(at_s, Priority.INTERACTIVE) for at_s in interactive] + [(at_s, Priority.BULK) for at_s in bulk]
    mean = math.log(RENDER_S) - RENDER_SPREAD**2 / 2
    return [
        Wish(number=number, at_s=at_s, render_s=draw.lognormvariate(mean, RENDER_SPREAD), priority=priority)
        for number, (at_s, priority) in zip(count(), sorted(times, key=lambda each: each[0]), strict=False)
    ]


def steady(seed: int) -> list[Wish]:
    """One a minute for eight hours: three quarters of one GPU."""
    draw = random.Random(f"{seed} steady")
    return wishes(poisson(draw, rate=lambda _: 1 / 60, highest=1 / 60, ends_s=8 * HOUR_S), seed=seed)


def bursty(seed: int) -> list[Wish]:
    """Every 40 minutes on average 5 to 40 wishes within a minute, and nothing between; for 12 hours."""
    draw = random.Random(f"{seed} bursty")
    bursts = poisson(draw, rate=lambda _: 1 / 2400, highest=1 / 2400, ends_s=12 * HOUR_S)
    return wishes([at_s + draw.uniform(0, 60) for at_s in bursts for _ in range(draw.randint(5, 40))], seed=seed)


def daily(seed: int, *, times: int = 1) -> list[Wish]:
    """A day of 2 000 wishes, most at 20 h and a tenth of that at 8 h, and a plan of 200 in bulk at three.

    Args:
        seed: of the chance.
        times: so many times as much of everything.
    """
    draw = random.Random(f"{seed} daily")
    highest = times * 2000 / DAY_S / 0.55  # the mean of the curve below is 0.55 of its top

    def rate(at_s: float) -> float:
        return highest * (0.55 - 0.45 * math.cos(2 * math.pi * (at_s / DAY_S - 20 / 24 + 0.5)))

    people = poisson(draw, rate=rate, highest=highest, ends_s=DAY_S)
    return wishes(people, [3 * HOUR_S + 0.05 * row for row in range(200 * times)], seed=seed)


def viral(seed: int) -> list[Wish]:
    """One in three minutes; after two hours 60 times as many within ten minutes, halved every 20 minutes."""
    draw = random.Random(f"{seed} viral")
    usual, peak, begins_s, rises_s, halves_s = 1 / 180, 60 / 180, 2 * HOUR_S, 600.0, 1200.0

    def rate(at_s: float) -> float:
        since_s = at_s - begins_s
        if since_s < 0:
            return usual
        return usual + (peak - usual) * min(since_s / rises_s, math.exp2((rises_s - since_s) / halves_s))

    return wishes(poisson(draw, rate=rate, highest=peak, ends_s=8 * HOUR_S), seed=seed)


def bulk(seed: int) -> list[Wish]:
    """A manifest of 1 500 at once, and one person every two minutes for four hours."""
    draw = random.Random(f"{seed} bulk")
    people = poisson(draw, rate=lambda _: 1 / 120, highest=1 / 120, ends_s=4 * HOUR_S)
    return wishes(people, [600 + 0.005 * row for row in range(1500)], seed=seed)


def long_jobs(seed: int) -> list[Wish]:
    """Those of KEDA's issue 5613: ten minutes each, one at a time. Here 100, one each half hour."""
    draw = random.Random(f"{seed} long")
    return [Wish(number=number, at_s=1800.0 * number + draw.uniform(0, 900), render_s=600.0) for number in range(100)]


TRACES: Final[dict[str, Callable[[int], list[Wish]]]] = {
    "steady": steady,
    "bursty": bursty,
    "daily": daily,
    "viral": viral,
    "bulk": bulk,
}
