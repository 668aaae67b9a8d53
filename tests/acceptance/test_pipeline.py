"""The main job, through real processes: a wish goes in by one door, and a video that plays comes out of another."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import requests

from cli.here import MODELS_DIR
from gpu_job.diffusers_renderer import DiffusersRenderer
from gpu_job.pictures import read_frames
from local.embedded import serve_embedded
from local.tokens import local_headers
from shared.messages import JOB_EVENTS, JOB_REQUESTS, RENDER_REQUESTS, RENDER_REQUESTS_DEAD
from shared.optics import OPTICS_VERSION
from tests.acceptance.conftest import Observer, until

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = [pytest.mark.acceptance, pytest.mark.emulators, pytest.mark.render]

#: What another system would run: it knows the topic, the schema, and nothing of our code.
ANOTHER_PROGRAM = """
import json, sys
from google.cloud import pubsub_v1
client = pubsub_v1.PublisherClient()
body = {"schema_version": 1, "request": {"perspective": "night-owl", "theme": "first-snow", "seed": 3}}
topic = client.topic_path("life-as-not-me", "job-requests")
print(client.publish(topic, json.dumps(body).encode(), source="museum-kiosk").result(timeout=10))
client.stop()
"""


def fetch(observer: Observer, job_id: str, artifact: str) -> bytes:
    link = observer.get(f"/jobs/{job_id}/{artifact}").json()["url"]
    answer = requests.get(link, timeout=30)
    assert answer.status_code == 200
    return answer.content


def saturation(frames: NDArray[np.float64]) -> float:
    """Of the mean pixel: how far its channels are apart."""
    return float(np.ptp(frames, axis=-1).mean())


def test_a_wish_becomes_a_video_that_plays(observer: Observer, tmp_path: Path) -> None:
    events = observer.subscribe(JOB_EVENTS)
    answer = observer.post({"perspective": "curious-cat", "seed": 11})
    assert answer.status_code == 202
    job_id = answer.json()["job_id"]
    assert answer.headers["Location"] == f"/jobs/{job_id}"

    job = observer.final_job(job_id)

    assert (job["status"], job["progress"], job["error"]) == ("completed", 100, None)
    document = observer.documents("jobs")[job_id]
    assert document["status"] == "completed"
    assert document["video"] == job["video"]
    assert [event.status for event in observer.events(events, job_id)] == ["completed"]

    path = tmp_path / "video.mp4"
    path.write_bytes(fetch(observer, job_id, "video"))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        assert (codec.name, codec.pix_fmt, codec.width, codec.height) == ("h264", "yuv420p", 256, 256)
        assert (stream.frames, stream.average_rate) == (33, 16)
    assert path.read_bytes().index(b"moov") < path.read_bytes().index(b"mdat"), "plays before it is loaded as a whole"
    frames = read_frames(path).astype(float)
    assert frames.shape == (33, 256, 256, 3)
    assert frames.std() > 5, "a picture, not one colour"
    assert np.abs(np.diff(frames, axis=0)).mean() > 0.5, "a video, not one picture"
    human_path = tmp_path / "human-view.mp4"
    human_path.write_bytes(fetch(observer, job_id, "human-view"))
    human_view = read_frames(human_path).astype(float)
    assert human_view.shape == frames.shape, "it plays, beside the video"
    assert np.abs(human_view - frames).mean() > 2, "a cat sees something else"
    assert saturation(frames) < 0.9 * saturation(human_view), "and less colour: two kinds of cones"
    assert fetch(observer, job_id, "poster").startswith(b"\xff\xd8\xff")
    receipt = json.loads(fetch(observer, job_id, "receipt"))
    assert receipt["spec"]["seed"] == 11
    assert receipt["spec"]["optics"]["threshold"]["source"].startswith("Miller"), "where the numbers come from, too"
    assert receipt["optics_version"] == receipt["spec"]["optics_version"] == OPTICS_VERSION
    assert receipt["software"]["torch"].startswith("2.")


def test_the_same_idempotency_key_twice_is_one_job_and_one_render(observer: Observer) -> None:
    events = observer.subscribe(JOB_EVENTS)
    messages = observer.subscribe(RENDER_REQUESTS)
    jobs_before, renders_before = observer.documents("jobs"), observer.documents("renders")
    wish = {"perspective": "loyal-dog", "seed": 21}

    first = observer.post(wish, **{"Idempotency-Key": "once-and-only-once"})
    second = observer.post(wish, **{"Idempotency-Key": "once-and-only-once"})
    observer.final_job(first.json()["job_id"])
    third = observer.post(wish, **{"Idempotency-Key": "once-and-only-once"})
    other = observer.post(wish | {"seed": 22}, **{"Idempotency-Key": "once-and-only-once"})

    assert first.json()["job_id"] == second.json()["job_id"] == third.json()["job_id"]
    assert (third.status_code, third.json()["status"]) == (200, "completed")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert len(observer.documents("jobs")) == len(jobs_before) + 1
    assert len(observer.documents("renders")) == len(renders_before) + 1
    assert len(observer.events(events, first.json()["job_id"])) == 1
    assert len(observer.received(messages)) == 1


def test_two_equal_wishes_are_rendered_once_and_completed_both(observer: Observer) -> None:
    events = observer.subscribe(JOB_EVENTS)
    messages = observer.subscribe(RENDER_REQUESTS)
    wish = {"perspective": "busy-bee", "seed": 31}

    jobs = [observer.post(wish).json()["job_id"] for _ in range(2)]
    done = [observer.final_job(job_id) for job_id in jobs]

    assert jobs[0] != jobs[1]
    assert [job["status"] for job in done] == ["completed", "completed"]
    assert done[0]["video"] == done[1]["video"]
    assert sorted(json.loads(body)["job_id"] for body in observer.received(events)) == sorted(jobs)
    assert len(observer.received(messages)) == 1
    assert observer.documents("renders")[done[0]["render_key"]]["attempts"] == 1


def test_another_program_gets_its_video_by_message(observer: Observer) -> None:
    jobs_before = observer.documents("jobs")

    subprocess.run([sys.executable, "-c", ANOTHER_PROGRAM], check=True, timeout=60)

    [job_id] = until(lambda: set(observer.documents("jobs")) - set(jobs_before), what="the job of the message")
    # It belongs to that system, so the API does not show it to us: its document does.
    job: dict[str, Any] = until(
        lambda: next(iter([each for each in [observer.documents("jobs")[job_id]] if each["finished_at"]]), None),
        what="the job of the message is final",
    )
    assert (job["status"], job["owner"], job["error"]) == ("completed", "system:museum-kiosk", None)
    assert job["request"]["theme"] == "first-snow"


@pytest.mark.parametrize(
    "data",
    [b"{no json", b"", b"\xff\xfe", b'{"schema_version": 1, "request": {"perspective": "ghost", "seed": -1}}'],
    ids=["broken", "empty", "not text", "not granted"],
)
def test_a_malformed_message_becomes_a_failed_job_and_is_not_delivered_for_ever(
    observer: Observer, data: bytes
) -> None:
    jobs_before = observer.documents("jobs")
    events = observer.subscribe(JOB_EVENTS)

    # Pub/Sub refuses a message with neither data nor attributes.
    observer.publish(JOB_REQUESTS, data, source="careless")

    [job_id] = until(lambda: set(observer.documents("jobs")) - set(jobs_before), what="the failed job")
    job = observer.documents("jobs")[job_id]
    assert (job["status"], job["owner"]) == ("failed", "system:careless")
    assert job["error"]["code"] in {"malformed_request", "invalid_request"}
    assert [event.status for event in observer.events(events, job_id)] == ["failed"]
    assert set(observer.documents("jobs")) == {*jobs_before, job_id}, "delivered once"


def test_an_unreadable_render_request_goes_to_the_dead_letters_and_the_worker_lives_on(observer: Observer) -> None:
    dead = observer.subscribe(RENDER_REQUESTS_DEAD)

    observer.publish(RENDER_REQUESTS, b"not for anybody")
    # The workers are started by what is to do, so give them something.
    job_id = observer.post({"perspective": "garden-ant", "seed": 41}).json()["job_id"]

    assert observer.final_job(job_id)["status"] == "completed"
    assert until(lambda: observer.received(dead), what="the dead letter") == [b"not for anybody"]


def test_a_bad_request_is_answered_with_all_its_faults_and_writes_nothing(observer: Observer) -> None:
    jobs_before, renders_before = observer.documents("jobs"), observer.documents("renders")

    answer = observer.post(
        {"perspective": "ghost", "prompt": "x" * 10_000, "seed": 2**40, "size": "1x1", "seconds": 99, "speed": "fast"}
    )

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "invalid_request"
    assert {fault["field"] for fault in problem["errors"]} == {
        "perspective",
        "prompt",
        "seed",
        "size",
        "seconds",
        "speed",
    }
    assert (observer.documents("jobs"), observer.documents("renders")) == (jobs_before, renders_before)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{broken", "application/json", 400),
        (b'{"perspective": "curious-cat"}', "text/plain", 415),
        (b'{"prompt": "' + b"x" * 20_000 + b'"}', "application/json", 413),
    ],
)
def test_what_is_no_wish_is_refused_at_the_door(
    observer: Observer, body: bytes, content_type: str, status: int
) -> None:
    jobs_before = observer.documents("jobs")

    named = local_headers() | {"Content-Type": content_type}
    answer = requests.post(f"{observer.stack.api_url}/jobs", data=body, headers=named, timeout=30)

    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert observer.documents("jobs") == jobs_before


def test_the_embedded_form_makes_the_same_frames_as_the_emulators(observer: Observer, tmp_path: Path) -> None:
    wish = {"perspective": "watchful-hawk", "theme": "golden-hour", "prompt": "a vole in the grass", "seed": 51}
    job_id = observer.post(wish).json()["job_id"]
    assert observer.final_job(job_id)["status"] == "completed"
    on_emulators = tmp_path / "emulators.mp4"
    on_emulators.write_bytes(fetch(observer, job_id, "video"))

    human_view = tmp_path / "emulators-human-view.mp4"
    human_view.write_bytes(fetch(observer, job_id, "human-view"))

    embedded, embedded_human_view = tmp_path / "embedded.mp4", tmp_path / "embedded-human-view.mp4"
    renderer = DiffusersRenderer(MODELS_DIR)
    with serve_embedded(run_dir=tmp_path / "run", renderer=lambda: renderer) as system:
        me = local_headers()
        answer = requests.post(f"{system.api_url}/jobs", json=wish, headers=me, timeout=30)
        url = f"{system.api_url}/jobs/{answer.json()['job_id']}"
        job = until(
            lambda: next(
                iter([j for j in [requests.get(url, headers=me, timeout=30).json()] if j["finished_at"]]), None
            ),
            what="the embedded job is final",
        )
        assert (job["status"], job["error"]) == ("completed", None)
        for artifact, path in (("video", embedded), ("human-view", embedded_human_view)):
            link = requests.get(f"{url}/{artifact}", headers=me, timeout=30).json()["url"]
            path.write_bytes(requests.get(link, timeout=30).content)
        assert len(system.publisher.published[JOB_EVENTS]) == 1

    assert np.array_equal(read_frames(embedded), read_frames(on_emulators))
    assert np.array_equal(read_frames(embedded_human_view), read_frames(human_view))
