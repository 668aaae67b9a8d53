"""Everything that a submission touches, in memory and in a test's reach."""

import json
from dataclasses import dataclass, field
from typing import Any

from callers import Caller
from placing import attach
from submit_job import submit_job

from shared.artifact_store import Artifact
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, JobError, Render
from shared.errors import ErrorCode, Retryable
from shared.job_store import Replace, Stored
from shared.jobs import (
    Ending,
    claim_render,
    fail_render,
    release_render,
    retire,
)
from shared.messages import JOB_EVENTS, RENDER_REQUESTS, JobEvent, RenderRequested, decode
from shared.requests import render_key
from shared.settling import complete_from_object, settle
from shared.testing import (
    AN_OFFER,
    TRACEPARENT,
    Clock,
    FlakyPublisher,
    MeddledJobStore,
    a_spec,
    put_video,
)
from tests.unit.admission_world import an_admission

WISH = {"perspective": "curious-cat", "seed": 1}
KEY = render_key(a_spec())
ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")
ADA = Caller(owner="ada")


class VanishingArtifactStore(InMemoryArtifactStore):
    """Its objects can be gone, as if somebody had deleted them."""

    is_empty = False

    def get(self, name: str) -> Artifact | None:
        return None if self.is_empty else super().get(name)


class VanishingJobStore(MeddledJobStore):
    """A render or a job of it can be gone at the next reading, as if its time to live had ended."""

    vanish: type[Job | Render] | None = None
    #: Readings before that.
    readings = 0

    def job(self, job_id: str) -> Stored[Job] | None:
        return None if self._vanishes(Job) else super().job(job_id)

    def render(self, render_key: str) -> Stored[Render] | None:
        return None if self._vanishes(Render) else super().render(render_key)

    def _vanishes(self, kind: type[Job | Render]) -> bool:
        if self.vanish is not kind:
            return False
        if self.readings:
            self.readings -= 1
            return False
        for key in [key for key in self._documents if key[0] is kind]:
            del self._documents[key]
        self.vanish = None
        return True


@dataclass
class World:
    """Everything that a submission touches."""

    clock: Clock = field(default_factory=Clock)
    artifacts: VanishingArtifactStore = field(default_factory=VanishingArtifactStore)
    publisher: FlakyPublisher = field(default_factory=FlakyPublisher)

    def __post_init__(self) -> None:
        self.store = VanishingJobStore(now=self.clock.now)
        self.admission = an_admission(self.store, monotonic=self.clock.monotonic)

    def submit(self, *, key: str | None = None, caller: Caller = ADA, **wish: Any) -> Job:
        return submit_job(
            json.dumps(WISH | wish).encode(),
            caller=caller,
            idempotency_key=key,
            traceparent=TRACEPARENT,
            store=self.store,
            publisher=self.publisher,
            artifacts=self.artifacts,
            offer=AN_OFFER,
            admission=self.admission,
            now=self.clock.now,
        )

    def attach(self, job: Job) -> Job:
        return attach(
            job, a_spec(), store=self.store, publisher=self.publisher, artifacts=self.artifacts, now=self.clock.now
        )

    def render(self, render_key: str = KEY) -> Render:
        found = self.store.render(render_key)
        assert found
        return found.value

    def job(self, job: Job) -> Job:
        """The job as it is stored."""
        found = self.store.job(job.job_id)
        assert found
        return found.value

    def replace(self, value: Render) -> None:
        stored = self.store.render(value.render_key)
        assert stored
        self.store.commit(Replace(stored=stored, value=value))

    # What workers and notify do meanwhile.

    def claim(self) -> None:
        self.replace(claim_render(self.render(), holder="a", lease_s=60, now=self.clock.now()))

    def release(self) -> None:
        self.replace(release_render(self.render(), now=self.clock.now(), ending=Ending.PREEMPTED))

    def retire(self) -> None:
        self.replace(retire(self.render(), now=self.clock.now()))

    def fail(self) -> None:
        self.replace(fail_render(self.render(), error=ERROR, now=self.clock.now()))
        self.settle()

    def finish(self) -> None:
        put_video(self.artifacts, KEY)
        complete_from_object(KEY, store=self.store, artifacts=self.artifacts, now=self.clock.now)
        self.settle()

    def settle(self) -> None:
        stored = self.store.render(KEY)
        assert stored
        settle(stored, store=self.store, publisher=self.publisher, now=self.clock.now)

    @property
    def messages(self) -> list[RenderRequested]:
        return [decode(RenderRequested, each.data) for each in self.publisher.published[RENDER_REQUESTS]]

    @property
    def events(self) -> list[JobEvent]:
        return [decode(JobEvent, each.data) for each in self.publisher.published[JOB_EVENTS]]


def no_answer() -> None:
    raise Retryable("no answer")
