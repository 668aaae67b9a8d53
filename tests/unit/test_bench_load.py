"""How the load benchmark judges what it has seen."""

from __future__ import annotations

import os
from typing import Any

import pytest

from bench.load import EMULATORS, FLAT_MIB, Growth, Sample, findings, growth, held, memory_mib


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
        ({"grown": EMULATORS[0]}, True),
    ],
)
def test_it_holds_where_nothing_is_lost_and_nothing_of_ours_grew(changes: dict[str, Any], holds: bool) -> None:  # noqa: FBT001
    names = [*EMULATORS, "submit", "notify", "worker 1"]
    memory = {name: {"is_deployed": name not in EMULATORS, "is_flat": name != changes.get("grown")} for name in names}

    assert held({"memory": memory, "losses": changes.get("losses", {"jobs that are not there": 0})}) is holds


def test_small_growth_of_a_small_process_is_the_allocators() -> None:
    assert Growth(early_mib=50, late_mib=50 + FLAT_MIB).is_flat
    assert not Growth(early_mib=50, late_mib=51 + FLAT_MIB).is_flat


def test_memory_is_that_of_a_process_group() -> None:
    assert memory_mib({os.getpgrp(): "me"})["me"] > 10


def a_run(*, lost: int = 0, **late_mib: float) -> dict[str, Any]:
    """Of 40 jobs, through processes that had 100 MiB each before, by their names."""
    grown = {name: Growth(early_mib=100, late_mib=late) for name, late in late_mib.items()}
    memory = {
        name: {
            "early_mib": 100,
            "late_mib": each.late_mib,
            "is_deployed": name not in EMULATORS,
            "is_flat": each.is_flat,
        }
        for name, each in grown.items()
    }
    return {
        "jobs": 40,
        "workers": 4,
        "jobs_a_second": 2.5,
        "losses": {"jobs that are not there": lost},
        "memory": memory,
    }


def test_the_page_hears_of_how_many_jobs_it_was_what_was_lost_and_who_grew_most() -> None:
    found = findings(a_run(submit=101, notify=103, **{EMULATORS[0]: 900}))

    assert [(each.measured, each.unit, each.reached) for each in found] == [
        (0, "jobs", True),
        (2.5, "a second", None),
        (3, "MiB", True),
    ]
    assert all("40 jobs through 4 workers" in each.what for each in found)
    assert "(notify)" in found[2].what


@pytest.mark.parametrize(("changes", "missed"), [({"lost": 1}, 0), ({"submit": 109}, 2)])
def test_what_was_lost_and_what_grew_misses_its_goal_on_the_page(changes: dict[str, Any], missed: int) -> None:
    found = findings(a_run(**{"submit": 100, **changes}))

    assert [number for number, each in enumerate(found) if each.reached is False] == [missed]


def test_of_a_run_so_short_that_nothing_was_seen_to_grow_no_growth_is_told() -> None:
    assert [each.unit for each in findings(a_run())] == ["jobs", "a second"]
