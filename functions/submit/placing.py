"""Placing a job: its document, the render it waits for, and the message that wakes a worker.

Attach and finish never miss each other: the job is written first, then the render is read. Nor do attach and delete:
who deletes a private render reads it before looking for jobs, so whoever attaches to one writes it, be it by a touch.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from quotas import room_for

from shared.artifact_paths import render_folder, video_path
from shared.documents import Job, Render, State
from shared.errors import Conflict, LifeAsNotMeError, Rejected, Retryable
from shared.job_store import Contest, Create, JobStore, Replace, Stored
from shared.jobs import attach_to, follow, new_render, publish, revive_render, touch
from shared.measures import SpanName
from shared.messages import TOPIC_OF_PRIORITY, RenderRequested, attributes_of, encode
from shared.outbox import OLD_EVENT, empty_outbox
from shared.requests import PUBLIC
from shared.tracing import span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from quotas import Quota

    from shared.artifact_store import ArtifactStore
    from shared.publisher import Publisher
    from shared.requests import Priority, RenderSpec

log = logging.getLogger(__name__)


class JobExistsError(LifeAsNotMeError):
    """There is a job of that id already."""


class NotSeenToError(Retryable):
    """The job is written, what follows is not done. The same wish does it when it comes again, or reconcile does."""

    def __init__(self, job: Job) -> None:
        super().__init__("the job is written; a service behind it does not answer")
        self.job = job


def place(
    job: Job,
    spec: RenderSpec,
    *,
    store: JobStore,
    publisher: Publisher,
    artifacts: ArtifactStore,
    now: Callable[[], datetime],
    quota: Quota | None = None,
) -> Job:
    """Write the job and see to it that its render is made, or copy what is there already.

    Args:
        job: a new one.
        spec: of its render.
        store: where both are.
        publisher: wakes workers.
        artifacts: where videos are.
        now: the clock.
        quota: of its owner; None for the row of a batch, which takes no slot.

    Raises:
        JobExistsError: a job of that id exists; it was left as it is.
        Rejected: the quota is used up; nothing was written.
        NotSeenToError: the job is written; `attach` it once more.
        Retryable: a service does not answer; the job may be written.
    """
    fresh = _fresh(job, spec, now=now())
    contest = Contest()
    while True:
        room = _room(job, quota, store=store, now=now()) if quota else []
        is_new = store.render(fresh.render_key) is None
        try:
            placed, *others = store.commit(Create(value=job), *([Create(value=fresh)] if is_new else []), *room)
        except Conflict as exc:  # the job exists; or else the render does by now, or somebody took the room
            if store.job(job.job_id) is not None:
                raise JobExistsError("a job of that id exists") from exc
            contest.lost(exc)
            continue
        if is_new:
            return _seen_to(cast("Stored[Job]", placed), cast("Stored[Render]", others[0]), store, publisher, now)
        return attach(job, spec, store=store, publisher=publisher, artifacts=artifacts, now=now)


def _room(job: Job, quota: Quota, *, store: JobStore, now: datetime) -> Sequence[Create | Replace]:
    """The slots that the job takes. A job that was accepted before needs no more room."""
    try:
        return room_for(job, quota, store=store, now=now)
    except Rejected:
        if store.job(job.job_id) is not None:
            raise JobExistsError("a job of that id exists") from None
        raise


def attach(
    job: Job,
    spec: RenderSpec,
    *,
    store: JobStore,
    publisher: Publisher,
    artifacts: ArtifactStore,
    now: Callable[[], datetime],
) -> Job:
    """Have a job that was written wait for its render; repeating it does no harm.

    A render that failed, or whose video is gone, is revived. One that is completed is copied.

    Raises:
        NotSeenToError, Retryable: a service does not answer.
    """
    fresh = _fresh(job, spec, now=now())
    contest = Contest()
    while True:
        # The job as it is now: whoever finished the render meanwhile has told it.
        placed, render = store.job(job.job_id), store.render(fresh.render_key)
        if placed is None:
            return job
        if placed.value.is_final and now() - placed.value.updated_at < OLD_EVENT:
            return placed.value  # whoever made it final is telling of it right now
        if placed.value.is_final:
            return _told_of(placed, store=store, publisher=publisher)
        try:
            if render is None:  # deleted, perhaps together with the job
                held = Replace(stored=placed, value=touch(placed.value, now=now()))
                created, job_now = store.commit(Create(value=fresh), held)
                placed, render = cast("Stored[Job]", job_now), cast("Stored[Render]", created)
            elif _must_revive(render.value, artifacts=artifacts):
                revived = revive_render(render.value, priority=fresh.priority, now=now())
                [written] = store.commit(Replace(stored=render, value=revived))
                render = cast("Stored[Render]", written)
            else:
                render = _attached(render, fresh.priority, store=store, artifacts=artifacts, now=now())
        except Conflict as exc:
            contest.lost(exc)
            continue
        return _seen_to(placed, render, store, publisher, now)


def _attached(
    render: Stored[Render], priority: Priority, *, store: JobStore, artifacts: ArtifactStore, now: datetime
) -> Stored[Render]:
    """The render with one more job: it may go first now, and it and its objects are kept for longer."""
    after = attach_to(render.value, priority=priority, now=now)
    if after is not render.value and after.state is State.COMPLETED:
        artifacts.keep_folder(render_folder(after.render_key))
        if _must_revive(after, artifacts=artifacts):
            raise Conflict("the bucket deleted the video in this moment, since its time was up")
    if after is render.value:
        if after.spec.scope == PUBLIC:
            return render
        after = touch(after, now=now)
    [written] = store.commit(Replace(stored=render, value=after))
    return cast("Stored[Render]", written)


def _fresh(job: Job, spec: RenderSpec, *, now: datetime) -> Render:
    assert job.render_key is not None
    assert job.request is not None
    return new_render(
        render_key=job.render_key, spec=spec, priority=job.request.priority, now=now, traceparent=job.traceparent
    )


def _must_revive(render: Render, *, artifacts: ArtifactStore) -> bool:
    if render.state is State.COMPLETED:
        return artifacts.get(video_path(render.render_key)) is None
    return render.state is State.FAILED


def _seen_to(
    placed: Stored[Job],
    render: Stored[Render],
    store: JobStore,
    publisher: Publisher,
    now: Callable[[], datetime],
) -> Job:
    """What is left to do for a job that waits: copy the video, or wake a worker."""
    if render.value.state is State.COMPLETED:
        return _copied(placed, render.value, store=store, publisher=publisher, now=now)
    # Leased too: another worker may be about to acknowledge the one message there was, and the holder may die.
    if not render.value.is_final and render.value.published_at is None:
        try:
            _wake_a_worker(render, store=store, publisher=publisher, now=now)
        except Retryable as exc:
            raise NotSeenToError(placed.value) from exc
    return placed.value


def _copied(
    placed: Stored[Job], render: Render, *, store: JobStore, publisher: Publisher, now: Callable[[], datetime]
) -> Job:
    """The job, completed at once since its video is there. The render is not written: a popular one is read often."""
    try:
        [done] = store.commit(Replace(stored=placed, value=follow(placed.value, render, now=now())))
    except Conflict:  # notify was faster
        found = store.job(placed.value.job_id)
        return found.value if found else placed.value
    except Retryable as exc:
        raise NotSeenToError(placed.value) from exc
    return _told_of(cast("Stored[Job]", done), store=store, publisher=publisher)


def _told_of(final: Stored[Job], *, store: JobStore, publisher: Publisher) -> Job:
    """The final job, its event published."""
    if not final.value.event_pending:
        return final.value
    try:
        return empty_outbox(final, store=store, publisher=publisher)
    except Retryable as exc:
        raise NotSeenToError(final.value) from exc


def _wake_a_worker(
    render: Stored[Render], *, store: JobStore, publisher: Publisher, now: Callable[[], datetime]
) -> None:
    message = RenderRequested(render_key=render.value.render_key, traceparent=render.value.traceparent)
    with span(SpanName.PUBLISH, render_key=render.value.render_key):
        publisher.publish(TOPIC_OF_PRIORITY[render.value.priority], encode(message), attributes=attributes_of(message))
    contest = Contest()
    current: Stored[Render] | None = render
    while current and current.value.published_at is None:
        try:
            store.commit(Replace(stored=current, value=publish(current.value, now=now())))
        except Conflict as exc:
            contest.lost(exc)
            current = store.render(render.value.render_key)
            # While a worker has it, the message is there. One that is idle again may have been put to rest with it.
            if current and current.value.state is State.LEASED:
                continue
        return
