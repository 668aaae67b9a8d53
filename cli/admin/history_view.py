"""A job's history on the screen. Enters: a `History`. Leaves: what rich can print."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue
    from rich.console import RenderableType

    from cli.admin.history import History

_JOB = ("status", "owner", "batch_id", "render_key", "progress", "stage", "created_at", "started_at", "finished_at")
_RENDER = ("state", "priority", "holder", "token", "attempts", "retries", "renewed_at", "published_at", "check_at")


def view(found: History) -> RenderableType:
    """The job, its render, the bucket, and what happened."""
    parts: list[RenderableType] = [Text(f"Job {found.job['job_id']} on {found.where}", style="bold")]
    parts.append(_fields(found.job, *_JOB, "deadline_at", "error", event=found.event))
    if found.render:
        lease = f"{found.lease_left_s:.0f} s left" if found.lease_left_s else "none"
        more = {"lease": lease, "other jobs that wait": str(found.also_waiting)}
        parts += [Text("\nIts render", style="bold"), _fields(found.render, *_RENDER, "error", "usage", **more)]
    parts.append(Text("\nIn the bucket", style="bold"))
    parts += [Text(f"  {each.name}  {each.size_bytes} bytes") for each in found.objects] or [Text("  nothing")]
    parts += [Text("\nWhat happened", style="bold"), _moments(found)]
    if found.logs:
        parts += [Text("\nIts logs", style="bold"), Text(f"  {found.logs}")]
    return Group(*parts)


def _fields(document: Mapping[str, JsonValue], *names: str, **more: str) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in [(name, document[name]) for name in names if document.get(name) is not None]:
        table.add_row(f"  {name}", Text(value if isinstance(value, str) else json.dumps(value)))
    for name, value in more.items():
        table.add_row(f"  {name}", Text(value))
    return table


def _moments(found: History) -> Table:
    table = Table.grid(padding=(0, 2))
    for each in found.moments:
        details = "  ".join(f"{name}={value}" for name, value in each.details.items())
        table.add_row(f"  {each.at:%m-%d %H:%M:%S.%f}"[:-3], Text(each.source), Text(each.what), Text(details))
    return table
