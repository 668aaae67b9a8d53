"""Plot of the load benchmark: memory of every process while jobs are completed. Enters: its numbers. Leaves: a PNG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DPI = 110


def draw(found: Mapping[str, Any], path: Path) -> None:
    """What is deployed above, emulators below."""
    samples, memory = found["samples"], found["memory"]
    figure = Figure(figsize=(9, 7.5), layout="constrained")
    deployed, held = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    for name in memory:
        seen = [(each["completed"], each["mib"][name]) for each in samples if name in each["mib"]]
        axis = deployed if memory[name]["is_deployed"] else held
        style = "-" if name.startswith("worker") else "--"
        axis.plot(*zip(*seen, strict=True), linestyle=style, linewidth=1.4, label=name)
    lost = sum(found["losses"].values())
    title = f"{found['jobs']} jobs, {found['workers']} workers that render at once: {found['seconds'] / 60:.0f} minutes"
    deployed.set_title(f"{title}, {lost} lost", loc="left", fontsize=11)
    held.set_title("emulators, which hold every document, message and object", loc="left", fontsize=10)
    held.set_xlabel("jobs completed")
    for axis in (deployed, held):
        axis.set(ylabel="resident memory (MiB)", xlim=(0, found["jobs"]))
        axis.set_ylim(bottom=0)
        axis.grid(visible=True, color="#dddddd")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    figure.savefig(path, dpi=DPI)
