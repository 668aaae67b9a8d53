"""The embedded form: the whole system on threads of one process, with nothing installed but Python."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from cli.metrics import measured_in
from cli.trace import NoTraceError, Span, trace_of
from gpu_job.test_pattern import TestPatternRenderer
from local.embedded import serve_embedded
from local.run_folder import TELEMETRY_FOLDER
from local.tokens import local_headers
from shared.documents import Status
from shared.job_store import Create
from shared.measures import FAILURES, QUEUE_AGE
from shared.messages import JOB_EVENTS
from shared.testing import a_job, a_render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.embedded import Embedded

pytestmark = pytest.mark.render  # what is drawn is seen, and that takes torch
PATIENCE_S = 30.0
ME = local_headers()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Embedded]:
    """It, with a renderer without a model."""
    with serve_embedded(run_dir=tmp_path, renderer=TestPatternRenderer, reconcile_every_s=0.05) as running:
        yield running
        assert running.faults == []


def until(found: Callable[[], Any], *, what: str) -> Any:
    """What is found, once there is something."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not (result := found()):
        assert time.monotonic() < give_up_at, f"{what}: not within {PATIENCE_S:.0f} s"
        time.sleep(0.05)
    return result


def test_a_wish_becomes_a_video(system: Embedded) -> None:
    wish = {"perspective": "curious-cat", "size": "256x256", "seed": 1}
    answer = requests.post(f"{system.api_url}/jobs", json=wish, headers=ME, timeout=10)
    assert answer.status_code == 202

    url = f"{system.api_url}/jobs/{answer.json()['job_id']}"
    job = until(
        lambda: next((job for job in [requests.get(url, headers=ME, timeout=10).json()] if job["finished_at"]), None),
        what="the job is final",
    )

    assert job["status"] == "completed"

    def fetched(artifact: str) -> bytes:
        link = requests.get(f"{url}/{artifact}", headers=ME, timeout=10).json()["url"]
        return requests.get(link, timeout=10).content

    video, human_view = fetched("video"), fetched("human-view")
    assert video[4:8] == human_view[4:8] == b"ftyp"
    assert video != human_view, "a cat sees something else"


def test_where_the_time_went_is_kept_in_the_folder_of_the_run(system: Embedded, tmp_path: Path) -> None:
    wish = {"perspective": "curious-cat", "size": "256x256", "seed": 1}
    job_id = requests.post(f"{system.api_url}/jobs", json=wish, headers=ME, timeout=10).json()["job_id"]
    wanted = {"submit", "publish", "claim", "render", "rendering", "commit", "notify", "event", "wait"}

    def whole() -> list[Span] | None:
        try:
            found = trace_of(job_id, [tmp_path / TELEMETRY_FOLDER])
        except NoTraceError:
            return None
        return found if wanted <= {each.name for each in found} else None

    spans = until(whole, what=f"spans of {wanted}")

    assert len({each.trace_id for each in spans}) == 1
    assert [each.name for each in spans if each.parent_id is None] == ["submit"]
    assert {each.service for each in spans} == {"embedded"}


def test_measures_are_told_at_the_end_at_the_latest(tmp_path: Path) -> None:
    wished_at = datetime.now(UTC) - timedelta(days=2)
    render = a_render(now=wished_at)
    with serve_embedded(run_dir=tmp_path, renderer=TestPatternRenderer, reconcile_every_s=0.05) as running:
        running.store.commit(Create(value=render), Create(value=a_job(render, now=wished_at)))
        until(lambda: running.publisher.published[JOB_EVENTS], what="the job is too late")

    told = {each.name for each in measured_in(tmp_path / TELEMETRY_FOLDER)}
    assert {QUEUE_AGE.name, FAILURES.name} <= told


def test_a_batch_becomes_videos(system: Embedded) -> None:
    rows = [{"perspective": "curious-cat", "size": "256x256", "seed": seed} for seed in (1, 2, 3)]
    answer = requests.post(f"{system.api_url}/batches", json={"requests": rows}, headers=ME, timeout=10)
    assert answer.status_code == 202

    url = f"{system.api_url}/batches/{answer.json()['batch_id']}"
    batch = until(
        lambda: next(
            (b for b in [requests.get(url, headers=ME, timeout=10).json()] if b["jobs"]["completed"] == 3), None
        ),
        what="all three are completed",
    )

    assert (batch["state"], batch["placed"], batch["rejected"]) == ("placed", 3, 0)
    until(lambda: len(system.publisher.published[JOB_EVENTS]) == 3, what="the world is told")


def test_what_was_lost_is_repaired(system: Embedded) -> None:
    """A job that was written and whose message never came to be sent."""
    wished_at = datetime.now(UTC) - timedelta(minutes=30)
    render = a_render(now=wished_at, size="256x256")
    system.store.commit(Create(value=render), Create(value=a_job(render, now=wished_at)))

    def is_final() -> bool:
        found = system.store.job("example-job")
        return found is not None and found.value.is_final

    until(is_final, what="the job is final")
    found = system.store.job("example-job")
    assert found
    assert found.value.status is Status.COMPLETED
