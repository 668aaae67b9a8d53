"""How the load benchmark judges what it has seen."""

from __future__ import annotations

import os
from typing import Any

import pytest

from bench.load import FLAT_MIB, THEIRS, Growth, Sample, growth, held, memory_mib


def samples(*mib: float, name: str = "worker 1") -> list[Sample]:
    """One for each tenth of a hundred jobs."""
    return [Sample(after_s=at, completed=10 * at, mib={name: each}) for at, each in enumerate(mib)]


def test_what_a_process_takes_at_its_start_is_no_growth() -> None:
    grown = growth(samples(50, 100, 200, 200, 200, 200, 200, 200, 200, 200, 200), "worker 1", jobs=100)

    assert grown == Growth(early_mib=200, late_mib=200)
    assert grown.is_flat


def test_a_leak_is_growth_and_one_moment_is_none() -> None:
    leaking = growth(samples(*range(100, 320, 20)), "worker 1", jobs=100)
    once = growth(samples(200, 200, 200, 200, 200, 200, 200, 200, 200, 900, 200), "worker 1", jobs=100)

    assert leaking
    assert not leaking.is_flat
    assert once
    assert once.is_flat


def test_a_process_that_was_not_there_all_the_time_is_not_judged() -> None:
    assert growth(samples(100, 100), "worker 1", jobs=100) is None


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"losses": {"jobs that are not there": 1}}, False),
        ({"grown": "submit"}, False),
        ({"grown": THEIRS[0]}, True),
    ],
)
def test_it_holds_where_nothing_is_lost_and_nothing_of_ours_grew(changes: dict[str, Any], holds: bool) -> None:  # noqa: FBT001
    names = [*THEIRS, "submit", "notify", "worker 1"]
    memory = {name: {"is_ours": name not in THEIRS, "is_flat": name != changes.get("grown")} for name in names}

    assert held({"memory": memory, "losses": changes.get("losses", {"jobs that are not there": 0})}) is holds


def test_small_growth_of_a_small_process_is_the_allocators() -> None:
    assert Growth(early_mib=50, late_mib=50 + FLAT_MIB).is_flat
    assert not Growth(early_mib=50, late_mib=51 + FLAT_MIB).is_flat


def test_memory_is_that_of_a_process_group() -> None:
    assert memory_mib({os.getpgrp(): "me"})["me"] > 10
