"""A store with one render, an empty bucket and a publisher, all in a test's reach."""

from dataclasses import dataclass, field

from shared.artifact_paths import video_path
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, JobError, Render, Status
from shared.errors import ErrorCode
from shared.job_store import Create, Replace, Stored
from shared.jobs import claim_render, fail_render, revive_render
from shared.messages import JOB_EVENTS, JobEvent, decode
from shared.requests import Priority
from shared.settling import complete_from_object, look, settle
from shared.testing import Clock, FlakyPublisher, MeddledJobStore, a_job, a_render

ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")


@dataclass
class World:
    """A store with one render, an empty bucket, and a publisher."""

    clock: Clock = field(default_factory=Clock)
    artifacts: InMemoryArtifactStore = field(default_factory=InMemoryArtifactStore)
    publisher: FlakyPublisher = field(default_factory=FlakyPublisher)

    def __post_init__(self) -> None:
        self.store = MeddledJobStore(now=self.clock.now)
        self.example = a_render(now=self.clock.now())
        self.key = self.example.render_key
        self.store.commit(Create(value=self.example))

    @property
    def render(self) -> Stored[Render]:
        found = self.store.render(self.key)
        assert found
        return found

    def replace_render(self, value: Render) -> None:
        self.store.commit(Replace(stored=self.render, value=value))

    def claim(self) -> None:
        self.replace_render(claim_render(self.render.value, holder="a", lease_s=60, now=self.clock.now()))

    def fail(self) -> None:
        self.replace_render(fail_render(self.render.value, error=ERROR, now=self.clock.now()))

    def revive(self) -> None:
        revived = revive_render(self.render.value, priority=Priority.INTERACTIVE, now=self.clock.now())
        self.replace_render(revived)

    def attach(self, *job_ids: str, status: Status = Status.QUEUED) -> None:
        for job_id in job_ids:
            job = a_job(self.example, job_id=job_id, now=self.clock.now())
            self.store.commit(Create(value=job.model_copy(update={"status": status})))

    def job(self, job_id: str) -> Job:
        found = self.store.job(job_id)
        assert found
        return found.value

    def complete(self) -> Stored[Render] | None:
        return complete_from_object(self.key, store=self.store, artifacts=self.artifacts, now=self.clock.now)

    def look(self) -> Stored[Render] | None:
        return look(self.key, store=self.store, artifacts=self.artifacts, now=self.clock.now)

    def put_rubbish(self) -> None:
        self.artifacts.create(video_path(self.key), b"cat.jpg", content_type="image/jpeg")

    def settle(self) -> None:
        settle(self.render, store=self.store, publisher=self.publisher, now=self.clock.now)

    @property
    def events(self) -> list[JobEvent]:
        return [decode(JobEvent, message.data) for message in self.publisher.published[JOB_EVENTS]]

    def everything(self) -> dict[object, object]:
        return dict(self.store._documents)
