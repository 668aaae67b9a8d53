"""The overview on the screen, as ``top`` draws it. Enters: an `Overview`. Leaves: what rich can print."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from cli.admin.overview import Doing
from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import RenderableType

    from cli.admin.overview import Overview

#: Of an id that we have made.
ID_CHARS = 32
_COLOURS = {Doing.WORKING: "green", Doing.WAITING: "", Doing.LOST: "red"}
_MINUTE_S, _HOUR_S = 60, 3600


def view(seen: Overview) -> RenderableType:
    """Some lines of numbers, the workers, the jobs."""
    return Group(*_head(seen), Text(), _workers(seen), Text(), _jobs(seen))


def sights(look: Callable[[], Overview]) -> Iterator[RenderableType]:
    """One look after the other, without end; what does not answer for a moment is looked at again."""
    while True:
        try:
            seen = view(look())
        except Retryable as exc:
            seen = Text(f"No answer: {exc}", style="red")
        yield seen


def age(seconds: float) -> str:
    """Such as ``12 s``, ``3 m 05 s`` or ``2 h 10 m``."""
    whole = int(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} m {whole % _MINUTE_S:02} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S:02} m"


def _head(seen: Overview) -> list[Text]:
    to_do = ", ".join(f"{number} {priority.value}" for priority, number in seen.to_do.items())
    waiting = ", ".join(f"{number} {status.value}" for status, number in seen.waiting.items())
    ended = ", ".join(f"{number} {status.value}" for status, number in seen.ended.items())
    lines = [
        Text(f"Life As Not Me on {seen.where}, {seen.at:%H:%M:%S} UTC", style="bold"),
        Text(f"renders to do  {to_do}"),
        Text(f"jobs           {waiting}; in the last hour {ended}"),
        Text(f"GPU seconds    {_spent(seen)}"),
    ]
    if seen.draining is not None:
        lines.insert(1, Text(f"DRAINED: workers take no work. {seen.draining}", style="bold red"))
    if seen.bulk_paused_until is not None:
        until = f"{seen.bulk_paused_until:%Y-%m-%d %H:%M} UTC"
        lines.insert(1, Text(f"BULK IS PAUSED until {until}: what it may spend today is spent.", style="bold yellow"))
    return lines


def _spent(seen: Overview) -> str:
    """Today's GPU seconds, and where they end."""
    limits = {"bulk": seen.budget_bulk_gpu_s, "all": seen.budget_gpu_s}
    known = " and ".join(f"{limit:g} for {who}" for who, limit in limits.items() if limit is not None)
    return f"{seen.spent_gpu_s:.0f} today (UTC)" + (f", of {known}" if known else "")


def _workers(seen: Overview) -> RenderableType:
    if not seen.workers:
        return Text("No worker is there.")
    table = Table("WORKER", "", "RENDER", "STAGE", "%", "LEASE", "TOKEN", "TRIES", box=None, pad_edge=False)
    for each in seen.workers:
        table.add_row(
            each.holder,
            Text(each.doing.value, style=_COLOURS[each.doing]),
            (each.render_key or "")[:12],
            each.stage.value if each.stage else "",
            "" if each.progress is None else str(each.progress),
            "" if each.lease_left_s is None else age(each.lease_left_s),
            "" if each.token is None else str(each.token),
            "" if each.attempts is None else str(each.attempts),
        )
    return table


def _jobs(seen: Overview) -> RenderableType:
    if not seen.jobs:
        return Text("No job waits, and none has failed.")
    table = Table(box=None, pad_edge=False)
    table.add_column("JOB", no_wrap=True, min_width=ID_CHARS)  # a part of an id is of no use
    table.add_column("STATUS", no_wrap=True, min_width=len("in_progress"))
    for name in ("%", "AGE", "EYES", "PRIORITY", "RENDER", "OWNER"):
        table.add_column(name, no_wrap=True)
    for each in seen.jobs:
        why = f" {each.code.value}" if each.code else ""
        table.add_row(
            Text(each.job_id),
            Text(f"{each.status.value}{why}", style="red" if each.code else ""),
            str(each.progress),
            age(each.age_s),
            each.perspective or "",
            each.priority.value if each.priority else "",
            (each.render_key or "")[:12],
            Text(each.owner[:24]),
        )
    return table
