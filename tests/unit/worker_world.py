"""The world of a worker in memory: documents, objects, messages and a clock, all of which a test can reach into."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import numpy as np

from gpu_job.lease import Claimant, Lease
from gpu_job.making import make_video
from gpu_job.message_source.memory import InMemoryMessageSource
from gpu_job.render_job import Workshop
from gpu_job.renderer import Account
from gpu_job.test_pattern import TestPatternRenderer
from shared.artifact_paths import poster_path, receipt_path, video_path
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.commits import Commit
from shared.documents import Job, JobError, Render, Stage, Status, Usage
from shared.errors import ErrorCode, Retryable
from shared.job_store import Create, Replace, Write
from shared.job_store.memory import InMemoryJobStore
from shared.jobs import publish
from shared.messages import JOB_EVENTS, RENDER_REQUESTS, JobEvent, RenderRequested, decode, encode
from shared.publisher.memory import InMemoryPublisher
from shared.requests import render_key
from shared.safety import NoOutputCheck
from shared.testing import Clock, MeddledJobStore, a_job, a_render, a_spec
from shared.testing.meddling import Meddling
from tests.unit.renderer_world import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from gpu_job.message_source import Message
    from gpu_job.renderer import Renderer, Watch
    from shared.artifact_store import Artifact
    from shared.job_store import Kept, Stored
    from shared.requests import RenderSpec
    from shared.safety import OutputCheck

LEASE_S = 60.0
#: Name of the first.
ATTEMPT = "1-worker-a"
USAGE = Usage(load_s=1, render_s=2, encode_s=3, device="another device")
BROKEN = JobError(code=ErrorCode.RENDER_FAILED, message="It is broken.")


def no_answer() -> None:
    """For `Meddling`: the service is not there."""
    raise Retryable("no answer")


def nothing() -> None:
    """For `Meddling`: this call goes undisturbed."""


class WatchedJobStore(MeddledJobStore):
    """Others may come in between; remembers what was written."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(now=clock.now)
        #: Ids of the jobs that each commit wrote.
        self.jobs_written: list[list[str]] = []

    def commit(self, *writes: Write) -> Sequence[Stored[Kept]]:
        written = super().commit(*writes)
        self.jobs_written.append([write.value.job_id for write in writes if isinstance(write.value, Job)])
        return written

    def forget(self, render_key: str) -> None:
        """The render's document is deleted."""
        with self._lock:
            del self._documents[Render, render_key]


class MeddledArtifactStore(InMemoryArtifactStore):
    """In memory; remembers the order of uploads."""

    def __init__(self) -> None:
        super().__init__()
        self.meddling = Meddling()
        self.created: list[str] = []

    def get(self, name: str) -> Artifact | None:
        self.meddling.happens("get")
        return super().get(name)

    def forget(self, name: str) -> None:
        """The object is deleted."""
        with self._lock:
            del self._objects[name]

    def create(self, name: str, content: bytes | Path, **options: Any) -> Any:
        self.meddling.happens("create")
        artifact = super().create(name, content, **options)
        self.created.append(name)
        return artifact


class MeddledPublisher(InMemoryPublisher):
    """In memory; may be out of reach."""

    def __init__(self) -> None:
        super().__init__()
        self.meddling = Meddling()

    def publish(self, topic: str, data: bytes, *, attributes: Mapping[str, str]) -> str:
        self.meddling.happens("publish")
        return super().publish(topic, data, attributes=attributes)


class MeddledSource(InMemoryMessageSource):
    """In memory; remembers what became of each delivery."""

    def __init__(self, publisher: InMemoryPublisher) -> None:
        super().__init__(publisher)
        self.meddling = Meddling()
        self.acknowledged: list[Message] = []
        #: The delay in seconds of each message that was put back.
        self.put_back_after: list[int] = []
        self.extended: list[int] = []

    def pull(self, *, timeout_s: float) -> Message | None:
        self.meddling.happens("pull")
        return super().pull(timeout_s=timeout_s)

    def acknowledge(self, message: Message) -> None:
        self.meddling.happens("acknowledge")
        super().acknowledge(message)
        self.acknowledged.append(message)

    def put_back(self, message: Message, *, delay_s: int = 0) -> None:
        self.meddling.happens("put_back")
        super().put_back(message, delay_s=delay_s)
        self.put_back_after.append(delay_s)

    def extend(self, message: Message, *, deadline_s: int) -> None:
        self.meddling.happens("extend")
        super().extend(message, deadline_s=deadline_s)
        self.extended.append(deadline_s)


class GreyRenderer:
    """Draws grey frames, and does at each step what the test wants."""

    device_name = "grey matter"
    load_s = 0.0
    account = Account()

    def __init__(self, at_step: Callable[[Watch], None] = lambda _: None) -> None:
        self._at_step = at_step
        self.renders = 0

    def sketch(self) -> None:
        """It has none."""

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        self.renders += 1
        watch.moved(Stage.LOADING, 1, 1)
        for step in range(1, spec.steps + 1):
            self._at_step(watch)
            watch.moved(Stage.RENDERING, step, spec.steps)
        yield np.full((spec.frames, spec.height, spec.width, 3), 0.5, np.float32)


class World:
    """One render of 256x256, the jobs that wait for it, and all that workers use."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.store = WatchedJobStore(self.clock)
        self.artifacts = MeddledArtifactStore()
        self.publisher = MeddledPublisher()
        self.source = MeddledSource(self.publisher)
        self.folder = folder
        self.inbox: Any = queue.SimpleQueue()
        #: As drawn, without an eye: that takes torch, and has its own tests.
        spec = a_spec(size="256x256").model_copy(update={"optics": None})
        self.new_render = a_render(now=self.clock.now(), changes={"spec": spec, "render_key": render_key(spec)})
        self.key = self.new_render.render_key

    def wish(self, *job_ids: str, message: bool = True) -> None:
        """Jobs that wait for the render, attached as the submit function does it: the job first, then the render."""
        now = self.clock.now()
        found = InMemoryJobStore.render(self.store, self.key)
        jobs = [Create(value=a_job(self.new_render, job_id=job_id, now=now)) for job_id in job_ids]
        if found is None:
            InMemoryJobStore.commit(self.store, *jobs, Create(value=publish(self.new_render, now=now)))
            if message:
                self.send_message()
            return
        InMemoryJobStore.commit(self.store, *jobs)
        found = InMemoryJobStore.render(self.store, self.key)
        assert found
        if not found.value.published_at:
            self.change_render(published_at=now)
            self.send_message()
        else:
            self.change_render(updated_at=now)

    def send_message(self, data: bytes | None = None) -> None:
        """A render request; about the render unless other bytes are given."""
        message = encode(RenderRequested(render_key=self.key)) if data is None else data
        self.publisher.publish(RENDER_REQUESTS, message, attributes={})

    def next_message(self) -> Message:
        """The delivery that a worker gets now."""
        message = self.source.pull(timeout_s=0)
        assert message, "no message is due"
        return message

    def change_render(self, **changes: object) -> None:
        """Somebody writes the render."""
        found = InMemoryJobStore.render(self.store, self.key)
        assert found
        InMemoryJobStore.commit(self.store, Replace(stored=found, value=found.value.model_copy(update=changes)))

    def cancel(self, *job_ids: str) -> None:
        """Their owners want them no more."""
        for job_id in job_ids:
            found = self.store.job(job_id)
            assert found
            canceled = found.value.model_copy(update={"status": Status.CANCELED})
            InMemoryJobStore.commit(self.store, Replace(stored=found, value=canceled))

    @property
    def render(self) -> Render:
        """As it is stored."""
        found = InMemoryJobStore.render(self.store, self.key)
        assert found
        return found.value

    def job(self, job_id: str) -> Job:
        """As it is stored."""
        found = self.store.job(job_id)
        assert found
        return found.value

    @property
    def events(self) -> list[JobEvent]:
        """All that were published."""
        return [decode(JobEvent, message.data) for message in self.publisher.published[JOB_EVENTS]]

    def commit_video(self, attempt: str = "7-another") -> None:
        """Another worker's video is there."""
        commit = Commit(
            render_key=self.key,
            attempt=attempt,
            poster_path=poster_path(self.key, attempt),
            receipt_path=receipt_path(self.key, attempt),
            width=64,
            height=64,
            frames=33,
            fps=16,
            duration_s=33 / 16,
            usage=USAGE,
        )
        self.artifacts.create(video_path(self.key), b"mp4", content_type="video/mp4", metadata=commit.metadata())

    def put_rubbish_in_place_of_the_video(self) -> None:
        """Somebody uploaded by hand."""
        self.artifacts.create(video_path(self.key), b"holiday", content_type="video/mp4")

    def claimant(self, holder: str = "worker-a", *, lease_s: float = LEASE_S) -> Claimant:
        """A worker that wants the render."""
        return Claimant(
            holder=holder,
            lease_s=lease_s,
            store=self.store,
            artifacts=self.artifacts,
            publisher=self.publisher,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
        )

    def claim(self, holder: str = "worker-a") -> Lease:
        """The lease that must be there to be had."""
        lease = self.claimant(holder).claim(self.key)
        assert isinstance(lease, Lease)
        return lease

    def workshop(self, renderer: Renderer | None = None, *, retry_backoff_s: float = 10) -> Workshop:
        """What a worker works with."""
        renderer = renderer or GreyRenderer()
        return Workshop(
            claimant=self.claimant(),
            source=self.source,
            renderer=lambda: renderer,
            folder=self.folder,
            inbox=self.inbox,
            retry_backoff_s=retry_backoff_s,
        )


def make(
    world: World,
    *,
    renderer: Renderer | None = None,
    watch: Watch | None = None,
    device: str | None = "cpu",
    output_check: OutputCheck | None = None,
) -> None:
    """Make the video of its render, as a worker's first attempt."""
    make_video(
        world.render,
        attempt=ATTEMPT,
        renderer=renderer or TestPatternRenderer(),
        artifacts=world.artifacts,
        folder=world.folder,
        device=device,
        watch=watch or Listener(),
        now=world.clock.now,
        output_check=output_check or NoOutputCheck(),
    )
