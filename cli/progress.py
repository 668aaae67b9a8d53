"""A job's way on the screen: a live bar where there is a terminal, a line for each change where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from shared.documents import Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from cli.api_client import Seen
    from shared.documents import Job

#: From here on minutes say enough.
LONG_S: Final = 120


def follow_job(sights: Iterable[Seen], *, console: Console) -> Job:
    """Show each sight of a job; the job as it was seen last."""
    job: Job | None = None
    shown = ""
    columns = (
        TextColumn("{task.description:<24}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[expected]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("sent", total=100, expected="")
        for seen in sights:
            job = seen.job
            said = _words(seen)
            expected = _expected(seen)
            bar.update(task, description=said, completed=job.progress, expected=expected)
            if not console.is_terminal and said != shown:
                console.print(f"  {job.progress:>3} %  {said}{f', {expected}' if expected else ''}")
            shown = said
    assert job is not None, "a job is seen at least once"
    return job


def _words(seen: Seen) -> str:
    job = seen.job
    if job.status is Status.IN_PROGRESS and job.stage:
        return job.stage.value
    if job.status is Status.QUEUED and seen.paused_until:
        return f"queued, bulk waits until {seen.paused_until}"
    if job.status is Status.QUEUED and seen.queue_position:
        return f"queued, {seen.queue_position} before it"
    return job.status.value.replace("_", " ")


def _expected(seen: Seen) -> str:
    """When it will be final; nothing where nobody knows."""
    if seen.eta is None:
        return ""
    return f"about {_time(seen.eta.seconds)} ({_time(seen.eta.low)} to {_time(seen.eta.high)})"


def _time(seconds: int) -> str:
    return f"{seconds} s" if seconds < LONG_S else f"{round(seconds / 60)} min"
