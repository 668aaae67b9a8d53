"""A thousand runs under faults. ``python -m tests.simulation SEED`` tells what happened in one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shared.batches import BatchState
from shared.jobs import RETENTION
from tests.simulation.faults import Fault, Kind
from tests.simulation.planted import BUGS, Bug
from tests.simulation.world import run

SEEDS = 1000
CHUNK = 50
#: A planted bug is found within so many seeds.
ENOUGH = 1000


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_nothing_is_lost_and_nothing_done_twice(first: int) -> None:
    outcomes = [run(seed) for seed in range(first, first + CHUNK)]

    for broken in (outcome for outcome in outcomes if outcome.faults):
        log = "\n".join(map(str, broken.log[-100:]))
        pytest.fail(f"{log}\n{broken.faults}\npython -m tests.simulation {broken.seed}")
    assert all(outcome.jobs + outcome.gone for outcome in outcomes)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.__name__)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    assert any(bug(seed).faults for seed in range(ENOUGH))


def test_everything_happens() -> None:
    outcomes = [run(seed) for seed in range(100)]

    assert set().union(*(outcome.injected for outcome in outcomes)) == set(Fault)
    assert {outcome.kind for outcome in outcomes} == set(Kind)
    assert {end for outcome in outcomes for end in outcome.batches} == {
        BatchState.PLACED,
        BatchState.FAILED,
        BatchState.CANCELED,
    }
    assert sum(outcome.gone for outcome in outcomes) > 100
    assert sum(outcome.days > RETENTION.days for outcome in outcomes) > 10


@pytest.mark.parametrize("seed", [7, 11, 42])
def test_a_seed_repeats_its_run_in_another_process(seed: int) -> None:
    here = run(seed)

    command = [sys.executable, "-m", "tests.simulation", str(seed)]
    there = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True)

    assert there.stdout.splitlines()[: len(here.log)] == [str(line) for line in here.log]
    assert len(here.log) > 100
