"""What benchmarks found, and the page that is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from bench import page
from bench.findings import Finding, read_report, report

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("unit", "measured", "floor", "ratio"), [("ms", 150, 100, 1.5), ("a second", 80, 100, 1.25), ("MiB", 50, 100, 0.5)]
)
def test_a_ratio_says_how_many_times_worse_than_the_floor_it_is(
    unit: str, measured: float, floor: float, ratio: float
) -> None:
    assert Finding(what="it", measured=measured, unit=unit, floor=floor).ratio == pytest.approx(ratio)


@pytest.mark.parametrize(
    ("finding", "reached"),
    [
        (Finding(what="it", measured=129, unit="ms", floor=100, goal_ratio=1.3), True),
        (Finding(what="it", measured=131, unit="ms", floor=100, goal_ratio=1.3), False),
        (Finding(what="it", measured=81, unit="a second", floor=100, goal_ratio=1.25), True),
        (Finding(what="it", measured=79, unit="a second", floor=100, goal_ratio=1.25), False),
        (Finding(what="it", measured=1.4, unit="s", goal=1.5), True),
        (Finding(what="it", measured=1.6, unit="s", goal=1.5), False),
        (Finding(what="it", measured=34, unit="frames/s", goal=60), False),
        (Finding(what="it", measured=1, unit="s", floor=0.5), None),
    ],
)
def test_a_goal_is_reached_or_missed_and_without_one_nothing_is(finding: Finding, *, reached: bool | None) -> None:
    assert finding.reached is reached
    assert ("missed" in finding.cells[-1], "reached" in finding.cells[-1]) == (reached is False, reached is True)


def test_what_was_reported_is_read_again(tmp_path: Path) -> None:
    found = [
        Finding(what="it", measured=131, unit="ms", floor=100, goal_ratio=1.3),
        Finding(what="b", measured=1, unit=""),
    ]

    report("A title", found, console=Console(quiet=True), json_path=tmp_path / "found.json")

    assert read_report(tmp_path / "found.json") == ("A title", found)


def test_a_missed_goal_stands_on_the_page_in_bold_with_its_machine_and_command() -> None:
    missed = Finding(what="submit", measured=131, unit="ms", floor=100, goal_ratio=1.3)
    section = page.Section(
        title="Door", command="python -m bench.x", at="now", machine="a machine", load=0.5, findings=[missed]
    )

    text = page.page_of({"submit": section})

    assert "| submit | 131 ms | 100 ms | 1.31 | ratio at most 1.3: **missed** |" in text
    assert "`python -m bench.x`, now: a machine; 0.5 programs" in text


def test_the_page_in_the_repository_is_the_one_that_its_figures_make() -> None:
    sections = page.read_state(page.STATE)

    assert set(sections) == set(page.BENCHMARKS)
    assert page.PAGE.read_text(encoding="utf-8") == page.page_of(sections)


@pytest.mark.parametrize("name", page.BENCHMARKS)
def test_every_benchmark_of_the_page_is_a_module_that_writes_what_it_found(name: str) -> None:
    module = (page.ROOT / f"{page.BENCHMARKS[name][0].replace('.', '/')}.py").read_text(encoding="utf-8")

    assert "--json" in module or "add_json_option(parser)" in module
