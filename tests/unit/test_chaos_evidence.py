"""Chaos must be able to fail: what it says held is judged by documents, objects, events and logs that were made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bench.chaos_evidence import ON_THE_WAY, Evidence, at_work
from shared.jobs import MAX_ATTEMPTS

AWAY = datetime(2026, 1, 1, 12, tzinfo=UTC), datetime(2026, 1, 1, 12, 0, 5, tzinfo=UTC)
LATER = AWAY[1] + timedelta(minutes=1)


def line(message: str, *, time: datetime = LATER, **fields: str) -> dict[str, Any]:
    return {"message": message, "time": time.isoformat(), **fields}


def job(key: str, **changes: object) -> dict[str, Any]:
    well = {"status": "completed", "video": {"generation": 7}, "error": None, "event_pending": False}
    return {"render_key": key, **well, **changes}


def render(key: str, **changes: object) -> dict[str, Any]:
    return {"state": "completed", "render_key": key, "video": {"generation": 7}, "token": 1, **changes}


WELL = Evidence(
    wished=3,
    jobs={"job-1": job("a"), "job-2": job("a"), "job-3": job("b")},
    renders={"a": render("a"), "b": render("b")},
    videos={"a": 7, "b": 7},
    told=["job-1", "job-2", "job-3", "job-3"],
    lines=[
        line("video committed", render_key="a"),
        line("video committed", render_key="b"),
        line("video was committed before", render_key="b"),
        *(line("event published", job_id=f"job-{number}") for number in (1, 2, 3)),
    ],
    killed=["a", "b", "b"],
    away=AWAY,
)
FAILED: dict[str, Any] = {
    "jobs": {name: job("a", status="failed", video=None, error={"code": "render_failed"}) for name in WELL.jobs},
    "renders": {"a": render("a", state="failed", video=None)},
    "videos": {},
    "lines": [],
}
ONLY_A_FAILS = f"a job failed only where {MAX_ATTEMPTS} workers were killed at its render"


def test_where_all_is_well_everything_holds() -> None:
    assert all(WELL.held().values())
    assert WELL.commits == {"a": 1, "b": 1}
    assert WELL.rendered == 3


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        (FAILED, {ONLY_A_FAILS}),
        ({"wished": 4}, {"every wish is a job"}),
        ({"jobs": dict(WELL.jobs) | {"job-3": job("b", status="queued", video=None)}}, {"every job is final"}),
        ({"told": ["job-1", "job-2"]}, {"every job was told of, and nothing else"}),
        ({"told": [*WELL.told, "job-4"]}, {"every job was told of, and nothing else"}),
        ({"videos": {"a": 8, "b": 7}}, {"no render was committed twice"}),
        ({"jobs": dict(WELL.jobs) | {"job-1": job("a", video={"generation": 6})}}, {"no render was committed twice"}),
        ({"lines": [*WELL.lines, line("video committed", render_key="a")]}, {"no render was committed twice"}),
        ({"videos": {"a": 7}}, {"every completed job has a video"}),
        ({"renders": dict(WELL.renders) | {"a": render("a", state="leased")}}, {"every committed render is completed"}),
        ({"jobs": dict(WELL.jobs) | {"job-1": job("a", event_pending=True)}}, {"nothing is left to tell"}),
    ],
)
def test_what_does_not_hold_is_said(changes: dict[str, Any], broken: set[str]) -> None:
    held = replace(WELL, **changes).held()

    assert {what for what, is_so in held.items() if not is_so} == broken


def test_a_job_may_fail_whose_render_was_in_the_hands_of_as_many_workers_that_were_killed_as_it_has_attempts() -> None:
    assert all(replace(WELL, **FAILED, killed=["a"] * MAX_ATTEMPTS).held().values())


@pytest.mark.parametrize(
    ("published_at", "is_lost"),
    [
        ([AWAY[0] - ON_THE_WAY], True),
        ([AWAY[1]], True),
        ([LATER], False),
        ([AWAY[0], LATER], False),
        ([], False),
    ],
)
def test_an_event_may_be_missing_only_if_the_queue_forgot_it(published_at: list[datetime], *, is_lost: bool) -> None:
    lines = [line("event published", job_id="job-1", time=time) for time in published_at]
    evidence = replace(WELL, told=["job-2", "job-3"], lines=lines)

    assert evidence.lost_events == ({"job-1"} if is_lost else set())
    assert evidence.held()["every job was told of, and nothing else"] is is_lost


def test_a_video_whose_worker_was_killed_before_it_could_say_so_was_made() -> None:
    assert replace(WELL, lines=[]).rendered == 2


def test_a_worker_has_in_hand_what_it_claimed_last_and_has_not_ended() -> None:
    claimed = line("render claimed", render_key="a")
    assert at_work([claimed]) == ("a", LATER)
    assert at_work([claimed, line("video committed", render_key="a")]) is None
    assert at_work([claimed, line("lease lost"), line("render claimed", render_key="b")]) == ("b", LATER)
    assert at_work([]) is None
