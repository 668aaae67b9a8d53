"""A site in memory, for what an operator sees and does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from cli.admin.site import Place, Site
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.crew import KEPT, Presence
from shared.crew_store.memory import InMemoryCrewStore
from shared.documents import Job, JobError, Render, State
from shared.errors import ErrorCode
from shared.job_store import Create, Replace, Stored
from shared.jobs import claim_render, fail_render, publish
from shared.messages import JOB_EVENTS, RENDER_REQUESTS, JobEvent, RenderRequested, decode
from shared.publisher.memory import InMemoryPublisher
from shared.settling import settle
from shared.testing import Clock, MeddledJobStore, a_job, a_render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

BROKEN = JobError(code=ErrorCode.RENDER_FAILED, message="The decoder broke.")
LEASE_S = 60.0


class StillSite(Site):
    """Its clock is the world's."""

    clock = Clock()

    def now(self) -> datetime:
        return self.clock.now()


class AdminJobStore(MeddledJobStore):
    """In memory; what only operators ask may be meddled with, too."""

    def leased_renders(self, *, limit: int) -> Sequence[Stored[Render]]:
        self.meddling.happens("leased_renders")
        return super().leased_renders(limit=limit)


class World:
    """What a site has, and hands to reach into it."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.store = AdminJobStore(now=self.clock.now)
        self.artifacts = InMemoryArtifactStore()
        self.publisher = InMemoryPublisher()
        self.crew = InMemoryCrewStore()
        place = Place(project="nowhere", bucket="artifacts", env={})
        self.site = StillSite(
            place=place, store=self.store, artifacts=self.artifacts, publisher=self.publisher, crew=self.crew
        )
        StillSite.clock = self.clock

    def wish(self, job_id: str = "job-0001", *, seed: int = 1, owner: str = "ada", **wishes: Any) -> Stored[Job]:
        """A job that waits for a render whose message was sent."""
        now = self.clock.now()
        render = a_render(now=now, seed=seed, owner=owner, **wishes)
        job = a_job(render, job_id=job_id, now=now, owner=owner)
        if self.store.render(render.render_key) is None:
            self.store.commit(Create(value=publish(render, now=now)))
        self.store.commit(Create(value=job))
        return self.job(job_id)

    def claim(self, render_key: str, *, holder: str = "worker-a") -> None:
        """A worker takes it."""
        render = self.render(render_key)
        claimed = claim_render(render.value, holder=holder, lease_s=LEASE_S, now=self.clock.now())
        self.store.commit(Replace(stored=render, value=claimed))

    def break_render(self, render_key: str) -> None:
        """A worker has given it up, and all are told."""
        render = self.render(render_key)
        failed = fail_render(render.value, error=BROKEN, now=self.clock.now())
        [written] = self.store.commit(Replace(stored=render, value=failed))
        settle(cast("Stored[Render]", written), store=self.store, publisher=self.publisher, now=self.clock.now)

    def report(self, holder: str) -> None:
        """A worker says that it is there."""
        now = self.clock.now()
        self.crew.report(Presence(holder=holder, models=("pocket",), since=now, seen_at=now, expires_at=now + KEPT))

    def job(self, job_id: str) -> Stored[Job]:
        found = self.store.job(job_id)
        assert found
        return found

    def render(self, render_key: str) -> Stored[Render]:
        found = self.store.render(render_key)
        assert found
        return found

    def state(self, job: Stored[Job]) -> State:
        assert job.value.render_key
        return self.render(job.value.render_key).value.state

    def asked_for(self) -> list[str]:
        """Keys of the renders that messages ask for."""
        return [decode(RenderRequested, each.data).render_key for each in self.publisher.published[RENDER_REQUESTS]]

    def told(self) -> list[tuple[str, str]]:
        """Jobs and their ends, as events tell."""
        events = [decode(JobEvent, each.data) for each in self.publisher.published[JOB_EVENTS]]
        return [(each.job_id, each.status.value) for each in events]
