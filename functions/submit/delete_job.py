"""The use case behind ``DELETE /jobs/{id}``. A private video goes with its last job; a public one lives on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from quotas import MOST_SLOTS, slot_of

from shared.artifact_paths import render_folder
from shared.errors import Conflict
from shared.job_store import Contest, Delete, JobStore, Replace, Stored
from shared.jobs import cancel_job, event_published
from shared.outbox import publish_event
from shared.requests import PUBLIC
from shared.slots import given_back, gpu_s_of
from shared.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.artifact_store import ArtifactStore
    from shared.documents import Job, Render
    from shared.publisher import Publisher

log = logging.getLogger(__name__)


def delete_job(
    stored: Stored[Job],
    *,
    store: JobStore,
    artifacts: ArtifactStore,
    publisher: Publisher,
    now: Callable[[], datetime],
) -> None:
    """Delete a job; with the last one of a private render go its objects and its document, which holds the prompt.

    Whoever listens hears of its end before: one that is not final is canceled, and its event is published.

    The job goes last, so that whoever was not answered can call again. A worker that has the render notices at its next
    step. Whoever wishes for it in between finds its video gone and has it made anew.

    Raises:
        Retryable: a service does not answer; call it again.
    """
    with context(job_id=stored.value.job_id, traceparent=stored.value.traceparent):
        contest = Contest()
        found: Stored[Job] | None = stored
        while found is not None:
            try:
                found = _told_of(found, store=store, publisher=publisher, now=now)
                render = _only_of(found.value, store=store)
                if found.value.render_key and (render or _is_left_behind(found.value, store=store)):
                    artifacts.delete_folder(render_folder(found.value.render_key))
                bill = _bill(found.value, store=store, now=now())
                store.commit(Delete(stored=found), *([Delete(stored=render)] if render else []), *bill)
                break
            except Conflict as exc:
                contest.lost(exc)
                found = store.job(stored.value.job_id)
        # The last job but this one may have been deleted in the same moment.
        while (left := _only_of(stored.value, store=store)) is not None:
            artifacts.delete_folder(render_folder(left.value.render_key))
            try:
                store.commit(Delete(stored=left))
            except Conflict as exc:  # somebody wished for it in this moment, or a worker or notify wrote it: look again
                contest.lost(exc)
        log.info("job deleted", extra={"action": "delete"})


def _told_of(stored: Stored[Job], *, store: JobStore, publisher: Publisher, now: Callable[[], datetime]) -> Stored[Job]:
    """The job, final, its event published."""
    if not stored.value.is_final:
        canceled = cancel_job(stored.value, now=now())
        stored = cast("Stored[Job]", store.commit(Replace(stored=stored, value=canceled))[0])
    if stored.value.event_pending:
        publish_event(stored.value, publisher=publisher)
        told = event_published(stored.value)
        stored = cast("Stored[Job]", store.commit(Replace(stored=stored, value=told))[0])
    return stored


def _bill(job: Job, *, store: JobStore, now: datetime) -> list[Replace]:
    """What it has cost stays with its slot: whoever deletes a job gets no GPU seconds back."""
    slot = slot_of(job, store.slots(job.owner, at_most=MOST_SLOTS))
    if slot is None:
        return []
    render = store.render(job.render_key) if job.render_key else None
    gpu_s = gpu_s_of(job, render.value if render else None, now=now)
    return [Replace(stored=slot, value=given_back(slot.value, gpu_s=gpu_s, now=now))]


def _is_left_behind(job: Job, *, store: JobStore) -> bool:
    """Whether its video is private and nobody's but its own, and its render is gone: its time was up first."""
    if job.render_key is None or job.request is None or job.request.prompt is None:
        return False
    return store.render(job.render_key) is None and not store.has_jobs(job.render_key, besides=job.job_id)


def _only_of(job: Job, *, store: JobStore) -> Stored[Render] | None:
    """The render, where it is private and no other job has it."""
    render = store.render(job.render_key) if job.render_key else None
    if render is None or render.value.spec.scope == PUBLIC:
        return None
    return None if store.has_jobs(render.value.render_key, besides=job.job_id) else render
