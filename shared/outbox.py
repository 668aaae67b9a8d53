"""The outbox: the write that makes a job final marks its event as pending; publishing clears the mark.

An event is published at least once. What is left pending is published again by whoever comes next.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from shared.errors import Conflict
from shared.job_store import JobStore, Replace, Stored
from shared.jobs import event_published
from shared.measures import FAILURES, WAIT, SpanName
from shared.messages import JOB_EVENTS, attributes_of, encode, event_of
from shared.telemetry import context
from shared.tracing import past_span, span

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from shared.documents import Job
    from shared.publisher import Publisher

log = logging.getLogger(__name__)

#: An event that is pending for so long was forgotten by whoever should have sent it.
OLD_EVENT: Final = timedelta(minutes=1)


def publish_event(job: Job, *, publisher: Publisher) -> None:
    """Tell the world that a job is final. Raises `Retryable` when the world does not listen."""
    event = event_of(job)
    code = job.error.code.value if job.error else None
    with (
        _about(job),
        span(SpanName.EVENT, parent=job.traceparent, job_id=job.job_id, status=job.status.value, code=code),
    ):
        publisher.publish(JOB_EVENTS, encode(event), attributes=attributes_of(event))
        log.info("event published", extra={"action": "event", "job_id": job.job_id, "status": job.status.value})
    if code:
        FAILURES.take(1, code=code)
    _tell_of_the_wait(job)


def _about(job: Job) -> AbstractContextManager[None]:
    """Lines are in the job's own trace, wherever its render's is."""
    return context(job_id=job.job_id, render_key=job.render_key, traceparent=job.traceparent)


def _tell_of_the_wait(job: Job) -> None:
    """Of a job that a worker took: a video that was there already was not waited for."""
    if job.started_at is None or job.started_at == job.finished_at or job.request is None or job.request.model is None:
        return
    begun_ns, ended_ns = (int(each.timestamp() * 1e9) for each in (job.created_at, job.started_at))
    past_span(SpanName.WAIT, begun_ns=begun_ns, ended_ns=ended_ns, parent=job.traceparent, job_id=job.job_id)
    WAIT.take(
        max(0.0, (job.started_at - job.created_at).total_seconds()),
        priority=job.request.priority.value,
        model=job.request.model,
    )


def empty_outbox(stored: Stored[Job], *, store: JobStore, publisher: Publisher) -> Job:
    """Publish a job's event and clear its mark; the job as it is afterwards."""
    publish_event(stored.value, publisher=publisher)
    cleared = event_published(stored.value)
    try:
        store.commit(Replace(stored=stored, value=cleared))
    except Conflict:
        with _about(stored.value):
            log.info("event was cleared by another", extra={"action": "event"})
    return cleared
