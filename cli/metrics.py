"""``lifeasnotme metrics``: what was measured by a system on this machine, as it stood last.

Enters: folders of measures, as `shared.otel` writes them to files, a file a process. Leaves: a table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from cli.here import telemetry_folders
from shared.measures import MEASURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

#: By name; of an older run there may be others.
_UNITS = {each.name: each.unit for each in MEASURES}


class NoMeasuresError(click.ClickException):
    """Nothing was measured here."""


@click.command()
def metrics() -> None:
    """Show what was measured: of the system that runs on this machine, or of the last one that did.

    Each process tells once a minute, and at its end. Counters and histograms are added up over all of them.
    """
    Console(highlight=False).print(table(telemetry_folders()))


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A measure with its labels, as one process told it, or all of them together."""

    name: str
    labels: tuple[tuple[str, str], ...]
    #: Of a histogram: how often it was observed; None: it is none.
    count: int | None
    #: A counter's or gauge's value; a histogram's sum.
    value: float
    told_at_ns: int
    #: What the last process says stands, instead of being added.
    is_gauge: bool


def measured_in(folder: Path) -> list[Measured]:
    """The last of each that was kept there, over all processes, by name and labels.

    A process tells what it has counted since it began, so its last point has all of it.
    """
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Measured] = {}
    for path in sorted(folder.glob("*.jsonl")):
        of_process = {(each.name, each.labels): each for each in _points_in(path)}
        for key, each in of_process.items():
            found[key] = _together(found[key], each) if key in found else each
    return [found[key] for key in sorted(found)]


def table(folders: Iterable[Path]) -> Table:
    """Of the first folder that has any. Raises `NoMeasuresError`."""
    for folder in folders:
        if found := measured_in(folder):
            break
    else:
        raise NoMeasuresError(
            "No measures are kept here: start a system with `lifeasnotme up`; it tells once a minute."
        )
    shown = Table("measure", "labels", "count", "value", "mean", box=None, pad_edge=False)
    shown.columns[0].overflow = "fold"  # a name that is cut off is none
    for column in (2, 3, 4):
        shown.columns[column].justify = "right"
    for each in found:
        unit = " s" if _UNITS.get(each.name) == "s" else ""
        shown.add_row(
            each.name,
            " ".join(f"{name}={value}" for name, value in each.labels),
            "" if each.count is None else str(each.count),
            f"{each.value:g}{unit}",
            f"{each.value / each.count:.3g}{unit}" if each.count else "",
        )
    return shown


def _together(one: Measured, other: Measured) -> Measured:
    last = max(one, other, key=lambda each: each.told_at_ns)
    if one.is_gauge:
        return last
    return Measured(
        name=one.name,
        labels=one.labels,
        count=None if one.count is None else one.count + (other.count or 0),
        value=one.value + other.value,
        told_at_ns=last.told_at_ns,
        is_gauge=False,
    )


def _points_in(path: Path) -> Iterator[Measured]:
    """In the order in which they were told; lines that have none, or were not written to their end, are left out."""
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield from _points(json.loads(line))
        except (ValueError, KeyError, TypeError):
            continue


def _points(line: dict[str, Any]) -> list[Measured]:
    """As OpenTelemetry's SDK writes them."""
    metrics_ = [
        metric
        for resource in line["resource_metrics"]
        for scope in resource["scope_metrics"]
        for metric in scope["metrics"]
    ]
    return [
        Measured(
            name=metric["name"],
            labels=tuple(sorted(point["attributes"].items())),
            count=point.get("count"),
            value=point["sum"] if "count" in point else point["value"],
            told_at_ns=point["time_unix_nano"],
            is_gauge="count" not in point and "is_monotonic" not in metric["data"],
        )
        for metric in metrics_
        for point in metric["data"]["data_points"]
    ]
