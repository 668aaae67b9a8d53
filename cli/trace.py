"""``lifeasnotme trace``: the spans of one job's trace as a tree, each with its place in time.

Enters: folders of spans, as `shared.otel` writes them to files. Leaves: a table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from cli.here import telemetry_folders

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: Characters of the picture.
WIDTH = 48
#: What of its attributes a span is shown with.
SHOWN = ("attempt", "gpu", "artifact", "status", "code", "busy_s")


class NoTraceError(click.ClickException):
    """No span of that job is kept here."""


@click.command()
@click.argument("job_id")
def trace(job_id: str) -> None:
    """Show where the time of a job went, from the wish to the first sight of its video.

    Of a job of this machine: of a system that runs, or of the last ones that did.
    """
    Console(highlight=False).print(waterfall(job_id, telemetry_folders()))


@dataclass(frozen=True, kw_only=True)
class Span:
    """Something that took a while."""

    name: str
    service: str
    trace_id: str
    span_id: str
    parent_id: str | None
    begun_s: float
    ended_s: float
    #: Why it ended badly; None where it did not.
    error: str | None
    attributes: dict[str, Any]


def spans_in(folder: Path) -> Iterator[Span]:
    """Every span that was kept there; lines that are none, or not written to their end, are left out."""
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield _span(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue


def trace_of(job_id: str, folders: Iterable[Path]) -> list[Span]:
    """All spans of the trace that has that job, in the order of their begin.

    Raises:
        NoTraceError: there is none.
    """
    for folder in folders:
        spans = list(spans_in(folder))
        traces = {each.trace_id for each in spans if each.attributes.get("job_id") == job_id}
        if traces:
            return sorted((each for each in spans if each.trace_id in traces), key=lambda each: each.begun_s)
    raise NoTraceError(f"No trace of a job {job_id} is kept here: only of those of the last runs on this machine.")


def waterfall(job_id: str, folders: Iterable[Path]) -> Table:
    """The trace of a job. Raises `NoTraceError`."""
    spans = trace_of(job_id, folders)
    begun_s, ended_s = min(each.begun_s for each in spans), max(each.ended_s for each in spans)
    scale = WIDTH / max(1e-9, ended_s - begun_s)
    table = Table("span", "by", "at", "took", "", box=None, pad_edge=False, title=f"trace {spans[0].trace_id}")
    table.title_justify = "left"
    for column in (2, 3):
        table.columns[column].justify = "right"
    for depth, each in _tree(spans):
        first = int((each.begun_s - begun_s) * scale)
        length = max(1, round((each.ended_s - each.begun_s) * scale))
        said = [f"{name}={each.attributes[name]}" for name in SHOWN if name in each.attributes]
        table.add_row(
            "  " * depth + each.name,
            each.service,
            f"{each.begun_s - begun_s:.3f}",
            f"{each.ended_s - each.begun_s:.3f} s",
            " " * min(first, WIDTH - 1) + "█" * length,
        )
        if each.error:
            said.append(each.error)
        if said:
            table.add_row("  " * depth + "  " + " ".join(said), style="dim")
    return table


def _tree(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """Each with its depth, after its parent. One whose parent is kept elsewhere is a root."""
    known = {each.span_id for each in spans}

    def below(parent_id: str, depth: int) -> Iterator[tuple[int, Span]]:
        for each in spans:
            if each.parent_id == parent_id:
                yield depth, each
                yield from below(each.span_id, depth + 1)

    for root in spans:
        if root.parent_id not in known:
            yield 0, root
            yield from below(root.span_id, 1)


def _span(line: dict[str, Any]) -> Span:
    """As OpenTelemetry's SDK writes it."""
    status = line["status"]
    return Span(
        name=line["name"],
        service=line["resource"]["attributes"]["service.name"],
        trace_id=line["context"]["trace_id"].removeprefix("0x"),
        span_id=line["context"]["span_id"],
        parent_id=line["parent_id"],
        begun_s=datetime.fromisoformat(line["start_time"]).timestamp(),
        ended_s=datetime.fromisoformat(line["end_time"]).timestamp(),
        error=status.get("description", "error") if status["status_code"] == "ERROR" else None,
        attributes=line["attributes"],
    )
