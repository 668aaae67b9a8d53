"""Replay a run: ``python -m tests.simulation SEED``. The two functions' folders are found as pytest finds them."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    root = Path(__file__).parents[2]
    sys.path += [str(root), str(root / "functions" / "submit"), str(root / "functions" / "notify")]
    from tests.simulation.world import run

    for seed in map(int, sys.argv[1:] or ["0"]):
        outcome = run(seed)
        print(*outcome.log, sep="\n")  # noqa: T201
        print(*outcome.faults or ["all is well"], sep="\n")  # noqa: T201
        print({name: value for name, value in vars(outcome).items() if name not in {"log", "faults"}})  # noqa: T201
