"""One message, from claim to acknowledgement: claim → render → encode → upload → done.

A message is acknowledged only when its render is final or nobody waits for it. Acknowledging a duplicate earlier would
lose the job when the holder dies.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpu_job.cold_start import ColdStart
from gpu_job.heartbeat import HungError, PreemptedError, attend
from gpu_job.lease import Held, LeaseLostError, NobodyWaitsError, NoLease
from gpu_job.message_source import MAX_DELAY_S
from gpu_job.renderer import NotServedError, UnfitError
from shared.documents import JobError
from shared.errors import ErrorCode, Permanent, Rejected, Retryable
from shared.jobs import MAX_ATTEMPTS, MAX_RETRIES, Ending
from shared.measures import COST, GPU, RENDER, SpanName
from shared.messages import RENDER_REQUESTS_DEAD, RenderRequested, decode
from shared.prices import cost_of
from shared.safety import NoOutputCheck
from shared.telemetry import context
from shared.tracing import span

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpu_job.heartbeat import Inbox
    from gpu_job.lease import Claimant, Lease
    from gpu_job.message_source import Message, MessageSource
    from gpu_job.provenance import Identity
    from gpu_job.renderer import Renderer
    from shared.documents import Usage
    from shared.safety import OutputCheck

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What a worker works with."""

    claimant: Claimant
    source: MessageSource
    #: Gives the renderer; called in the second thread, and the first call may import torch.
    renderer: Callable[[], Renderer]
    #: Where a video lies until it is uploaded.
    folder: Path
    #: Of torch, for the eye; the best there is when absent.
    device: str | None = None
    inbox: Inbox
    #: Who signs the videos; they are not signed when absent.
    identity: Identity | None = None
    #: Seconds before the second try; each further one waits twice as long.
    retry_backoff_s: float
    #: Judges what was drawn before anybody sees it.
    output_check: OutputCheck = field(default_factory=NoOutputCheck)
    #: Tells what this worker's start took.
    cold_start: ColdStart = field(default_factory=lambda: ColdStart(process_s=None))


def render_job(message: Message, *, workshop: Workshop) -> None:
    """Do what a message asks, then acknowledge it or put it back.

    Raises:
        PreemptedError: the worker is told to go; lease and message were given back.
        HungError: the work hangs; lease and message were given back, and the process must end.
        UnfitError: this worker can render nothing; lease and message were given back, and the process must end.
    """
    source = workshop.source
    try:
        request = decode(RenderRequested, message.data)
    except Rejected as exc:
        _bury(message, exc, workshop=workshop)
        return
    with context(render_key=request.render_key, traceparent=request.traceparent):
        try:
            while True:
                with span(SpanName.CLAIM, parent=request.traceparent, render_key=request.render_key):
                    lease = workshop.claimant.claim(request.render_key)
                if isinstance(lease, NoLease):
                    source.acknowledge(message)
                    return
                if isinstance(lease, Held):
                    source.put_back(message, delay_s=min(MAX_DELAY_S, int(lease.left_s) + 1))
                    return
                if _work(lease, message, workshop=workshop):
                    lease.complete()
                    source.acknowledge(message)
                    return
        except _TryLater as later:
            source.put_back(message, delay_s=later.delay_s)
        except Retryable:
            log.warning("put back", extra={"action": "render_job"}, exc_info=True)
            source.put_back(message, delay_s=min(MAX_DELAY_S, int(workshop.retry_backoff_s)))


class _TryLater(Exception):  # noqa: N818 - a decision, not an error
    def __init__(self, delay_s: int) -> None:
        super().__init__(delay_s)
        self.delay_s = delay_s


def _work(lease: Lease, message: Message, *, workshop: Workshop) -> bool:
    """Make the video under the lease. True: it is committed. False: look at the render again."""
    from gpu_job.making import make_video  # noqa: PLC0415 - a worker that finds no work needs no FFmpeg and no NumPy

    log.info("render claimed", extra={"action": "claim", "attempt": lease.attempt, "attempts": lease.render.attempts})
    claimant = workshop.claimant
    render = lease.render
    about = {"render_key": render.render_key, "attempt": lease.attempt, "model": render.spec.model}
    try:
        with span(SpanName.RENDER, parent=render.traceparent, **about, frames=render.spec.frames):
            usage = attend(
                lambda watch: make_video(
                    render,
                    attempt=lease.attempt,
                    renderer=_renderer(workshop),
                    artifacts=claimant.artifacts,
                    folder=workshop.folder,
                    device=workshop.device,
                    watch=watch,
                    now=claimant.now,
                    identity=workshop.identity,
                    output_check=workshop.output_check,
                ),
                lease=lease,
                extend=lambda: workshop.source.extend(message, deadline_s=int(claimant.lease_s)),
                inbox=workshop.inbox,
            )
    except LeaseLostError:
        log.warning("lease lost", extra={"action": "render", "attempt": lease.attempt})
        lease.sweep()
    except NobodyWaitsError:
        log.info("nobody waits", extra={"action": "render", "attempt": lease.attempt})
        _release(lease, Ending.PREEMPTED)
    except (PreemptedError, UnfitError, HungError) as exc:
        log.warning("worker leaves its render", extra={"action": "render", "attempt": lease.attempt, "why": repr(exc)})
        # A worker that hangs may do so because of the render. What else ends one is no fault of it.
        _release(lease, Ending.BROKEN if isinstance(exc, HungError) else Ending.PREEMPTED)
        # The next worker may be as unfit as this one.
        delay_s = int(workshop.retry_backoff_s) if isinstance(exc, UnfitError) else 0
        _put_back_and_leave(message, workshop=workshop, delay_s=delay_s)
        raise
    except Permanent as exc:
        _fail(lease, JobError(code=exc.code, message=exc.detail))
    except NotServedError as exc:
        log.info("left to another worker", extra={"action": "render", "attempt": lease.attempt, "why": str(exc)})
        _release(lease, Ending.PREEMPTED)  # in a mixed fleet it may come here more often than a render may fail
        raise _TryLater(int(workshop.retry_backoff_s)) from exc
    except Retryable as exc:
        _retry(lease, exc, workshop=workshop)
    except Exception as exc:
        log.exception("attempt failed", extra={"action": "render", "attempt": lease.attempt})
        attempts = lease.render.attempts
        if attempts < MAX_ATTEMPTS:
            _release(lease, Ending.BROKEN)
            raise _TryLater(_backoff_s(attempts, workshop=workshop)) from exc
        message_for_people = f"{attempts} attempts failed: {type(exc).__name__}"
        _fail(lease, JobError(code=ErrorCode.RENDER_FAILED, message=message_for_people))
    else:
        _measure(usage, render.spec.model, workshop=workshop)
        return True
    return False


def _measure(usage: Usage, model: str, *, workshop: Workshop) -> None:
    of = {"model": model, "gpu": usage.device}
    for stage in ("load", "render", "see", "encode", "sign", "whole"):
        RENDER.take(getattr(usage, f"{stage}_s"), **of, stage=stage)
    GPU.take(usage.gpu_s, **of)
    cost = cost_of(usage)
    if cost.amount is not None and cost.currency is not None:
        COST.take(cost.amount, **of, currency=cost.currency)
    workshop.cold_start.rendered(usage)


def _retry(lease: Lease, exc: Retryable, *, workshop: Workshop) -> None:
    """Have it tried again later; where that was in vain too often, let it fail."""
    log.warning("attempt ended", extra={"action": "render", "attempt": lease.attempt}, exc_info=exc)
    if lease.render.retries < MAX_RETRIES:
        _release(lease, Ending.RETRYABLE)
        raise _TryLater(_backoff_s(lease.render.retries, workshop=workshop)) from exc
    message_for_people = f"It was tried again {MAX_RETRIES} times, in vain: {exc}"
    _fail(lease, JobError(code=ErrorCode.UNAVAILABLE, message=message_for_people))


def _renderer(workshop: Workshop) -> Renderer:
    """The renderer. Making it knows no spec, so what goes wrong there goes wrong with every other too."""
    try:
        return workshop.renderer()
    except Exception as exc:
        raise UnfitError(f"this worker can't render: {exc}") from exc


def _backoff_s(failures: int, *, workshop: Workshop) -> int:
    """Seconds before the next try: doubled with each failure."""
    return int(min(MAX_DELAY_S, workshop.retry_backoff_s * 2 ** min(20, max(0, failures - 1))))


def _release(lease: Lease, ending: Ending) -> None:
    try:
        lease.release(ending)
    except LeaseLostError:
        log.info("nothing to release", extra={"action": "release", "attempt": lease.attempt})
        with suppress(Retryable):  # whoever leaves does not wait: what is left goes with the bucket's retention
            lease.sweep()
    except Retryable:  # it ends by itself
        log.warning("lease not released", extra={"action": "release", "attempt": lease.attempt}, exc_info=True)


def _put_back_and_leave(message: Message, *, workshop: Workshop, delay_s: int) -> None:
    """Whoever leaves does not stay because nobody answers: the message comes again after its deadline."""
    try:
        workshop.source.put_back(message, delay_s=delay_s)
    except Retryable:
        log.warning("message left to its deadline", extra={"action": "put_back"}, exc_info=True)


def _fail(lease: Lease, error: JobError) -> None:
    log.error("render failed", extra={"action": "fail", "attempt": lease.attempt, "code": error.code.value})
    try:
        lease.fail(error)
    except LeaseLostError:
        log.info("another has it", extra={"action": "fail", "attempt": lease.attempt})


def _bury(message: Message, rejection: Rejected, *, workshop: Workshop) -> None:
    """Move an unreadable message to the dead-letter topic; acknowledge it only when it has arrived there."""
    log.error("message unreadable", extra={"action": "decode", "code": rejection.code.value})
    try:
        workshop.claimant.publisher.publish(
            RENDER_REQUESTS_DEAD, message.data, attributes={"reason": rejection.code.value}
        )
        workshop.source.acknowledge(message)
    except Retryable:
        log.warning("message not moved", extra={"action": "decode"}, exc_info=True)
        workshop.source.put_back(message, delay_s=int(workshop.retry_backoff_s))
