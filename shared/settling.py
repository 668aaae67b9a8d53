"""Settling: a render is final, and every job that waits for it is told.

Whoever finishes a render writes the render first and then queries its jobs; whoever attaches a job does the reverse. So
they never miss each other. Every batch carries the render's version: a writer who lost the render is refused as a
whole.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from shared.commits import find_commit
from shared.documents import JobError
from shared.errors import Conflict, Permanent
from shared.job_store import JobStore, Replace, Stored
from shared.jobs import Move, can, complete_render, event_published, fail_render, follow, settled, touch
from shared.outbox import publish_event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from shared.artifact_store import ArtifactStore
    from shared.documents import Job, Render
    from shared.publisher import Publisher

log = logging.getLogger(__name__)

#: Jobs in one batch. Firestore takes 10 MiB a commit; a job is below 8 KiB.
BATCH_JOBS = 200


def complete_from_object(
    render_key: str, *, store: JobStore, artifacts: ArtifactStore, now: Callable[[], datetime]
) -> Stored[Render] | None:
    """Complete the render if its object exists: that is the commit, whoever made it.

    Returns:
        The render as it is now; None when there is no such render.

    Raises:
        Retryable: a service does not answer.
        Permanent: an object lies there that no worker made.
    """
    found = find_commit(render_key, artifacts=artifacts)
    while True:
        render = store.render(render_key)
        if render is None or found is None or not can(render.value, Move.COMPLETE):
            return render
        commit, video = found
        done = complete_render(render.value, video=video, usage=commit.usage, now=now())
        try:
            [written] = store.commit(Replace(stored=render, value=done))
        except Conflict:
            continue
        log.info("render completed", extra={"action": "complete", "attempt": commit.attempt})
        return cast("Stored[Render]", written)


def look(
    render_key: str, *, store: JobStore, artifacts: ArtifactStore, now: Callable[[], datetime]
) -> Stored[Render] | None:
    """The render as its object has it: completed when the video is there, failed when something else lies there.

    The object outranks the document: a video that exists is not made again, and what blocks its name stays.

    Raises:
        Retryable: a service does not answer.
    """
    try:
        return complete_from_object(render_key, store=store, artifacts=artifacts, now=now)
    except Permanent as exc:
        log.exception("object is not ours", extra={"action": "look"})
        error = JobError(code=exc.code, message=exc.detail)
    while (found := store.render(render_key)) and can(found.value, Move.FAIL):
        with suppress(Conflict):
            store.commit(Replace(stored=found, value=fail_render(found.value, error=error, now=now())))
    return found


def settle(render: Stored[Render], *, store: JobStore, publisher: Publisher, now: Callable[[], datetime]) -> None:
    """Copy a final render to the jobs that wait for it, and publish the events of those that became final.

    Does nothing where nothing is left to do, so it can be called again and again. Stops when the render is not final
    any more: somebody revived it, and a worker will come here again.

    Raises:
        Retryable: a service does not answer; what is left is done by the next call.
    """
    key = render.value.render_key
    current: Stored[Render] | None = render
    while current and current.value.is_final and (waiting := store.waiting_jobs(key, limit=BATCH_JOBS)):
        final = current.value
        told = [(job, follow(job.value, final, now=now())) for job in waiting]
        current = _write(current, touch(final, now=now()), told, store=store)
    while current and current.value.is_final:
        pending = store.jobs_with_pending_event(key, limit=BATCH_JOBS)
        if not pending and current.value.check_at is None:
            return
        for job in pending:
            publish_event(job.value, publisher=publisher)
        is_last = len(pending) < BATCH_JOBS
        after = settled(current.value, now=now()) if is_last else touch(current.value, now=now())
        current = _write(current, after, [(job, event_published(job.value)) for job in pending], store=store)


def _write(
    render: Stored[Render], after: Render, jobs: Sequence[tuple[Stored[Job], Job]], *, store: JobStore
) -> Stored[Render] | None:
    """One batch of jobs, fenced by the render; the render as it is afterwards, written or not."""
    fence = Replace(stored=render, value=after)
    try:
        written = store.commit(fence, *(Replace(stored=before, value=after) for before, after in jobs))
    except Conflict:
        return store.render(render.value.render_key)
    return cast("Stored[Render]", written[0])
