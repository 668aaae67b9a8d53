"""The use case behind ``POST /batches/{id}:cancel``: nothing more is placed; what waits is canceled in chunks."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, cast

from batch_desk import BatchDesk, wake
from cancel_job import cancel_job

from shared.batches import Batch, BatchMove, can, canceled, finished
from shared.errors import Conflict, Retryable
from shared.job_store import Contest, Replace, Stored
from shared.jobs import cancel_job as canceled_job
from shared.jobs import event_published
from shared.messages import JOB_EVENTS, attributes_of, encode, event_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.batch_store import StoredBatch
    from shared.documents import Job

log = logging.getLogger(__name__)


def cancel_batch(stored: StoredBatch, *, desk: BatchDesk) -> Batch:
    """Cancel a batch, unless it is canceled already; the batch as it is then.

    Raises:
        Retryable: the store does not answer.
    """
    contest = Contest()
    while can(stored.value, BatchMove.CANCEL):
        try:
            stored = desk.batches.replace(stored, canceled(stored.value, now=desk.now()))
        except Conflict as exc:
            contest.lost(exc)
            found = desk.batches.batch(stored.value.batch_id)
            if found is None:
                return stored.value
            stored = found
        else:
            log.info("batch canceled", extra={"action": "cancel", "batch_id": stored.value.batch_id})
    if stored.value.is_canceled:  # also the second time: the first message may be lost
        wake(stored.value, desk=desk)
    return stored.value


def cancel_waiting_jobs(stored: StoredBatch, *, until_s: float, desk: BatchDesk) -> bool:
    """Cancel jobs of a canceled batch, group by group; whether some are left when the time is up.

    Raises:
        Retryable: a service does not answer.
    """
    batch_id = stored.value.batch_id
    while jobs := desk.store.waiting_jobs_of_batch(batch_id, limit=desk.limits.group_rows):
        if desk.monotonic() >= until_s:
            return True
        _cancel(jobs, desk=desk)
        log.info("jobs canceled", extra={"action": "cancel", "jobs": len(jobs)})
    if can(stored.value, BatchMove.FINISH):
        try:
            desk.batches.replace(stored, finished(stored.value, now=desk.now()))
        except Conflict:  # another chunk did the same
            log.debug("batch moved on", extra={"action": "cancel"})
    return False


def _cancel(jobs: Sequence[Stored[Job]], *, desk: BatchDesk) -> None:
    try:
        written = desk.store.commit(
            *(Replace(stored=job, value=canceled_job(job.value, now=desk.now())) for job in jobs)
        )
    except Conflict:  # a worker has told one of them how far it is
        alone = partial(cancel_job, store=desk.store, publisher=desk.publisher, now=desk.now)
        desk.side_by_side(alone, jobs)
        return
    _empty_outboxes(cast("Sequence[Stored[Job]]", written), desk=desk)


def _empty_outboxes(jobs: Sequence[Stored[Job]], *, desk: BatchDesk) -> None:
    """Publish the events of final jobs. What can't be sent stays pending: reconcile sends it."""
    events = [event_of(job.value) for job in jobs]
    try:
        desk.publisher.publish_all(JOB_EVENTS, [(encode(event), attributes_of(event)) for event in events])
    except Retryable:
        log.warning("events stay pending", extra={"action": "cancel"}, exc_info=True)
        return
    try:
        desk.store.commit(*(Replace(stored=job, value=event_published(job.value)) for job in jobs))
    except Conflict:  # reconcile was faster with one; then it sends the others again, which does no harm
        log.info("events were cleared by another", extra={"action": "cancel"})
