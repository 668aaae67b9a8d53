"""How long parts take to start: what a function imports, and a worker that finds nothing to do, until it is gone.

The floor of an import are Google's clients, the framework and pydantic alone, which everything of ours stands on, and
what comes on top is told by package; that of a worker is the same process with no queue to ask: its imports, and an end
as sudden as a worker's.

Run as ``make bench-starts``, or ``python -m bench.starts --rounds 7``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from bench.findings import Finding, add_json_option, report
from bench.import_profile import FOUNDATIONS, PRINTED, beyond, told
from local.bundles import FUNCTIONS, ROOT, make_bundles
from local.emulator_finder import find_emulators
from local.errors import LocalStackError
from local.stack import LocalStack, StackOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Seconds of a worker that finds an empty queue, less what it waits for a message (``PATIENCE_S``, here 0).
GOAL_WORKER_S = 1.5
#: A worker leaves by ``os._exit`` too; without it the interpreter takes everything apart again, which no worker does.
IMPORTS = "import os, gpu_job.main; os._exit(0)"


def run_s(argv: list[str], *, cwd: Path, env: Mapping[str, str]) -> tuple[float, str]:
    """Seconds of a process, and what it prints."""
    begun = time.monotonic()
    done = subprocess.run([sys.executable, *argv], cwd=cwd, env=env, check=False, capture_output=True, text=True)
    took_s = time.monotonic() - begun
    if done.returncode:
        raise LocalStackError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr[-500:]}")
    return took_s, done.stdout


def imports(*, rounds: int) -> list[Finding]:
    """Of each function's bundle, how many modules that is, and whose are those beyond the floor."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        bundles = make_bundles(Path(folder))
        places = {name: (f"import main{PRINTED}", bundle) for name, bundle in bundles.items()}
        places |= {"floor": (FOUNDATIONS + PRINTED, Path(folder))}
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        took_s: dict[str, list[float]] = {name: [] for name in places}
        modules: dict[str, set[str]] = {}
        for turn in range(rounds + 1):
            for name, (code, cwd) in places.items():
                seconds, said = run_s(["-c", code], cwd=cwd, env=env)
                modules[name] = set(said.split())
                if turn:  # the first one compiles
                    took_s[name].append(seconds)
        extra = {name: beyond(modules["floor"], modules[name], bundle=bundles[name]) for name in FUNCTIONS}
    floor_s, floor = statistics.median(took_s["floor"]), len(modules["floor"])
    found = []
    for name in FUNCTIONS:
        seconds, count = statistics.median(took_s[name]), len(modules[name])
        more = f"of which beyond the floor: {told(extra[name])}"
        found += [
            Finding(what=f"import of {name}", measured=seconds, unit="s", floor=floor_s),
            Finding(what=f"modules that {name} imports", measured=count, unit="modules", floor=floor),
            Finding(what=more, measured=extra[name].total(), unit="modules"),
        ]
    return found


def idle_worker(*, rounds: int) -> list[Finding]:
    """From the start of a real worker's process until it is gone, with an empty queue on the emulators."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        options = StackOptions(
            run_dir=Path(folder), models_dir=Path(folder), max_workers=0, reconcile_every_s=3600, has_telemetry=False
        )
        with LocalStack(options, binaries=find_emulators(download=True)) as stack:
            env = {**os.environ, **stack.env, "MODELS_DIR": folder, "PATIENCE_S": "0"}
            env |= {"SIGNING_IDENTITY": str(stack.signing_identity)}
            turns = {"worker": ["-m", "gpu_job.main"], "imports": ["-c", IMPORTS]}
            took_s: dict[str, list[float]] = {name: [] for name in turns}
            for turn in range(rounds + 1):
                for name, argv in turns.items():
                    seconds, _ = run_s(argv, cwd=ROOT, env=env)
                    if turn:
                        took_s[name].append(seconds)
    worker_s, imports_s = (statistics.median(each) for each in took_s.values())
    what = "a worker that finds an empty queue, from start to exit"
    return [Finding(what=what, measured=worker_s, unit="s", floor=imports_s, goal=GOAL_WORKER_S)]


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.starts", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="of which the median counts (default: 7)")
    add_json_option(parser)
    arguments = parser.parse_args()
    console = Console()
    try:
        findings = imports(rounds=arguments.rounds) + idle_worker(rounds=arguments.rounds)
    except LocalStackError as exc:
        sys.exit(f"Error: {exc}")
    report("Starts", findings, console=console, json_path=arguments.json)


if __name__ == "__main__":
    main()
