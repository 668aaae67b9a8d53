"""How many frames a second pass through each eye, and how much memory that needs.

Beside it, in the same run, the floor: display values to light and back, which every eye needs. Machines are noisy, so
read the ratio first. Each eye has its turn in each of some rounds, and its best one counts; beside the frames in a
second of the clock stand those in a second of one core's time, which other work on the machine disturbs less.

Run as ``make bench-optics``, or ``python -m bench.optics --threads 2``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.table import Table

from bench.findings import Finding, add_json_option, report
from gpu_job.vision.eye import through
from gpu_job.vision.light import to_display, to_linear
from shared.perspectives import perspectives

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.optics import Optics

#: Width and height: what Wan 1.3B draws, and the next size.
SIZES = ((832, 480), (1280, 720))
FPS = 16.0
#: Frames a second of the median animal, at the first size.
GOAL = 60
#: Kinds of perspectives that are no animals: the goal is for the median animal.
NO_ANIMALS = {"human", "thing"}
FLOOR = "floor"


@dataclass(kw_only=True)
class Pace:
    """Of an eye's best round."""

    clock_s: float = float("inf")
    core_s: float = float("inf")
    #: Most memory at any time, beyond what was taken before the first eye: tables and what is kept for reuse are in it.
    peak_mib: float = 0.0


class Memory:
    """What is taken since this was made, by the process or of its GPU; by a process on Linux alone, else 0."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = self._taken("VmRSS")

    def forget_peak(self) -> None:
        """Begin to look for the next one."""
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")

    def peak_mib(self) -> float:
        """Since then."""
        return (self._taken("VmHWM") - self._before) / 2**20

    def _taken(self, line: str) -> float:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        status = Path("/proc/self/status")
        lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
        return sum(int(each.split()[1]) * 1024 for each in lines if each.startswith(f"{line}:"))


def a_clip(size: tuple[int, int], *, frames: int, device: torch.device) -> torch.Tensor:
    """Waves that move, ``(frames, H, W, 3)``: neighbours are alike as in a picture."""
    width, height = size
    x, y = torch.linspace(0, 12, width), torch.linspace(0, 7, height).unsqueeze(1)
    moments = [
        torch.stack([torch.sin(x + y * tilt + moment / 4) / 2 + 0.5 for tilt in (1, -2, 3)], dim=-1)
        for moment in range(frames)
    ]
    return torch.stack(moments).to(device)


def seen(clip: torch.Tensor, optics: Optics | None) -> Iterator[torch.Tensor]:
    """The clip, through an eye or the floor."""
    if optics:
        return through([clip], optics, fps=FPS)
    return (to_display(to_linear(frame)) for frame in torch.split(clip, 1))


def paces(clip: torch.Tensor, *, rounds: int) -> dict[str, Pace]:
    """Of every eye by name, the floor first. The first round does not count: it makes matrices and tables."""
    eyes: dict[str, Optics | None] = {FLOOR: None} | {name: each.optics for name, each in perspectives().items()}
    found = {name: Pace() for name in eyes}
    memory = Memory(clip.device)
    for turn in range(rounds + 1):
        for name, optics in eyes.items():
            memory.forget_peak()
            clock, core = time.perf_counter(), time.process_time()
            for _ in seen(clip, optics):
                pass  # nobody keeps it
            if clip.is_cuda:
                torch.cuda.synchronize()
            if turn:
                pace = found[name]
                pace.clock_s = min(pace.clock_s, time.perf_counter() - clock)
                pace.core_s = min(pace.core_s, time.process_time() - core)
                pace.peak_mib = max(pace.peak_mib, memory.peak_mib())
    return found


def table_of(found: Mapping[str, Pace], size: tuple[int, int], *, frames: int, device: torch.device) -> Table:
    """Every perspective, the fastest first."""
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{torch.get_num_threads()} thread(s)"
    busy = f", {os.getloadavg()[0]:.1f} programs wanted {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    table = Table(title=f"{size[0]}x{size[1]}, {frames} frames, {where}{busy}", title_justify="left")
    for column in ("eye", "frames/s", "frames/s of a core", "ratio to the floor", "memory"):
        table.add_column(column, justify="left" if column == "eye" else "right")

    def row(name: str, paces: list[Pace]) -> None:
        clock_s, core_s = (
            statistics.median(each) for each in zip(*((p.clock_s, p.core_s) for p in paces), strict=True)
        )
        table.add_row(
            name,
            f"{frames / clock_s:.1f}",
            f"{frames / core_s:.1f}",
            f"{core_s / found[FLOOR].core_s:.1f}" if device.type == "cpu" else f"{clock_s / found[FLOOR].clock_s:.1f}",
            f"{max(pace.peak_mib for pace in paces):.0f} MiB",
        )

    for name in sorted(found, key=lambda each: found[each].core_s):
        row(name, [found[name]])
    table.add_section()
    row("median of all", [pace for name, pace in found.items() if name != FLOOR])
    row(f"median of {len(animals())} animals", [found[name] for name in animals()])
    return table


def findings_of(
    found: Mapping[str, Pace], size: tuple[int, int], *, frames: int, device: torch.device
) -> list[Finding]:
    """The median animal and the slowest eye, by the clock."""
    slowest = max(found, key=lambda each: found[each].clock_s)
    median_s = statistics.median(found[name].clock_s for name in animals())
    clip = f"{size[0]}x{size[1]}, {device.type}"
    floor = frames / found[FLOOR].clock_s
    return [
        Finding(
            what=f"the median of {len(animals())} animals, {clip}",
            measured=frames / median_s,
            unit="frames/s",
            floor=floor,
            goal=GOAL if size == SIZES[0] else None,
        ),
        Finding(
            what=f"the slowest eye, {slowest}, {clip}",
            measured=frames / found[slowest].clock_s,
            unit="frames/s",
            floor=floor,
        ),
        Finding(what=f"most memory, {clip}", measured=max(each.peak_mib for each in found.values()), unit="MiB"),
    ]


def animals() -> list[str]:
    """Of all perspectives."""
    return [each.id for each in perspectives().values() if each.kind not in NO_ANIMALS]


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.optics", description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=8, help="frames of the clip (default: 8)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds, of which the best counts (default: 3)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads (default: as many as cores)")
    add_json_option(parser)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    console, findings = Console(), []
    devices = [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()
    for device in devices:
        for size in SIZES:
            found = paces(a_clip(size, frames=arguments.frames, device=device), rounds=arguments.rounds)
            console.print(table_of(found, size, frames=arguments.frames, device=device))
            findings += findings_of(found, size, frames=arguments.frames, device=device)
    report("Through their eyes", findings, console=console, json_path=arguments.json)


if __name__ == "__main__":
    main()
