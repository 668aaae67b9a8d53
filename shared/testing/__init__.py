"""What tests of several rooms share: a clock that stands still until told, examples, and doubles that fail.

Not part of any bundle.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.artifact_paths import human_view_path, poster_path, receipt_path, video_path
from shared.commits import Commit
from shared.documents import Job, Render, Usage
from shared.errors import Retryable
from shared.job_store.memory import InMemoryJobStore
from shared.jobs import new_job, new_render
from shared.publisher.memory import InMemoryPublisher
from shared.requests import Offer, Priority, RenderSpec, Request, fill_in, render_key, render_spec
from shared.testing.meddling import Meddling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.artifact_store import Artifact, ArtifactStore
    from shared.job_store import Kept, Stored, Write

AN_OFFER = Offer(served=("pocket",), seed_pool=8)
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Clock:
    """Wall clock and monotonic clock in one, moved by hand."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self.time = start
        self._start = start

    def now(self) -> datetime:
        """The wall clock."""
        return self.time

    def monotonic(self) -> float:
        """Seconds since the start."""
        return (self.time - self._start).total_seconds()

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)


def a_spec(*, owner: str = "anonymous", **wishes: Any) -> RenderSpec:  # noqa: ANN401 - fields of a request
    """A render spec: curious cat, seed 1, everything else by default."""
    request = Request.model_validate({"perspective": "curious-cat", "seed": 1} | wishes)
    return render_spec(fill_in(request, job_id="example-job", offer=AN_OFFER), owner=owner, offer=AN_OFFER)


def a_render(*, now: datetime, changes: Mapping[str, object] | None = None, **wishes: Any) -> Render:  # noqa: ANN401
    """An idle render that nobody has claimed; ``changes`` are set on top."""
    spec = a_spec(**wishes)
    render = new_render(
        render_key=render_key(spec), spec=spec, priority=Priority.INTERACTIVE, now=now, traceparent=TRACEPARENT
    )
    return render.model_copy(update=dict(changes or {}))


def a_job(render: Render, *, job_id: str = "example-job", now: datetime, owner: str = "anonymous") -> Job:
    """A queued job that waits for the render."""
    request = Request(perspective=render.spec.perspective, seed=render.spec.seed)
    return new_job(
        job_id=job_id,
        owner=owner,
        request=fill_in(request, job_id=job_id, offer=AN_OFFER),
        render_key=render.render_key,
        fingerprint="0" * 64,
        now=now,
        traceparent=TRACEPARENT,
    )


def a_commit(render_key: str, *, attempt: str = "1-worker-a") -> Commit:
    """What an attempt made of the pocket model's default: two seconds of 256x256."""
    return Commit(
        render_key=render_key,
        attempt=attempt,
        poster_path=poster_path(render_key, attempt),
        human_view_path=human_view_path(render_key, attempt),
        receipt_path=receipt_path(render_key, attempt),
        width=256,
        height=256,
        frames=33,
        fps=16,
        duration_s=2.0625,
        usage=Usage(load_s=0, render_s=4.5, see_s=0.1, encode_s=0.5, device="cpu"),
    )


def put_video(artifacts: ArtifactStore, render_key: str, *, attempt: str = "1-worker-a") -> Artifact:
    """Upload the object that completes a render, as a worker does."""
    commit = a_commit(render_key, attempt=attempt)
    return artifacts.create(
        video_path(render_key), b"not really a video", content_type="video/mp4", metadata=commit.metadata()
    )


class MeddledJobStore(InMemoryJobStore):
    """In memory; others may come in between."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        super().__init__(now=now)
        self.meddling = Meddling()

    def render(self, render_key: str) -> Stored[Render] | None:
        """See `JobStore.render`."""
        self.meddling.happens("render")
        return super().render(render_key)

    def waiting_jobs(self, render_key: str, *, limit: int | None = None) -> Sequence[Stored[Job]]:
        """See `JobStore.waiting_jobs`."""
        self.meddling.happens("waiting_jobs")
        return super().waiting_jobs(render_key, limit=limit)

    def commit(self, *writes: Write) -> Sequence[Stored[Kept]]:
        """See `JobStore.commit`."""
        self.meddling.happens("commit")
        return super().commit(*writes)


class FlakyPublisher(InMemoryPublisher):
    """Takes messages, except while it is down."""

    is_down = False

    def publish(self, topic: str, data: bytes, *, attributes: Mapping[str, str]) -> str:
        """See `Publisher.publish`."""
        if self.is_down:
            raise Retryable(f"nobody takes messages for {topic}")
        return super().publish(topic, data, attributes=attributes)
