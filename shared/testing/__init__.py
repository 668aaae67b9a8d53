"""What tests of several rooms share: a clock that stands still until told, and examples of the nouns.

Not part of any bundle.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.jobs import Job, Render, new_job, new_render
from shared.requests import Offer, Priority, RenderSpec, Request, fill_in, render_key, render_spec

if TYPE_CHECKING:
    from collections.abc import Mapping

AN_OFFER = Offer(served=("untrained-tiny-wan",), seed_pool=8)
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
