"""The documented example of another system, run as it stands there: it knows topics and the API, no code of ours."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import av
import pytest
from avro_requests import ENCODING_ATTRIBUTE

from local.bundles import ROOT
from local.tokens import HERE, local_token
from shared.messages import JOB_EVENTS, JOB_REQUESTS
from tests.acceptance.conftest import until
from tests.unit.avro_world import ENCODERS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Observer

pytestmark = [pytest.mark.acceptance, pytest.mark.emulators, pytest.mark.render]

EXAMPLE = ROOT / "docs" / "examples" / "publisher.py"
JOB_ID = re.compile(r"^(museum-kiosk-[0-9a-f]{32}): (\w+) (.*)$", re.MULTILINE)


def publish(observer: Observer, *perspectives: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the example as another system would: elsewhere, with Google's variables and the address of the API."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, EXAMPLE, *perspectives],
        cwd=cwd,
        env=env | observer.stack.env | {"API_URL": observer.stack.api_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def said(done: subprocess.CompletedProcess[str]) -> dict[str, tuple[str, str]]:
    """Status and the rest of the line, by job."""
    return {job_id: (status, rest) for job_id, status, rest in JOB_ID.findall(done.stdout)}


def test_the_example_gets_a_video_that_plays_for_every_wish(observer: Observer, tmp_path: Path) -> None:
    events = observer.subscribe(JOB_EVENTS)
    jobs_before = observer.documents("jobs")

    done = publish(observer, "night-owl", "busy-bee", cwd=tmp_path)

    assert done.returncode == 0, done.stderr[-2000:]
    assert {status for status, _ in said(done).values()} == {"completed"}
    for job_id, (_, path) in said(done).items():
        with av.open(str(tmp_path / path)) as container:
            assert container.streams.video[0].frames == 33
        assert len(observer.documents("jobs")) == len(jobs_before) + 2
        job = observer.documents("jobs")[job_id]
        assert (job["owner"], job["status"]) == ("system:museum-kiosk", "completed")
    told = [json.loads(body)["event_id"] for body in observer.received(events)]
    assert sorted(told) == sorted(said(done)), "one event each"


def test_the_example_hears_of_a_wish_that_is_not_granted_with_the_reason(observer: Observer, tmp_path: Path) -> None:
    done = publish(observer, "ghost", cwd=tmp_path)

    assert done.returncode == 1, done.stderr[-2000:]
    [(status, reason)] = said(done).values()
    assert status == "failed"
    assert "perspective: must be one of: " in reason
    assert not list(tmp_path.iterdir())


def test_the_example_is_not_confused_by_events_of_others_and_repetitions(observer: Observer, tmp_path: Path) -> None:
    publish(observer, "ghost", cwd=tmp_path)  # makes the subscription, where it is not there yet
    job_id = observer.post({"perspective": "garden-ant", "seed": 61}).json()["job_id"]
    observer.final_job(job_id)
    other = {"event_id": job_id, "job_id": job_id, "status": "failed", "video": None, "error": None}
    for _ in range(2):
        observer.publish(JOB_EVENTS, json.dumps(other).encode(), job_id=job_id)

    done = publish(observer, "night-owl", cwd=tmp_path)

    assert done.returncode == 0, done.stderr[-2000:]
    assert job_id not in done.stdout
    assert len(said(done)) == 1


def test_the_example_takes_the_apis_link_where_the_api_knows_the_caller(
    observer: Observer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as every caller of the API is the same anonymous one, that is whom the job must belong to."""
    done = publish(observer, "night-owl", cwd=tmp_path)
    [(job_id, (_, path))] = said(done).items()
    observer.database.document("jobs", job_id).update({"owner": HERE})
    monkeypatch.setenv("API_URL", observer.stack.api_url)
    monkeypatch.setenv("ID_TOKEN", local_token(HERE))
    monkeypatch.delenv("ARTIFACT_BUCKET")

    assert example().video_of({"job_id": job_id}) == (tmp_path / path).read_bytes()


def example() -> Any:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("publisher_example", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_wish_in_avro_is_taken_in_by_the_deployed_function(observer: Observer, encoding: str) -> None:
    job_id = f"avro-{uuid.uuid4().hex}"
    wish = {"schema_version": 1, "job_id": job_id, "request": {"perspective": "garden-ant", "seed": 61}}

    # As Pub/Sub sets it where the topic has a schema; this one has none, so that other tests can publish plain JSON.
    attributes = {ENCODING_ATTRIBUTE: encoding}
    observer.publish(JOB_REQUESTS, ENCODERS[encoding](wish), source="museum-kiosk", **attributes)

    job = until(lambda: observer.documents("jobs").get(job_id), what="the job of the message")
    assert (job["owner"], job["error"]) == ("system:museum-kiosk", None)
    assert (job["request"]["perspective"], job["request"]["seed"]) == ("garden-ant", 61)
