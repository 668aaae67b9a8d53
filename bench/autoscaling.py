"""How long people wait, how many pods find nothing and what a video costs, by the way in which workers are started.

Nothing is started: arrivals, nodes and workers are simulated (bench/arrivals.py, bench/fleet.py) with KEDA's own
arithmetic (bench/keda.py). Every way gets the same wishes, and the same command prints the same figures.

Run as ``make bench-autoscaling``, or ``python -m bench.autoscaling --seeds 3 --pictures docs/pictures``. With
``--times 10`` the daily trace alone, at ten times its rate.
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from bench.arrivals import TRACES, daily, long_jobs
from bench.cluster import AlwaysOn, Cluster, PodPerJob, Scaling
from bench.findings import Finding, add_json_option, report
from bench.fleet import simulate
from bench.keda import GCP_PUBSUB, METRICS_API, PROMETHEUS, Reads, ScaledJob, Strategy
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bench.arrivals import Wish
    from bench.fleet import Outcome


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A way to start workers, on a cluster."""

    scaling: Scaling
    cluster: Cluster = field(default_factory=Cluster)

    def run(self, wishes: Sequence[Wish], *, seed: int) -> Outcome:
        """Simulate it."""
        return simulate(wishes, scaling=self.scaling, cluster=self.cluster, seed=seed)


OURS: Final = ScaledJob()
BEFORE: Final = Setup(scaling=replace(OURS, target=1), cluster=Cluster(patience_s=30, bulk_at_most=12))
#: Other triggers with our worker and our manifest, so that the trigger alone differs.
WAYS: Final[Mapping[str, Setup]] = {
    "ours: metrics-api": Setup(scaling=OURS),
    "ours, before ADR 21": BEFORE,
    "gcp-pubsub": Setup(scaling=replace(OURS, trigger=GCP_PUBSUB)),
    "prometheus": Setup(scaling=replace(OURS, trigger=PROMETHEUS)),
    "16 always on": Setup(scaling=AlwaysOn(workers=16)),
    "4 always on": Setup(scaling=AlwaysOn(workers=4)),
    "one pod a job": Setup(scaling=PodPerJob()),
}
#: `accurate` and `eager` are made for a count without what is being made, `default` for one with it.
WAITING: Final = replace(METRICS_API, reads=Reads.WAITING)
STRATEGIES: Final[Mapping[str, Setup]] = {
    f"{strategy}, {trigger.reads}": Setup(scaling=replace(OURS, strategy=strategy, trigger=trigger))
    for trigger in (METRICS_API, WAITING)
    for strategy in Strategy
}
SETTINGS: Final[Mapping[str, Setup]] = {
    f"{target} a worker, PATIENCE_S {patience_s}, WARM_S {warm_s}": Setup(
        scaling=replace(OURS, target=target),
        cluster=Cluster(patience_s=patience_s, warm_s=warm_s, bulk_at_most=12 * target),
    )
    for target in (1, 2, 3)
    for patience_s, warm_s in ((30, 600), (600, 600), (180, 180))
}
#: A deployment of size ``standard``.
NOW: Final = Cluster()


def grown(times: int) -> dict[str, Setup]:
    """Ours with as many workers as now, and with so many times as many, of which bulk has the same share."""
    bulk = NOW.bulk_at_most or 0
    clusters = (NOW, replace(NOW, max_workers=times * NOW.max_workers, bulk_at_most=times * bulk))
    return {f"{each.max_workers} workers": Setup(scaling=OURS, cluster=each) for each in clusters}


#: KEDA's issue 5613: pods take one message of ten minutes and leave, or find none and leave at once; nodes are there.
ONE_MESSAGE: Final = Cluster(
    max_workers=100, bulk_at_most=None, node_idle_s=3600, patience_s=0, warm_s=0, preemptions_an_hour=0
)
#: KEDA's own default, as in the issue.
POLLING_S: Final = 30.0
#: Percent of the pods.
GOAL_WASTED: Final = 5


def in_issue_5613(visible_after_s: tuple[float, float]) -> Setup:
    """The trigger of the issue, with that delay of its metric."""
    trigger = replace(GCP_PUBSUB, visible_after_s=visible_after_s)
    return Setup(scaling=ScaledJob(trigger=trigger, polling_s=POLLING_S, target=1), cluster=ONE_MESSAGE)


ISSUE_5613: Final[Mapping[str, Setup]] = {
    "gcp-pubsub, seen after 0 to 120 s": in_issue_5613((0, 120)),
    "gcp-pubsub, seen after 90 s": in_issue_5613((90, 90)),
    "gcp-pubsub, seen after 120 s": in_issue_5613((120, 120)),
    "ours, with a worker of one message": Setup(scaling=replace(OURS, target=1), cluster=ONE_MESSAGE),
    "ours, as deployed": Setup(scaling=OURS),
}


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Several runs of a setup, together."""

    outcomes: Sequence[Outcome]

    def wait_s(self, percent: int, priority: Priority) -> float:
        """That percentile of the waits of all runs; not a number without any."""
        waits_s = [wait_s for each in self.outcomes for wait_s in each.waits_s(priority)]
        return statistics.quantiles(waits_s, n=100, method="inclusive")[percent - 1] if waits_s else math.nan

    @property
    def videos(self) -> int:
        """Finished renders."""
        return sum(len(each.waits_s()) for each in self.outcomes)

    @property
    def pods(self) -> int:
        """Pods that were started."""
        return sum(len(each.workers) for each in self.outcomes)

    @property
    def wasted(self) -> int:
        """Those of them that found nothing."""
        return sum(each.wasted for each in self.outcomes)

    @property
    def gpu_s_a_video(self) -> float:
        """Paid seconds of nodes."""
        return sum(each.gpu_s for each in self.outcomes) / self.videos

    @property
    def dollars_a_video(self) -> float:
        """At the price of the first cluster."""
        return self.gpu_s_a_video * self.outcomes[0].cluster.price_an_hour / 3600


def summarize(setup: Setup, trace: Callable[[int], list[Wish]], seeds: Iterable[int]) -> Summary:
    """Run the trace of each seed."""
    return Summary(outcomes=[setup.run(trace(seed), seed=seed) for seed in seeds])


def table_of(title: str, first: str) -> Table:
    """An empty table of setups."""
    table = Table(title=title, title_justify="left")
    table.add_column(first)
    for column in ("p50 wait", "p95 wait", "p95 of bulk", "pods", "wasted", "GPU s a video", "a video"):
        table.add_column(column, justify="right")
    return table


def row(name: str, summary: Summary) -> list[str]:
    """Of such a table."""
    p50_s, p95_s = (summary.wait_s(percent, Priority.INTERACTIVE) for percent in (50, 95))
    bulk_s = summary.wait_s(95, Priority.BULK)
    return [
        name,
        f"{abs(p50_s):.0f} s",
        f"{abs(p95_s):.0f} s",
        "" if math.isnan(bulk_s) else f"{bulk_s:.0f} s",
        str(summary.pods),
        f"{summary.wasted / summary.pods:.1%}",
        f"{summary.gpu_s_a_video:.0f}",
        f"${summary.dollars_a_video:.4f}",
    ]


def compare(
    console: Console,
    title: str,
    setups: Mapping[str, Setup],
    traces: Mapping[str, Callable[[int], list[Wish]]],
    seeds: Sequence[int],
) -> dict[tuple[str, str], Summary]:
    """Print one table a trace."""
    found = {}
    for trace, wishes in traces.items():
        table = table_of(f"{title}: {trace}", "way")
        for name, setup in setups.items():
            found[trace, name] = summarize(setup, wishes, seeds)
            table.add_row(*row(name, found[trace, name]))
        console.print(table)
    return found


def reproduce(console: Console, seeds: Sequence[int]) -> None:
    """Print KEDA's issue 5613."""
    table = Table(title="KEDA #5613: ten-minute jobs, one at a time", title_justify="left")
    for column in ("way", "jobs", "pods", "useless a real one", "wasted"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name, setup in ISSUE_5613.items():
        summary = summarize(setup, long_jobs, seeds)
        useless = summary.wasted / (summary.pods - summary.wasted)
        table.add_row(
            name, str(summary.videos), str(summary.pods), f"{useless:.1f}", f"{summary.wasted / summary.pods:.1%}"
        )
    console.print(table)


def findings_of(found: Mapping[tuple[str, str], Summary]) -> list[Finding]:
    """Ours, on each trace: what is wasted, and what a video costs beside workers that are always on."""
    ours, always_on = "ours: metrics-api", "16 always on"
    wasted = [
        Finding(what=f"pods that find nothing, {trace}", measured=share, unit="%", goal=GOAL_WASTED)
        for trace in TRACES
        for share in [100 * found[trace, ours].wasted / found[trace, ours].pods]
    ]
    cost = [
        Finding(
            what=f"GPU seconds a video, {trace}; the floor: {always_on}",
            measured=found[trace, ours].gpu_s_a_video,
            unit="s",
            floor=found[trace, always_on].gpu_s_a_video,
        )
        for trace in TRACES
    ]
    return wasted + cost


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.autoscaling", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs of each, with seeds from 0 (default: 3)")
    parser.add_argument(
        "--times", type=int, default=1, help="the daily trace alone, so many times as much of it (default: all, once)"
    )
    parser.add_argument("--pictures", type=Path, help="folder to draw plots in (default: draw none)")
    add_json_option(parser)
    arguments = parser.parse_args()
    console, seeds = Console(), range(arguments.seeds)
    if arguments.times > 1:
        much = partial(daily, times=arguments.times)
        compare(console, f"{arguments.times} times as much", grown(arguments.times), {"daily": much}, seeds)
        return
    reproduce(console, seeds)
    found = compare(console, "Ways", WAYS, TRACES, seeds)
    compare(console, "Strategies", STRATEGIES, {"daily": daily}, seeds)
    compare(console, "Settings", SETTINGS, {each: TRACES[each] for each in ("steady", "bursty")}, seeds)
    if arguments.pictures:
        from bench import autoscaling_plots  # noqa: PLC0415 - matplotlib takes a second, and tables need none

        autoscaling_plots.draw(found, arguments.pictures)
    report("Autoscaling, simulated", findings_of(found), console=console, json_path=arguments.json)


if __name__ == "__main__":
    main()
