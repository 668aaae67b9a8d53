"""Plots of the autoscaling benchmark. Enters: what it found. Leaves: PNG files in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from matplotlib.figure import Figure

from bench.arrivals import TRACES, long_jobs
from bench.autoscaling import ISSUE_5613, WAYS
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from bench.autoscaling import Summary
    from bench.fleet import Outcome

#: Of Okabe and Ito (2008): told apart by people who see colours otherwise, too.
COLOURS: Final = ("#000000", "#999999", "#D55E00", "#E69F00", "#0072B2", "#56B4E9", "#009E73")
MARKERS: Final = "osD^vPX"
DPI: Final = 110
FOUND, USEFUL, WAITING = "#CC3311", "#009E73", "#0072B2"


def draw(found: Mapping[tuple[str, str], Summary], folder: Path) -> None:
    """Draw all of them."""
    for name, figure in {"cost": cost(found), "viral": fleets("viral"), "5613": issue_5613()}.items():
        figure.savefig(folder / f"autoscaling-{name}.png", dpi=DPI)


def cost(found: Mapping[tuple[str, str], Summary]) -> Figure:
    """What a video costs, and how long people wait for it, by trace."""
    figure = Figure(figsize=(12, 3.9), layout="constrained")
    axes = figure.subplots(1, len(TRACES), sharey=True)
    for axis, trace in zip(axes, TRACES, strict=True):
        for name, colour, marker in zip(WAYS, COLOURS, MARKERS, strict=True):
            summary = found[trace, name]
            wait_s = max(0.0, summary.wait_s(95, Priority.INTERACTIVE))
            axis.scatter(wait_s, summary.dollars_a_video, s=70, color=colour, marker=marker, label=name, zorder=3)
        axis.set(title=trace, xlabel="p95 wait (s)", yscale="log", ylim=(0.004, 0.3))
        axis.set_xscale("symlog", linthresh=10)
        axis.set_xlim(-1, 10_000)
        axis.set_xticks([0, 10, 100, 1000], ["0", "10", "100", "1000"])
        axis.grid(visible=True, color="#dddddd")
    axes[0].set(ylabel="a video ($)")
    axes[0].set_yticks([0.005, 0.01, 0.02, 0.05, 0.1, 0.2], ["0.005", "0.01", "0.02", "0.05", "0.1", "0.2"])
    axes[0].minorticks_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(WAYS), frameon=False)
    return figure


def fleets(trace: str) -> Figure:
    """Workers there and at work, and who waits, over the time of one trace."""
    names = [name for name in WAYS if name not in ("prometheus", "4 always on")]
    figure = Figure(figsize=(10, 9), layout="constrained")
    axes = figure.subplots(len(names), 1, sharex=True)
    wishes = TRACES[trace](0)
    for axis, name in zip(axes, names, strict=True):
        outcome = WAYS[name].run(wishes, seed=0)
        hours = [each.at_s / 3600 for each in outcome.moments]
        workers = [each.workers for each in outcome.moments]
        # One pod a job makes more pods than there may be nodes: the rest waits.
        most = outcome.cluster.max_workers
        axis.fill_between(hours, [min(most, each) for each in workers], color="#cccccc", step="post", label="workers")
        rendering = [each.rendering for each in outcome.moments]
        axis.fill_between(hours, rendering, color=USEFUL, step="post", label="workers that render")
        axis.plot(
            hours, [each.waiting for each in outcome.moments], color=WAITING, linewidth=1, label="wishes that wait"
        )
        axis.set(ylim=(0, 45), xlim=(0, 8.5))
        axis.set_title(
            f"{name}: p95 wait {max(0.0, outcome.wait_s(95)):.0f} s, {outcome.wasted} of {len(outcome.workers)} pods "
            f"wasted, ${outcome.dollars_a_video:.4f} a video",
            loc="left",
            fontsize=10,
        )
    axes[-1].set(xlabel="hours")
    axes[0].legend(loc="upper right", frameon=False, ncols=3)
    return figure


def issue_5613() -> Figure:
    """Pods of the first jobs: bars that rendered, and strokes that found nothing."""
    names = ["gcp-pubsub, seen after 90 s", "ours, with a worker of one message", "ours, as deployed"]
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    axis = figure.subplots()
    for place, name in enumerate(names):
        pods(axis, ISSUE_5613[name].run(long_jobs(0), seed=0), place)
    for wish in long_jobs(0):
        axis.axvline(wish.at_s / 60, color=WAITING, linewidth=1, linestyle=":")
    axis.set(
        yticks=range(len(names)), yticklabels=names, xlim=(0, 120), xlabel="minutes", ylim=(len(names) - 0.5, -0.7)
    )
    figure.suptitle(
        "Dotted: ten minutes of work are wished. Green: a pod that works. Red: a pod that finds nothing.", fontsize=10
    )
    return figure


def pods(axis: Axes, outcome: Outcome, place: int) -> None:
    """One line of that plot."""
    for worker in outcome.workers:
        left_s = outcome.ends_s if worker.left_s is None else worker.left_s
        width = max(0.4, (left_s - worker.created_s) / 60)
        colour, height = (FOUND, 0.7) if worker.is_wasted else (USEFUL, 0.5)
        axis.barh(place, width, left=worker.created_s / 60, height=height, color=colour)
