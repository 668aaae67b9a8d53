"""Whether estimates hold: of each wish of a trace, what it would have been told, and what came.

Run as ``make bench-estimates``, or ``python -m bench.estimates --every 5``; ``--record`` makes the traces anew, by the
simulator of bench/fleet.py.
"""

from __future__ import annotations

import argparse
import random
import statistics
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from bench import arrivals
from bench.cluster import Cluster
from bench.findings import Finding, add_json_option, report
from bench.fleet import simulate
from bench.keda import ScaledJob
from bench.replay import Replay, Shown, Tried, read_trace, share_held, write_trace
from shared.estimates import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.arrivals import Wish
    from bench.fleet import Outcome

FOLDER: Final = Path(__file__).parent / "traces"
#: Of the recorded ones.
SEED: Final = 7
HOUR_S: Final = arrivals.HOUR_S
CLUSTER: Final = Cluster()
#: What a deployment of size ``standard`` is told of its cluster; a worker is asked for at KEDA's next look.
FLEET: Final = Fleet(
    most=CLUSTER.max_workers,
    renders_a_worker=ScaledJob().target,
    starts_after_s=(
        CLUSTER.node_boot_s[0] + CLUSTER.image_s + CLUSTER.pod_s,
        CLUSTER.node_boot_s[1] + CLUSTER.image_s + CLUSTER.pod_s + ScaledJob().polling_s,
    ),
    warm_s=CLUSTER.warm_s,
    bulk_at_most=CLUSTER.bulk_at_most,
)
#: Frames of a usual render, and of each third one, which takes twice as long.
FRAMES: Final = (33, 66)
EVERY_THIRD: Final = 3
#: How many intervals of a hundred are to hold, and how far from that it may be.
MEANT: Final = 80
FURTHEST: Final = 5


def evening(seed: int) -> list[Wish]:
    """Three hours of the busiest day that bench/arrivals.py has."""
    return [each for each in arrivals.daily(seed) if 17 * HOUR_S <= each.at_s < 20 * HOUR_S]


def manifests(seed: int) -> list[Wish]:
    """Three manifests of 120 within six hours, and one person every two minutes."""
    draw = random.Random(f"{seed} manifests")
    people = arrivals.poisson(draw, rate=lambda _: 1 / 120, highest=1 / 120, ends_s=6 * HOUR_S)
    rows = [begins_s + 0.005 * row for begins_s in (HOUR_S, 3 * HOUR_S, 5 * HOUR_S) for row in range(120)]
    return arrivals.wishes(people, rows, seed=seed)


WISHES: Final[Mapping[str, Callable[[int], list[Wish]]]] = {
    "steady": arrivals.steady,
    "bursty": arrivals.bursty,
    "viral": arrivals.viral,
    "evening": evening,
    "manifests": manifests,
}


def mixed(wishes: Sequence[Wish]) -> list[Wish]:
    """The wishes, each third of which is twice as much work."""
    return [replace(each, render_s=each.render_s * 2) if each.number % EVERY_THIRD == 0 else each for each in wishes]


def trace_of(outcome: Outcome) -> list[Tried]:
    """What a trace has of a simulated run."""
    cluster, seen = outcome.cluster, set[int]()
    trace = []
    for each in sorted(outcome.attempts, key=lambda each: each.began_s):
        is_first = each.worker not in seen
        seen.add(each.worker)
        trace.append(
            Tried(
                number=each.wish.number,
                priority=each.wish.priority,
                frames=FRAMES[each.wish.number % EVERY_THIRD == 0],
                wished_s=each.wish.at_s,
                claimed_s=each.began_s,
                ended_s=each.ended_s + (cluster.notify_s if each.is_done else 0),
                load_s=cluster.model_s if is_first else 0.0,
                worker=f"worker-{each.worker}",
                is_done=each.is_done,
            )
        )
    return trace


def simulated(name: str, *, seed: int) -> list[Tried]:
    """A trace of the simulator."""
    wishes = mixed(WISHES[name](seed))
    return trace_of(simulate(wishes, scaling=ScaledJob(), cluster=CLUSTER, seed=seed))


def findings(moment: str, shown: Mapping[str, Sequence[Shown]]) -> list[Finding]:
    """Of what was told at some moment of each wish: the share of intervals that held, by trace and of all.

    Each trace counts the same, however many wishes it has.
    """
    shares = {name: 100 * share_held(looks) for name, looks in shown.items()}
    all_alike = statistics.mean(shares.values())
    return [
        *(
            Finding(what=f"{moment}, {name}: intervals that held", measured=each, unit="%")
            for name, each in shares.items()
        ),
        Finding(what=f"{moment}, all traces: intervals that held", measured=all_alike, unit="%"),
        Finding(
            what=f"{moment}, all traces: how far that is from {MEANT} %",
            measured=abs(all_alike - MEANT),
            unit="points",
            goal=FURTHEST,
        ),
    ]


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.estimates", description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="simulate the traces anew and write them down")
    parser.add_argument("--seed", type=int, help="simulate others by this seed (default: those that were recorded)")
    parser.add_argument("--every", type=int, default=1, help="look at one in so many wishes (default: all)")
    add_json_option(parser)
    arguments = parser.parse_args()
    console, firsts, laters = Console(), dict[str, list[Shown]](), dict[str, list[Shown]]()
    table = Table(title="Intervals of 80 % that held", title_justify="left")
    for column in ("trace", "wishes", "told when wished", "held", "median width", "held while made"):
        table.add_column(column, justify="left" if column == "trace" else "right")
    for name in WISHES:
        path = FOLDER / f"{name}.csv"
        if arguments.record:
            FOLDER.mkdir(exist_ok=True)
            write_trace(path, simulated(name, seed=SEED))
        trace = read_trace(path) if arguments.seed is None else simulated(name, seed=arguments.seed)
        replay = Replay(trace)
        first = firsts[name] = list(replay.first_looks(fleet=FLEET, every=arguments.every))
        later = laters[name] = list(replay.later_looks(fleet=FLEET, every=arguments.every))
        widths_s = sorted(each.eta.high - each.eta.low for each in first if each.eta)
        told = f"{len(widths_s) / len(first):.1%}"
        width = f"{widths_s[len(widths_s) // 2]} s"
        table.add_row(name, str(len(first)), told, f"{share_held(first):.1%}", width, f"{share_held(later):.1%}")
    console.print(table)
    found = findings("told when wished", firsts) + findings("told while made", laters)
    report("Estimates: intervals of 80 %, on recorded traces", found, console=console, json_path=arguments.json)


if __name__ == "__main__":
    main()
