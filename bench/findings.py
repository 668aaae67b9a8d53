"""What a benchmark found: figures with the floor of the same run beside them, and the goal where there is one.

Enter: measures. Leave: a table on the terminal, and JSON where it is asked for, from which the page is made.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

from rich.table import Table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

#: Units of which more is better; of all others less is.
RATES: Final = frozenset({"a second", "frames/s"})


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One figure.

    Args:
        what: was measured.
        measured: the figure, in ``unit``.
        unit: such as ``ms``, ``MiB`` or, of `RATES`, ``a second``.
        floor: the same for the least that would do, in the same run; None where there is none.
        goal_ratio: at most so many times the floor, or at least one so-manieth of it for a rate.
        goal: at most so much, or at least so much for a rate.
    """

    what: str
    measured: float
    unit: str
    floor: float | None = None
    goal_ratio: float | None = None
    goal: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times worse than the floor; 1 is as good."""
        if self.floor is None:
            return None
        return self.floor / self.measured if self.unit in RATES else self.measured / self.floor

    @property
    def reached(self) -> bool | None:
        """Whether the goal is; None without one."""
        if self.goal_ratio is not None and self.ratio is not None:
            return self.ratio <= self.goal_ratio
        if self.goal is not None:
            return self.measured >= self.goal if self.unit in RATES else self.measured <= self.goal
        return None

    @property
    def cells(self) -> tuple[str, str, str, str, str]:
        """What, measured, floor, ratio, goal: in words."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        least, verdict = "at least" if self.unit in RATES else "at most", "reached" if self.reached else "**missed**"
        if self.goal_ratio is not None:
            aim = f"ratio at most {self.goal_ratio:g}: {verdict}"
        elif self.goal is not None:
            aim = f"{least} {_figure(self.goal)} {self.unit}: {verdict}"
        else:
            aim = ""
        floor = "" if self.floor is None else f"{_figure(self.floor)} {self.unit}"
        return self.what, f"{_figure(self.measured)} {self.unit}", floor, ratio, aim


def _figure(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}".replace(",", " ") if value >= 100 else f"{value:.3g}"  # noqa: PLR2004


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """The option of every benchmark whose figures go to the page."""
    from pathlib import Path  # noqa: PLC0415 - argparse calls it, and nothing else here does

    parser.add_argument("--json", type=Path, help="file to write the figures to")


def report(title: str, findings: Sequence[Finding], *, console: Console, json_path: Path | None) -> None:
    """Print them, and write them where somebody wants to read them again."""
    table = Table(title=title, title_justify="left")
    for column in ("what", "measured", "floor", "ratio", "goal"):
        table.add_column(column, justify="left" if column in ("what", "goal") else "right")
    for finding in findings:
        table.add_row(*(cell.replace("**", "") for cell in finding.cells))
    console.print(table)
    if json_path:
        content = {"title": title, "findings": [asdict(each) for each in findings]}
        json_path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_report(path: Path) -> tuple[str, list[Finding]]:
    """Title and figures of what `report` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return content["title"], [Finding(**each) for each in content["findings"]]
