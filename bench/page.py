"""Every benchmark in one run, and the page of what was found: floors, ratios and goals, the machine, a plot.

Each benchmark is a process of its own, one after the other, so that none disturbs another. One that breaks leaves its
part of the page as it was; one that finds something bad, and says so by its exit status too, has it on the page.
Three quarters of an hour on two cores; ``--only`` runs some and leaves the rest of the page as it was.

Run as ``make bench``, or ``python -m bench.page --only submit starts``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console

from bench.findings import Finding, read_report

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "measured.md"
PICTURE: Final = ROOT / "docs" / "pictures" / "measured.png"
#: What was found, so that a page can be made of several runs.
STATE: Final = ROOT / "docs" / "measured.json"
#: By name: the module and its arguments.
BENCHMARKS: Final[Mapping[str, tuple[str, ...]]] = {
    "submit": ("bench.submit",),
    "pipeline": ("bench.pipeline",),
    # Its 5 000 jobs are half an hour: make bench-load.
    "load": ("bench.load", "--jobs", "300"),
    "batch": ("bench.batch",),
    "starts": ("bench.starts",),
    "render": ("bench.render", "--levers"),
    "optics": ("bench.optics",),
    "autoscaling": ("bench.autoscaling", "--pictures", "docs/pictures"),
    "estimates": ("bench.estimates",),
}
#: Of a line beside the plot.
LABEL_CHARS: Final = 52
HEAD: Final = """# Measured

What `make bench` found, and wrote here itself. The floor is the least that would do, in the same run; a ratio of 1 is
as good. Machines are noisy: read the ratios, and run it where you are. What the figures mean stands in
[benchmarks.md](benchmarks.md), a render on a GPU in [performance.md](performance.md), ways to start workers in
[scaling.md](scaling.md).

![Ratios to the floor](pictures/measured.png)
"""


@dataclass(frozen=True, kw_only=True)
class Section:
    """What one benchmark found, when and where."""

    title: str
    command: str
    at: str
    machine: str
    #: Programs that wanted a core when it began.
    load: float
    findings: Sequence[Finding]
    #: What was measured, as git knows it; empty where it is not known.
    commit: str = ""


def machine() -> str:
    """Processor, cores, memory and system, in a line."""
    names = [line.split(":", 1)[1].strip() for line in _lines(Path("/proc/cpuinfo")) if line.startswith("model name")]
    memory = [int(line.split()[1]) / 2**20 for line in _lines(Path("/proc/meminfo")) if line.startswith("MemTotal")]
    parts = [
        names[0] if names else platform.machine(),
        f"{os.cpu_count()} cores",
        *(f"{gib:.0f} GiB" for gib in memory),
    ]
    return ", ".join([*parts, platform.system(), f"Python {platform.python_version()}"])


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def commit_of(root: Path) -> str:
    """The commit of a working tree, and whether anything but its docs differs; empty where there is no git.

    The docs do not run, and this program writes there itself.
    """
    # No repository around that of the tree is asked.
    env = {**os.environ, "GIT_CEILING_DIRECTORIES": str(root.parent)}

    def git(*argv: str) -> str:
        return subprocess.run(["git", "-C", root, *argv], capture_output=True, text=True, check=True, env=env).stdout

    try:
        commit, changes = git("rev-parse", "--short", "HEAD").strip(), git("status", "--porcelain", "--", ".", ":!docs")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit} with changes" if changes else commit


def run(name: str) -> Section | None:
    """One benchmark, its tables on the terminal; None where it broke."""
    commit = commit_of(ROOT)
    module, *rest = BENCHMARKS[name]
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found = Path(folder) / "found.json"
        argv = [sys.executable, "-W", "ignore", "-m", module, *rest, "--json", str(found)]
        subprocess.run(argv, cwd=ROOT, check=False)
        # The last thing that each does is to write it, whatever its exit status then says of goals.
        if not found.exists():
            return None
        title, findings = read_report(found)
    return Section(
        title=title,
        command=f"python -m {' '.join((module, *rest))}",
        at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        machine=machine(),
        load=load,
        findings=findings,
        commit=commit,
    )


def read_state(path: Path) -> dict[str, Section]:
    """What earlier runs found, by name; nothing where there was none."""
    content: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {
        name: Section(**each | {"findings": [Finding(**one) for one in each["findings"]]})
        for name, each in content.items()
        if name in BENCHMARKS
    }


def page_of(sections: Mapping[str, Section]) -> str:
    """In Markdown."""
    parts = [HEAD]
    for section in sections.values():
        busy = f"{section.load:.1f} programs wanted a core at its start"
        commit = section.commit and f", commit {section.commit}"
        where = f"`{section.command}`, {section.at}{commit}: {section.machine}; {busy}."
        rows = ["| what | measured | floor | ratio | goal |", "|---|---|---|---|---|"]
        rows += [f"| {' | '.join(each.cells)} |" for each in section.findings]
        parts.append("\n".join([f"## {section.title}", "", where, "", *rows, ""]))
    return "\n".join(parts)


def draw(sections: Mapping[str, Section], path: Path) -> None:
    """Every ratio as a bar, and its goal as a mark."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes a second, and nothing else here needs it

    bars = [each for section in sections.values() for each in section.findings if each.ratio is not None]
    figure = Figure(figsize=(10, 1 + 0.42 * len(bars)), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    colours = {None: "#0072B2", True: "#009E73", False: "#D55E00"}
    for number, each in enumerate(bars):
        ratio = each.ratio or 0.0
        axes.barh(number, ratio - 1, left=1, color=colours[each.reached])
        axes.annotate(f" {ratio:.2f} ", (ratio, number), va="center", ha="left" if ratio > 1 else "right", fontsize=9)
        if each.goal_ratio:
            axes.plot([each.goal_ratio] * 2, [number - 0.45, number + 0.45], color="black", linewidth=2)
    axes.set_yticks(range(len(bars)), [fill(each.what.split(";")[0], LABEL_CHARS) for each in bars], fontsize=9)
    ticks = (0.1, 0.2, 0.5, 1, 2, 5, 10)
    axes.set_xticks(ticks, [f"{each:g}" for each in ticks])
    axes.set_xlim(ticks[0], ticks[-1])
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.set(xlabel="times the floor; green reaches its goal (black mark), orange does not")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), help="which (default: all)")
    arguments = parser.parse_args()
    console, sections, failed = Console(), read_state(STATE), []
    for number, name in enumerate(arguments.only, start=1):
        console.rule(f"{name}, {number} of {len(arguments.only)}")
        section = run(name)
        if section is None:
            failed.append(name)
            continue
        sections[name] = section
        # As soon as it is known: a run that is stopped has told what it found.
        ordered = {each: sections[each] for each in BENCHMARKS if each in sections}
        content = {each: asdict(found) for each, found in ordered.items()}
        STATE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page_of(ordered), encoding="utf-8")
        draw(ordered, PICTURE)
    if failed:
        sys.exit(f"Error: failed, and left on the page as it was: {', '.join(failed)}")
    console.print(f"{PAGE.relative_to(ROOT)} is written.")


if __name__ == "__main__":
    main()
