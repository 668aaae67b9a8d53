"""The world of ``notify`` in memory: one render, jobs that wait for it, an honest worker, and what goes wrong."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from notifier import object_finalized
from placing import NotSeenToError, place
from reconciling import reconcile_all
from repairing import Repairer

from gpu_job.lease import Claimant, Lease
from shared.artifact_paths import video_path
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, JobError, Render
from shared.errors import ErrorCode
from shared.job_store import Create, Delete, Replace
from shared.jobs import SERVER_TIME, claim_render, fail_render
from shared.messages import JOB_EVENTS, RENDER_REQUESTS, JobEvent, RenderRequested, decode
from shared.testing import Clock, FlakyPublisher, MeddledJobStore, a_job, a_render, put_video

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.job_store import Stored

BUCKET = "videos"
LEASE_S = 60
ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")


class World:
    """Documents, objects, messages and a clock that a test can reach into."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = MeddledJobStore(now=self.clock.now)
        self.publisher = FlakyPublisher()
        self.artifacts = InMemoryArtifactStore()
        self.repairer = Repairer(
            store=self.store, publisher=self.publisher, artifacts=self.artifacts, now=self.clock.now
        )
        self.example = a_render(now=self.clock.now())
        self.key = self.example.render_key
        self._taken = 0

    # What happens

    def wish(self, *job_ids: str) -> None:
        """Jobs that wait for the render, placed as the submit function does it."""
        for job_id in job_ids:
            with suppress(NotSeenToError):
                place(
                    a_job(self.example, job_id=job_id, now=self.clock.now()),
                    self.example.spec,
                    store=self.store,
                    publisher=self.publisher,
                    artifacts=self.artifacts,
                    now=self.clock.now,
                )

    def put(self, *documents: Job | Render) -> None:
        """Documents that are there."""
        self.store.commit(*(Create(value=document) for document in documents))

    def put_job(self, job_id: str, *, render: Render | None = None) -> None:
        """A job whose attacher died before it looked at the render."""
        self.put(a_job(render or self.example, job_id=job_id, now=self.clock.now()))

    def change(self, change: Callable[[Render], Render]) -> None:
        """Somebody writes the render."""
        self.store.commit(Replace(stored=self.stored_render, value=change(self.stored_render.value)))

    def change_job(self, job_id: str, change: Callable[[Job], Job]) -> None:
        """Somebody writes a job."""
        self.store.commit(Replace(stored=self.stored_job(job_id), value=change(self.stored_job(job_id).value)))

    def claim(self, holder: str = "worker-a") -> None:
        """A worker takes the lease, whatever else there is."""
        self.change(lambda render: claim_render(render, holder=holder, lease_s=LEASE_S, now=self.clock.now()))
        assert self.render.renewed_at != SERVER_TIME

    def fail(self) -> None:
        """The render fails, and nobody is told."""
        self.change(lambda render: fail_render(render, error=ERROR, now=self.clock.now()))

    def delete_render(self) -> None:
        """Its document is gone."""
        self.store.commit(Delete(stored=self.stored_render))

    def put_video(self) -> None:
        """The commit of some worker."""
        put_video(self.artifacts, self.key)

    def lose_messages(self) -> None:
        """Whatever was sent until now never arrives."""
        self._taken = len(self.messages)

    def hear(self, name: object = None, *, bucket: object = BUCKET) -> None:
        """An object is finalized."""
        object_finalized(bucket, video_path(self.key) if name is None else name, ours=BUCKET, repairer=self.repairer)

    def repair(self) -> str | None:
        """Repair the render."""
        return self.repairer.repair(self.key)

    def reconcile(
        self,
        *,
        time_limit_s: float = 45,
        monotonic: Callable[[], float] | None = None,
        ahead: timedelta = timedelta(0),
    ) -> Mapping[str, int]:
        """One run."""
        return reconcile_all(
            repairer=self.repairer,
            time_limit_s=time_limit_s,
            monotonic=monotonic or self.clock.monotonic,
            ahead=ahead,
        )

    def work(self) -> None:
        """An honest worker takes every message that has arrived, and its videos are heard of."""
        while self._taken < len(self.messages):
            render_key = self.messages[self._taken].render_key
            self._taken += 1
            lease = self.claimant("honest").claim(render_key)
            if isinstance(lease, Lease):
                put_video(self.artifacts, render_key)
                lease.complete()
                self.hear(video_path(render_key))

    def claimant(self, holder: str) -> Claimant:
        """A worker that wants renders."""
        return Claimant(
            holder=holder,
            lease_s=LEASE_S,
            store=self.store,
            artifacts=self.artifacts,
            publisher=self.publisher,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
        )

    # What there is

    @property
    def stored_render(self) -> Stored[Render]:
        """As it is stored."""
        found = self.store.render(self.key)
        assert found
        return found

    @property
    def render(self) -> Render:
        """As it is stored."""
        return self.stored_render.value

    def stored_job(self, job_id: str) -> Stored[Job]:
        """As it is stored."""
        found = self.store.job(job_id)
        assert found
        return found

    def job(self, job_id: str) -> Job:
        """As it is stored."""
        return self.stored_job(job_id).value

    @property
    def messages(self) -> list[RenderRequested]:
        """All interactive render requests that were ever sent."""
        return [decode(RenderRequested, each.data) for each in self.publisher.published[RENDER_REQUESTS]]

    @property
    def events(self) -> list[JobEvent]:
        """All that were ever published."""
        return [decode(JobEvent, each.data) for each in self.publisher.published[JOB_EVENTS]]

    def everything(self) -> dict[object, object]:
        """All documents with their versions."""
        return dict(self.store._documents)
