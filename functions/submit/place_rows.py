"""Placing many jobs at once: one read of their renders, one commit of jobs and new renders, one of published marks.

The same order as for one (`placing`): the jobs are written first, then their renders are read. Where somebody else has
written in between, or some of it was done before, each job is placed by itself.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, cast

from placing import JobExistsError, attach, place

from shared.errors import Conflict
from shared.job_store import Create, Replace, Stored
from shared.jobs import attach_to, new_render, publish, touch
from shared.measures import SpanName
from shared.messages import TOPIC_OF_PRIORITY, RenderRequested, attributes_of, encode
from shared.requests import PUBLIC, Priority
from shared.telemetry import context
from shared.tracing import span

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from batch_desk import BatchDesk
    from batch_rows import Wish

    from shared.documents import Job, Render

log = logging.getLogger(__name__)

#: A worker that is faster than the marks makes their commit fail; then those that were left alone are tried again.
MARKING_TRIES = 5
#: Workers may write those renders too; then each job attaches by itself.
HOLDING_TRIES = 5


def place_rows(wishes: Sequence[Wish], *, desk: BatchDesk) -> None:
    """Place jobs, each once: those that exist are only seen to.

    Raises:
        Retryable: a service does not answer; some are placed, and the same call again does the rest.
    """
    known = desk.store.renders({_key(wish.job) for wish in wishes})
    fresh = _fresh(wishes, known)
    try:
        written = desk.store.commit(
            *(Create(value=wish.job) for wish in wishes), *(Create(value=render) for render in fresh)
        )
    except Conflict:
        log.info("rows are placed one by one", extra={"action": "batch", "rows": len(wishes)})
        desk.side_by_side(partial(_place_one, desk=desk), wishes)
        return
    _wake_workers(cast("Sequence[Stored[Render]]", written[len(wishes) :]), desk=desk)
    _attach_to_known([wish for wish in wishes if _key(wish.job) in known], desk=desk)


def _fresh(wishes: Sequence[Wish], known: Mapping[str, Stored[Render]]) -> list[Render]:
    """The renders that nobody has wished for, each once. Of equal wishes the one that must not wait decides."""
    fresh: dict[str, list[Wish]] = defaultdict(list)
    for wish in wishes:
        if _key(wish.job) not in known:
            fresh[_key(wish.job)].append(wish)
    return [
        new_render(
            render_key=key,
            spec=equal[0].spec,
            priority=_highest(equal),
            now=equal[0].job.created_at,
            traceparent=equal[0].job.traceparent,
        )
        for key, equal in fresh.items()
    ]


def _wake_workers(renders: Sequence[Stored[Render]], *, desk: BatchDesk) -> None:
    """Publish a message for each, and mark them."""
    messages = defaultdict(list)
    for render in renders:
        message = RenderRequested(render_key=render.value.render_key, traceparent=render.value.traceparent)
        messages[TOPIC_OF_PRIORITY[render.value.priority]].append((encode(message), attributes_of(message)))
    for topic, each in messages.items():
        with span(SpanName.PUBLISH, rows=len(each)):
            desk.publisher.publish_all(topic, each)
    _mark(renders, desk=desk)


def _mark(sent: Sequence[Stored[Render]], *, desk: BatchDesk) -> None:
    """Say that a message is on its way, of renders that nobody has touched since it was sent.

    A worker may have had it, found nobody waiting, and put it to rest: a mark would keep the next job from sending one.
    """
    for _ in range(MARKING_TRIES):
        if not sent:
            return
        try:
            desk.store.commit(*(Replace(stored=each, value=publish(each.value, now=desk.now())) for each in sent))
        except Conflict:
            now = desk.store.renders([each.value.render_key for each in sent])
            versions = {key: found.version for key, found in now.items()}
            sent = [each for each in sent if versions.get(each.value.render_key) == each.version]
        else:
            return
    log.info("marks are left to reconcile", extra={"action": "batch", "renders": len(sent)})


def _attach_to_known(wishes: Sequence[Wish], *, desk: BatchDesk) -> None:
    """See to jobs whose render was there before. Mostly it is waiting or being made: nothing is left to do then."""
    by_key: dict[str, list[Wish]] = defaultdict(list)
    for wish in wishes:
        by_key[_key(wish.job)].append(wish)
    held = _hold(by_key, desk=desk)
    _wake_workers([each for each in held.values() if each.value.published_at is None], desk=desk)
    alone = [wish for key, equal in by_key.items() if key not in held for wish in equal]
    desk.side_by_side(partial(_attach_one, desk=desk), alone)


def _hold(by_key: Mapping[str, Sequence[Wish]], *, desk: BatchDesk) -> Mapping[str, Stored[Render]]:
    """Attach a group to its renders that are not final, as `placing` does with one job; the renders as they are now.

    The private ones among them are written in any case, so that whoever deletes one in this moment notices. What
    workers write too often in the meantime is left out.
    """
    for _ in range(HOLDING_TRIES):
        found = {key: each for key, each in desk.store.renders(by_key).items() if not each.value.is_final}
        after = {key: _attached(each.value, by_key[key], now=desk.now()) for key, each in found.items()}
        changed = [key for key, each in found.items() if after[key] is not each.value]
        if not changed:
            return found
        try:
            written = desk.store.commit(*(Replace(stored=found[key], value=after[key]) for key in changed))
        except Conflict:
            continue
        return found | dict(zip(changed, cast("Sequence[Stored[Render]]", written), strict=True))
    return {key: each for key, each in found.items() if key not in changed}


def _attached(render: Render, wishes: Sequence[Wish], *, now: datetime) -> Render:
    """The render with some jobs more; the very same if nothing is to be written."""
    after = attach_to(render, priority=_highest(wishes), now=now)
    return touch(render, now=now) if after is render and render.spec.scope != PUBLIC else after


def _place_one(wish: Wish, *, desk: BatchDesk) -> None:
    with context(job_id=wish.job.job_id, render_key=wish.job.render_key):
        try:
            place(
                wish.job,
                wish.spec,
                store=desk.store,
                publisher=desk.publisher,
                artifacts=desk.artifacts,
                now=desk.now,
            )
        except JobExistsError:  # the chunk was delivered before, and may have ended in the middle
            _attach_one(wish, desk=desk)


def _attach_one(wish: Wish, *, desk: BatchDesk) -> None:
    with context(job_id=wish.job.job_id, render_key=wish.job.render_key):
        attach(wish.job, wish.spec, store=desk.store, publisher=desk.publisher, artifacts=desk.artifacts, now=desk.now)


def _highest(wishes: Iterable[Wish]) -> Priority:
    priorities = {wish.job.request.priority for wish in wishes if wish.job.request}
    return Priority.INTERACTIVE if Priority.INTERACTIVE in priorities else Priority.BULK


def _key(job: Job) -> str:
    assert job.render_key is not None
    return job.render_key
