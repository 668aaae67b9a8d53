"""A place where worker processes work: documents, messages, objects and events on emulators, and wishes in them."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.cloud import firestore, pubsub_v1, storage
from notifier import object_finalized
from repairing import Repairer

from gpu_job.lease import Claimant
from gpu_job.message_source.pubsub import PubSubMessageSource
from local.processes import ChildProcess
from shared.artifact_paths import render_folder
from shared.artifact_store.gcs import GcsArtifactStore
from shared.errors import Retryable
from shared.job_store import Create
from shared.job_store.firestore import FirestoreJobStore
from shared.jobs import publish
from shared.messages import JOB_EVENTS, RENDER_REQUESTS, JobEvent, RenderRequested, decode, encode
from shared.publisher.pubsub import PubSubPublisher
from shared.testing import a_job, a_render
from tests.contract.storage_world import client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gpu_job.lease import Held, Lease, NoLease
    from gpu_job.message_source import Message
    from shared.documents import Job, Render

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "artifacts"
PATIENCE_S = 30.0


def wait_until(is_so: Callable[[], bool], *, what: str, patience_s: float = PATIENCE_S) -> None:
    """Poll until it is so; fail after the deadline."""
    give_up_at = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < give_up_at, f"{what}: not within {patience_s:.0f} s"
        time.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A job and the render that it waits for, by their ids."""

    job_id: str
    render_key: str


class Site:
    """A project and a bucket, the workers that are started there, and the function that hears of their videos."""

    def __init__(self, *, project: str, folder: Path, storage_url: str) -> None:
        self._project = project
        self._folder = folder
        self._storage_url = storage_url
        self._client = firestore.Client(project=project)
        self._publisher = PubSubPublisher(project=project)
        self._subscriber = pubsub_v1.SubscriberClient()
        self._events = self._subscriber.subscription_path(project, "everything")
        topic = self._subscriber.topic_path(project, JOB_EVENTS)
        self._subscriber.create_subscription(name=self._events, topic=topic)
        self._workers: list[ChildProcess] = []
        self._wishes = 0
        self.store = FirestoreJobStore(self._client)
        self.source = PubSubMessageSource(project=project)
        self.artifacts = GcsArtifactStore(client_of(storage_url), bucket=BUCKET)
        #: Where workers put what they need for a while.
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        #: Whether ``notify`` takes the event of an object of this name; where not, the event comes again.
        self.takes: Callable[[str], bool] = lambda _: True
        #: Name and generation of each object whose event was taken.
        self.finalized: set[tuple[str, str]] = set()

    def notify(self, resource: dict[str, Any]) -> int:
        """The function behind the storage trigger: its answer to an event."""
        name = str(resource["name"])
        if not self.takes(name):
            return HTTPStatus.SERVICE_UNAVAILABLE
        repairer = Repairer(
            store=self.store, publisher=self._publisher, artifacts=self.artifacts, now=lambda: datetime.now(UTC)
        )
        try:
            object_finalized(resource["bucket"], name, ours=BUCKET, repairer=repairer)
        except Retryable:
            return HTTPStatus.SERVICE_UNAVAILABLE
        self.finalized.add((name, str(resource["generation"])))
        return HTTPStatus.NO_CONTENT

    def wish(self, **changes: object) -> Wish:
        """A job, its render and its message; the render is another one at each call, its spec changed as told.

        As drawn, without an eye: torch would take longer to import than all the rest.
        """
        self._wishes += 1
        now = datetime.now(UTC)
        render = a_render(now=now, size="256x256", seed=self._wishes)
        render = render.model_copy(update={"spec": render.spec.model_copy(update={"optics": None, **changes})})
        job = a_job(render, job_id=f"job-{self._wishes:04}", now=now)
        self.store.commit(Create(value=job), Create(value=publish(render, now=now)))
        message = encode(RenderRequested(render_key=render.render_key))
        self._publisher.publish(RENDER_REQUESTS, message, attributes={})
        return Wish(job_id=job.job_id, render_key=render.render_key)

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
                "TMPDIR": str(self.scratch),
                "WARM_S": "0",
                # Waiting threads that spin would slow down everything else on the machine.
                "OMP_WAIT_POLICY": "PASSIVE",
                "GOMP_SPINCOUNT": "0",
            }
            | env,
            cwd=ROOT,
        )
        self._workers.append(worker)
        return worker

    def render(self, wish: Wish) -> Render:
        """As it is stored."""
        found = self.store.render(wish.render_key)
        assert found
        return found.value

    def job(self, wish: Wish) -> Job:
        """As it is stored."""
        found = self.store.job(wish.job_id)
        assert found
        return found.value

    def is_settled(self, wish: Wish) -> bool:
        """Whether the render is final, and whoever finished it has told everybody and will write no more."""
        render = self.render(wish)
        return render.is_final and render.check_at is None

    def claim(self, wish: Wish) -> Lease | Held | NoLease:
        """What a worker gets that has come by a message for the render."""
        claimant = Claimant(
            holder="passer-by",
            lease_s=60,
            store=self.store,
            artifacts=self.artifacts,
            publisher=self._publisher,
            now=lambda: datetime.now(UTC),
        )
        return claimant.claim(wish.render_key)

    def objects(self, wish: Wish) -> Mapping[str, storage.Blob]:
        """What lies in the render's folder, by the names there."""
        folder = render_folder(wish.render_key)
        blobs = client_of(self._storage_url).list_blobs(BUCKET, prefix=folder)
        return {blob.name.removeprefix(folder): blob for blob in blobs}

    def next_message(self) -> Message | None:
        """What another worker would get now."""
        for _ in range(3):
            if message := self.source.pull(timeout_s=1.5):
                return message
        return None

    def job_events(self) -> list[JobEvent]:
        """All that were published and not asked for yet."""
        found: list[JobEvent] = []
        while answer := self._subscriber.pull(subscription=self._events, max_messages=100, timeout=1.5):
            if not answer.received_messages:
                return found
            found += [decode(JobEvent, each.message.data) for each in answer.received_messages]
            ack_ids = [each.ack_id for each in answer.received_messages]
            self._subscriber.acknowledge(subscription=self._events, ack_ids=ack_ids)
        return found

    def stop_workers(self) -> None:
        """Those that have not left."""
        for worker in self._workers:
            worker.stop()

    def close(self) -> None:
        """End the clients."""
        self._publisher.close()
        self._subscriber.close()
        self._client.close()
        self.source.close()
