"""The worker as a process, on Google's emulators and the storage emulator: what it leaves behind when it ends."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.cloud import firestore, storage

from gpu_job.message_source.pubsub import PubSubMessageSource
from local.processes import ChildProcess
from local.storage_emulator import serve_storage
from shared.artifact_store.gcs import GcsArtifactStore
from shared.commits import find_commit
from shared.documents import Render, Stage, State, Status
from shared.job_store import Create
from shared.job_store.firestore import FirestoreJobStore
from shared.jobs import publish
from shared.messages import RENDER_REQUESTS, RenderRequested, encode
from shared.publisher.pubsub import PubSubPublisher
from shared.testing import a_job, a_render

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gpu_job.message_source import Message

pytestmark = pytest.mark.emulators

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "artifacts"
PATIENCE_S = 30.0
#: A Spot node that is taken away leaves 15 s, of which Kubernetes keeps some.
GRACE_S = 10.0


def wait_until(is_so: Callable[[], bool], *, what: str) -> None:
    """Poll until it is so; fail after the deadline."""
    give_up_at = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < give_up_at, f"{what}: not within {PATIENCE_S:.0f} s"
        time.sleep(0.02)


class Site:
    """A project with one wish in it, and the workers that are started there."""

    def __init__(self, *, project: str, folder: Path, storage_url: str) -> None:
        self._project = project
        self._folder = folder
        self._storage_url = storage_url
        self._client = firestore.Client(project=project)
        self._workers: list[ChildProcess] = []
        self.store = FirestoreJobStore(self._client)
        self.source = PubSubMessageSource(project=project)
        self.artifacts = GcsArtifactStore(storage.Client(project=project), bucket=BUCKET)
        self.new_render = a_render(now=datetime.now(UTC), size="64x64")

    def wish(self) -> None:
        """A job, its render and its message."""
        now = datetime.now(UTC)
        job = a_job(self.new_render, now=now)
        self.store.commit(Create(value=job), Create(value=publish(self.new_render, now=now)))
        publisher = PubSubPublisher(project=self._project)
        message = encode(RenderRequested(render_key=self.new_render.render_key))
        publisher.publish(RENDER_REQUESTS, message, attributes={})
        publisher.close()

    def start_worker(self, *arguments: str, **env: str) -> ChildProcess:
        """``python`` with these arguments, in the environment of a worker on this site."""
        worker = ChildProcess(
            name="worker",
            argv=[sys.executable, *arguments],
            log_path=self._folder / f"worker-{len(self._workers)}.log",
            env=os.environ
            | {
                "GOOGLE_CLOUD_PROJECT": self._project,
                "STORAGE_EMULATOR_HOST": self._storage_url,
                "ARTIFACT_BUCKET": BUCKET,
                "WARM_S": "0",
            }
            | env,
            cwd=ROOT,
        )
        self._workers.append(worker)
        return worker

    @property
    def render(self) -> Render:
        found = self.store.render(self.new_render.render_key)
        assert found
        return found.value

    def next_message(self) -> Message | None:
        """What another worker would get now."""
        for _ in range(3):
            if message := self.source.pull(timeout_s=1.5):
                return message
        return None

    def close(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._client.close()
        self.source.close()


@pytest.fixture
def site(project_with_topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with serve_storage(data_dir=tmp_path / "objects", buckets=[BUCKET]) as url:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", url)
        site = Site(project=project_with_topics, folder=tmp_path, storage_url=url)
        yield site
        site.close()


def test_a_worker_makes_the_video_acknowledges_the_message_and_leaves(site: Site) -> None:
    site.wish()
    worker = site.start_worker("-m", "local.instant_worker")

    wait_until(lambda: worker.poll() is not None, what="the worker leaves")

    assert worker.poll() == 0, worker.log_path.read_text()
    assert find_commit(site.new_render.render_key, artifacts=site.artifacts)
    assert site.render.state is State.COMPLETED
    assert site.next_message() is None


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_that_is_told_to_go_in_the_middle_of_a_step_gives_everything_back_in_time(
    site: Site, stop: signal.Signals
) -> None:
    site.wish()
    worker = site.start_worker("-m", "local.instant_worker", STEP_S="60")
    wait_until(lambda: worker.poll() is not None or site.render.stage is Stage.LOADING, what="the worker begins")
    begun = time.monotonic()

    os.kill(worker.pid, stop)
    wait_until(lambda: worker.poll() is not None, what="the worker leaves")

    assert worker.poll() == 0, worker.log_path.read_text()
    assert time.monotonic() - begun < GRACE_S
    assert (site.render.state, site.render.attempts) == (State.IDLE, 0)
    [job] = site.store.waiting_jobs(site.new_render.render_key)
    assert job.value.status is Status.QUEUED
    assert site.next_message()


def test_a_worker_that_finds_nothing_to_do_leaves_without_ever_importing_torch(site: Site) -> None:
    worker = site.start_worker("-X", "importtime", "-m", "gpu_job.main", PATIENCE_S="0")

    wait_until(lambda: worker.poll() is not None, what="the worker leaves")

    log = worker.log_path.read_text()
    assert worker.poll() == 0, log
    imported = set(re.findall(r"^import time:.*\| +(\S+)$", log, re.MULTILINE))
    assert "gpu_job.consumer" in imported
    assert imported.isdisjoint({"torch", "diffusers", "transformers", "gpu_job.diffusers_renderer"})
