"""What the command shows of a job on its way, where there is no terminal: a line for each change."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from rich.console import Console

from cli.api_client import Seen
from cli.progress import follow_job
from shared.documents import Stage, Status
from shared.estimates import Eta
from shared.testing import a_job, a_render

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = a_job(a_render(now=NOW), now=NOW)


def printed(*sights: Seen) -> list[str]:
    out = io.StringIO()
    follow_job(sights, console=Console(file=out, width=120))
    return [line.strip() for line in out.getvalue().splitlines() if line.strip()]


def seen(status: Status, **more: object) -> Seen:
    stage = Stage.RENDERING if status is Status.IN_PROGRESS else None
    job = JOB.model_copy(update={"status": status, "stage": stage})
    return Seen(**{"job": job, "queue_position": None, **more})  # type: ignore[arg-type]


def test_who_waits_is_told_the_place_and_when_it_is_expected() -> None:
    eta = Eta(seconds=150, low=90, high=400)
    assert printed(seen(Status.QUEUED, queue_position=3, eta=eta)) == [
        "0 %  queued, 3 before it, about 2 min (90 s to 7 min)"
    ]


def test_what_is_being_made_is_expected_too_and_the_end_needs_no_words() -> None:
    making = seen(Status.IN_PROGRESS, eta=Eta(seconds=12, low=9, high=20))
    assert printed(making, seen(Status.COMPLETED)) == ["0 %  rendering, about 12 s (9 s to 20 s)", "0 %  completed"]


def test_bulk_that_has_to_wait_for_another_day_says_until_when() -> None:
    assert printed(seen(Status.QUEUED, queue_position=3, paused_until="2026-01-02T00:00:00+00:00")) == [
        "0 %  queued, bulk waits until 2026-01-02T00:00:00+00:00"
    ]


def test_where_nobody_knows_nothing_is_expected() -> None:
    assert printed(seen(Status.QUEUED, queue_position=0)) == ["0 %  queued"]
