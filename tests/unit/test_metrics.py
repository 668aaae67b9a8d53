"""``lifeasnotme metrics``: what the processes of a system have told, together, as it stood last."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli import here
from cli.metrics import measured_in, metrics
from shared import otel, tracing
from shared.measures import FAILURES, QUEUE_AGE, WAIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the only run on this machine keeps its measures."""
    monkeypatch.setattr(here, "_RUNS_DIR", tmp_path)
    return tmp_path / "run-20261126-1" / "telemetry"


def tell(folder: Path, service: str, *acts: Callable[[], object]) -> None:
    """A process does these, telling after each, and ends."""
    recorder = otel.recorder_of(f"file:{folder}", service=service, project="p")
    with tracing.recording(recorder):
        for act in acts:
            act()
            tracing.flush(at_most_s=30, is_last=True)
    recorder.close()


def shown(code: int = 0) -> Iterator[list[str]]:
    """The words of each line."""
    done = CliRunner().invoke(metrics, env={"COLUMNS": "200"})
    assert done.exit_code == code, done.output
    return (line.split() for line in done.output.splitlines())


def test_what_all_processes_have_counted_is_added_up_and_of_each_the_last_counts(folder: Path) -> None:
    tell(folder, "submit", lambda: FAILURES.take(1, code="quota_exceeded"))
    tell(
        folder,
        "notify",
        lambda: FAILURES.take(1, code="render_failed"),
        lambda: FAILURES.take(1, code="render_failed"),
        lambda: WAIT.take(7, priority="bulk", model="pocket"),
        lambda: QUEUE_AGE.take(30, priority="bulk"),
        lambda: QUEUE_AGE.take(12, priority="bulk"),
    )
    tell(
        folder,
        "expand",
        lambda: FAILURES.take(3, code="render_failed"),
        lambda: WAIT.take(9, priority="bulk", model="pocket"),
    )

    assert list(shown()) == [
        ["measure", "labels", "count", "value", "mean"],
        ["lifeasnotme_failures_total", "code=quota_exceeded", "1"],
        ["lifeasnotme_failures_total", "code=render_failed", "5"],
        ["lifeasnotme_queue_age_seconds", "priority=bulk", "12", "s"],
        ["lifeasnotme_wait_seconds", "model=pocket", "priority=bulk", "2", "16", "s", "8", "s"],
    ]


def test_a_gauge_is_what_was_told_last_by_whichever_process(folder: Path) -> None:
    tell(folder, "z", lambda: QUEUE_AGE.take(30, priority="bulk"))
    tell(folder, "a", lambda: QUEUE_AGE.take(0, priority="bulk"))

    [age] = measured_in(folder)
    assert (age.is_gauge, age.value) == (True, 0)


def test_spans_and_half_a_line_are_passed_over(folder: Path) -> None:
    def work() -> None:
        with tracing.span("work"):
            FAILURES.take(1, code="render_failed")

    tell(folder, "submit", work)
    (folder / "killed-1.jsonl").write_text('{"resource_metrics": [{"scope')

    assert [(each.name, each.value) for each in measured_in(folder)] == [(FAILURES.name, 1)]


def test_where_nothing_was_measured_one_line_says_so(folder: Path) -> None:
    folder.mkdir(parents=True)

    [line] = shown(code=1)
    assert " ".join(line).startswith("Error: No measures are kept here")
