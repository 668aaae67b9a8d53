"""What benchmarks found, and the page that is made of it."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from bench import page
from bench.findings import Finding, read_report, report
from bench.import_profile import ITS_OWN, PYTHON, SHARED, beyond, packages, told

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


def test_the_commit_that_was_measured_stands_on_the_page_where_it_is_known() -> None:
    section = page.Section(title="Door", command="x", at="now", machine="a machine", load=0.5, findings=[])

    known = page.page_of({"submit": replace(section, commit="abc1234 with changes")})
    unknown = page.page_of({"submit": section})

    assert "`x`, now, commit abc1234 with changes: a machine;" in known
    assert "`x`, now: a machine;" in unknown


def test_a_commit_has_changes_where_something_that_runs_differs_and_docs_do_not_run(tmp_path: Path) -> None:
    def git(*argv: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *who, *argv], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "code.py").write_text("1")
    git("add", ".")
    git("commit", "-qm", "One")
    commit = git("rev-parse", "--short", "HEAD")
    clean = page.commit_of(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/measured.md").write_text("more")
    with_docs = page.commit_of(tmp_path)
    (tmp_path / "code.py").write_text("2")

    assert (clean, with_docs, page.commit_of(tmp_path)) == (commit, commit, f"{commit} with changes")


def test_no_commit_is_told_where_there_is_no_git_or_the_repository_is_one_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "unpacked").mkdir()
    assert page.commit_of(tmp_path / "unpacked") == ""

    monkeypatch.setenv("PATH", str(tmp_path))
    assert page.commit_of(tmp_path) == ""


@pytest.fixture
def a_benchmark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs instead of those of the page, as ``it``."""
    monkeypatch.setattr(page, "ROOT", tmp_path)
    monkeypatch.setattr(page, "BENCHMARKS", {"it": ("it",)})
    return tmp_path / "it.py"


def test_a_benchmark_that_found_something_bad_and_ends_with_1_is_on_the_page_all_the_same(a_benchmark: Path) -> None:
    found = [Finding(what="lost", measured=1, unit="jobs", goal=0)]
    report("Load", found, console=Console(quiet=True), json_path=a_benchmark.with_name("lost.json"))
    copy = f"open(sys.argv[-1], 'w').write(open({str(a_benchmark.with_name('lost.json'))!r}).read())"
    a_benchmark.write_text(f"import sys; {copy}; sys.exit(1)")

    section = page.run("it")

    assert section is not None
    assert list(section.findings) == found
    assert "| lost | 1 jobs |  |  | at most 0 jobs: **missed** |" in page.page_of({"it": section})


def test_a_benchmark_that_broke_before_it_found_anything_has_no_section(a_benchmark: Path) -> None:
    a_benchmark.write_text("raise SystemExit(1)")

    assert page.run("it") is None


def test_what_is_imported_beyond_the_floor_is_told_by_package(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    floor = {"sys", "google", "google.cloud", "google.cloud.storage"}
    more = {"main", "tomllib", "tomllib._parser", "_sysconfigdata_of_a_machine", "shared", "shared.jobs", "torch.nn"}
    more |= {"google.cloud.kms", "google.oauth2.id_token"}

    found = beyond(floor, floor | more, bundle=tmp_path)

    assert found == Counter({PYTHON: 3, SHARED: 2, ITS_OWN: 1, "torch": 1, "google.cloud": 1, "google.oauth2": 1})
    assert packages(found) == {"torch", "google.cloud", "google.oauth2"}
    assert told(found) == "Python's 3, shared 2, google.cloud 1, google.oauth2 1, its own 1, torch 1"


def test_the_page_in_the_repository_is_the_one_that_its_figures_make() -> None:
    sections = page.read_state(page.STATE)

    assert set(sections) == set(page.BENCHMARKS)
    assert page.PAGE.read_text(encoding="utf-8") == page.page_of(sections)


def test_every_benchmark_of_the_makefile_is_on_the_page() -> None:
    makefile = (page.ROOT / "Makefile").read_text(encoding="utf-8")

    assert set(re.findall(r"^bench-(\w+):", makefile, re.MULTILINE)) == set(page.BENCHMARKS)


@pytest.mark.parametrize("name", page.BENCHMARKS)
def test_every_benchmark_of_the_page_is_a_module_that_writes_what_it_found(name: str) -> None:
    module = (page.ROOT / f"{page.BENCHMARKS[name][0].replace('.', '/')}.py").read_text(encoding="utf-8")

    assert "--json" in module or "add_json_option(parser)" in module
