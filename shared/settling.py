"""Settling: a render is final, and every job that waits for it is told.

Whoever finishes a render writes the render first and then queries its jobs; whoever attaches a job does the reverse. So
they never miss each other. Every batch carries the render's version: a writer who lost the render is refused as a
whole.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from shared.artifact_paths import render_folder, video_path
from shared.bills import shared_among
from shared.commits import find_commit
from shared.documents import JobError, State
from shared.errors import Conflict, Permanent
from shared.job_store import Contest, JobStore, Replace, Stored
from shared.jobs import complete_render, event_published, fail_render, follow, revive_render, settled, touch
from shared.outbox import publish_event
from shared.prices import cost_of
from shared.telemetry import context
from shared.transitions import Move, can

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
    contest = Contest()
    is_kept = False
    while True:
        render = store.render(render_key)
        if render is None or found is None or not can(render.value, Move.COMPLETE):
            return render
        if render.value.token == 0 and not is_kept:
            # Nobody has worked on it, so the video is that of a render whose time was up: it is needed for longer.
            artifacts.keep_folder(render_folder(render_key))
            found, is_kept = find_commit(render_key, artifacts=artifacts), True
            continue
        commit, video = found
        cost = cost_of(commit.usage) if render.value.token else None  # else it was in the sums of another day
        done = complete_render(render.value, video=video, usage=commit.usage, cost=cost, now=now())
        try:
            [written] = store.commit(Replace(stored=render, value=done))
        except Conflict as exc:
            contest.lost(exc)
            continue
        with context(render_key=render_key, traceparent=done.traceparent):
            log.info("render completed", extra={"action": "complete", "attempt": commit.attempt})
        return cast("Stored[Render]", written)


def look(
    render_key: str, *, store: JobStore, artifacts: ArtifactStore, now: Callable[[], datetime]
) -> Stored[Render] | None:
    """The render as its object has it: completed when the video is there, failed when something else lies there.

    The object outranks the document: a video that exists is not made again, and what blocks its name stays. A video
    that is gone is made again for those who wait for it; without any, the next who wishes for it sees to that.

    Raises:
        Retryable: a service does not answer.
    """
    contest = Contest()
    while True:
        error = None
        try:
            render = complete_from_object(render_key, store=store, artifacts=artifacts, now=now)
        except Permanent as exc:
            render, error = store.render(render_key), JobError(code=exc.code, message=exc.detail)
            with context(render_key=render_key, traceparent=render.value.traceparent if render else None):
                log.exception("object is not ours", extra={"action": "look"})
        if render is None:
            return None
        if error and can(render.value, Move.FAIL):
            after = fail_render(render.value, error=error, now=now())
        elif not error and _is_missed(render.value, store=store, artifacts=artifacts):
            with context(render_key=render_key, traceparent=render.value.traceparent):
                log.warning("video is gone", extra={"action": "look"})
            after = revive_render(render.value, priority=render.value.priority, now=now())
        else:
            return render
        try:
            [written] = store.commit(Replace(stored=render, value=after))
        except Conflict as exc:
            contest.lost(exc)
        else:
            return cast("Stored[Render]", written)


def sweep(render_key: str, names: Sequence[str], *, store: JobStore, artifacts: ArtifactStore) -> bool:
    """Delete these objects of a render if its document is gone: it was private, and deleted while it was being made.

    They are looked at before the document, and deleted as they were found. So what a new render of the same key puts
    there stays. One that takes over the video in this very moment loses it, and `look` has it made again.

    Args:
        render_key: of the render.
        names: of the objects; the one that others look for comes first.
        store: where the document was.
        artifacts: where the objects lie.

    Returns:
        Whether the document is gone.

    Raises:
        Retryable: a service does not answer.
    """
    found = [artifact for name in names if (artifact := artifacts.get(name))]
    if store.render(render_key) is not None:
        return False
    for artifact in found:
        artifacts.delete(artifact)
    log.info("objects of no render deleted", extra={"action": "sweep", "objects": len(found)})
    return True


def settle(render: Stored[Render], *, store: JobStore, publisher: Publisher, now: Callable[[], datetime]) -> None:
    """Copy a final render to the jobs that wait for it, and publish the events of those that became final.

    Does nothing where nothing is left to do, so it can be called again and again. Stops when the render is not final
    any more: somebody revived it, and a worker will come here again.

    Raises:
        Retryable: a service does not answer; what is left is done by the next call.
    """
    key = render.value.render_key
    contest = Contest()
    current: Stored[Render] | None = render
    while current and current.value.is_final and (waiting := store.waiting_jobs(key, limit=BATCH_JOBS)):
        final = current.value
        if final.state is State.COMPLETED and final.shared_by is None:
            is_all = len(waiting) < BATCH_JOBS
            final = shared_among(final, jobs=len(waiting) if is_all else store.count_jobs_waiting_for(key))
        told = [(job, follow(job.value, final, now=now())) for job in waiting]
        current = _write(current, touch(final, now=now()), told, store=store, contest=contest)
    while current and current.value.is_final:
        pending = store.jobs_with_pending_event(key, limit=BATCH_JOBS)
        if not pending and current.value.check_at is None:
            return
        for job in pending:
            publish_event(job.value, publisher=publisher)
        is_last = len(pending) < BATCH_JOBS
        after = settled(current.value, now=now()) if is_last else touch(current.value, now=now())
        cleared = [(job, event_published(job.value)) for job in pending]
        current = _write(current, after, cleared, store=store, contest=contest)


def _is_missed(render: Render, *, store: JobStore, artifacts: ArtifactStore) -> bool:
    """Whether somebody waits for a video that is gone: it was there before its render was completed."""
    return (
        render.state is State.COMPLETED
        and artifacts.get(video_path(render.render_key)) is None
        and bool(store.waiting_jobs(render.render_key, limit=1))
    )


def _write(
    render: Stored[Render],
    after: Render,
    jobs: Sequence[tuple[Stored[Job], Job]],
    *,
    store: JobStore,
    contest: Contest,
) -> Stored[Render] | None:
    """One batch of jobs, fenced by the render; the render as it is afterwards, written or not."""
    fence = Replace(stored=render, value=after)
    try:
        written = store.commit(fence, *(Replace(stored=before, value=after) for before, after in jobs))
    except Conflict as exc:
        contest.lost(exc)
        return store.render(render.value.render_key)
    return cast("Stored[Render]", written[0])
