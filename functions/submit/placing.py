"""Placing a job: its document, the render it waits for, and the message that wakes a worker.

Attach and finish never miss each other: the job is written first, then the render is read.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from shared.artifact_paths import video_path
from shared.errors import Conflict, Retryable
from shared.job_store import Create, JobStore, Replace, Stored
from shared.jobs import Job, Render, State, new_render, publish, revive_render
from shared.messages import TOPIC_OF_PRIORITY, RenderRequested, attributes_of, encode
from shared.settling import settle

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.artifact_store import ArtifactStore
    from shared.publisher import Publisher
    from shared.requests import Priority, RenderSpec

log = logging.getLogger(__name__)


def place(
    job: Job,
    spec: RenderSpec,
    *,
    priority: Priority,
    store: JobStore,
    publisher: Publisher,
    artifacts: ArtifactStore,
    now: Callable[[], datetime],
) -> Job:
    """Write the job and see to it that its render is made, or copy what is there already.

    A publish that fails is no failure: ``published_at`` stays empty and reconcile publishes.

    Raises:
        Conflict: a job of that id exists; nothing was written.
    """
    fresh = new_render(
        render_key=cast("str", job.render_key), spec=spec, priority=priority, now=now(), traceparent=job.traceparent
    )
    placed, render = _create(job, fresh, store=store)
    render = render or _attached(fresh, store=store, artifacts=artifacts, now=now)
    if render.value.state is State.COMPLETED:
        return _copied(placed, render, store=store, publisher=publisher, now=now)
    if render.value.state is State.IDLE and render.value.published_at is None:
        _wake_a_worker(render, store=store, publisher=publisher, now=now)
    return placed.value


def _create(job: Job, fresh: Render, *, store: JobStore) -> tuple[Stored[Job], Stored[Render] | None]:
    """Write the job, and its render where there is none; the render comes back only if it is new."""
    if store.render(fresh.render_key) is None:
        try:
            placed, render = store.commit(Create(value=job), Create(value=fresh))
            return cast("Stored[Job]", placed), cast("Stored[Render]", render)
        except Conflict:  # one of the two exists by now; the next line finds out which
            pass
    return cast("Stored[Job]", store.commit(Create(value=job))[0]), None


def _attached(
    fresh: Render, *, store: JobStore, artifacts: ArtifactStore, now: Callable[[], datetime]
) -> Stored[Render]:
    """The render that the job waits for from now on, revived where it had failed or where its video is gone."""
    while True:
        render = store.render(fresh.render_key)
        try:
            if render is None:  # deleted between two reads
                return cast("Stored[Render]", store.commit(Create(value=fresh))[0])
            is_gone = render.value.state is State.COMPLETED and artifacts.get(video_path(fresh.render_key)) is None
            if render.value.state is not State.FAILED and not is_gone:
                return render
            revived = revive_render(render.value, priority=fresh.priority, now=now())
            return cast("Stored[Render]", store.commit(Replace(stored=render, value=revived))[0])
        except Conflict:
            continue


def _copied(
    placed: Stored[Job], render: Stored[Render], *, store: JobStore, publisher: Publisher, now: Callable[[], datetime]
) -> Job:
    """The job, completed at once since its video is there."""
    try:
        settle(render, store=store, publisher=publisher, now=now)
    except Retryable:
        log.warning("not settled yet", extra={"action": "place", "job_id": placed.value.job_id}, exc_info=True)
    found = store.job(placed.value.job_id)
    return found.value if found else placed.value


def _wake_a_worker(
    render: Stored[Render], *, store: JobStore, publisher: Publisher, now: Callable[[], datetime]
) -> None:
    message = RenderRequested(render_key=render.value.render_key, traceparent=render.value.traceparent)
    try:
        publisher.publish(TOPIC_OF_PRIORITY[render.value.priority], encode(message), attributes=attributes_of(message))
        store.commit(Replace(stored=render, value=publish(render.value, now=now())))
    except Conflict:  # a worker has it already
        log.debug("render moved on", extra={"action": "place", "render_key": render.value.render_key})
    except Retryable:
        log.warning("message not sent", extra={"action": "place", "render_key": render.value.render_key}, exc_info=True)
