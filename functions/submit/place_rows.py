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

from shared.documents import Job, Render, State
from shared.errors import Conflict
from shared.job_store import Create, Replace, Stored
from shared.jobs import new_render, publish, touch
from shared.messages import TOPIC_OF_PRIORITY, RenderRequested, attributes_of, encode
from shared.requests import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batch_desk import BatchDesk
    from batch_rows import Wish

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
        list(desk.pool.map(partial(_place_one, desk=desk), wishes))
        return
    _wake_workers(cast("Sequence[Stored[Render]]", written[len(wishes) :]), desk=desk)
    _attach_to_known([wish for wish in wishes if _key(wish.job) in known], desk=desk)


def _fresh(wishes: Sequence[Wish], known: Mapping[str, Stored[Render]]) -> list[Render]:
    """The renders that nobody has wished for, each once. Of equal wishes the first decides who goes first."""
    fresh: dict[str, Render] = {}
    for wish in wishes:
        key, request = _key(wish.job), wish.job.request
        assert request is not None
        if key not in known and key not in fresh:
            fresh[key] = new_render(
                render_key=key,
                spec=wish.spec,
                priority=request.priority,
                now=wish.job.created_at,
                traceparent=wish.job.traceparent,
            )
    return list(fresh.values())


def _wake_workers(renders: Sequence[Stored[Render]], *, desk: BatchDesk) -> None:
    """Publish a message for each, and mark them."""
    messages = defaultdict(list)
    for render in renders:
        message = RenderRequested(render_key=render.value.render_key, traceparent=render.value.traceparent)
        messages[TOPIC_OF_PRIORITY[render.value.priority]].append((encode(message), attributes_of(message)))
    for topic, each in messages.items():
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
    made = _being_made(list(dict.fromkeys(_key(wish.job) for wish in wishes)), desk=desk)
    idle = [wish for wish in wishes if _key(wish.job) not in made]
    list(desk.pool.map(partial(_attach_one, desk=desk), idle))


def _being_made(render_keys: Sequence[str], *, desk: BatchDesk) -> set[str]:
    """Which of these renders will be made without any more ado.

    The private ones among them are touched, so that whoever deletes one in this moment notices, as in `placing`.
    """
    made: list[Render] = []
    for _ in range(HOLDING_TRIES):
        found = [each for each in desk.store.renders(render_keys).values() if _will_be_made(each.value)]
        made = [each.value for each in found]
        private = [each for each in found if each.value.spec.scope != PUBLIC]
        try:
            if private:
                desk.store.commit(*(Replace(stored=each, value=touch(each.value, now=desk.now())) for each in private))
        except Conflict:
            continue
        return {render.render_key for render in made}
    return {render.render_key for render in made if render.spec.scope == PUBLIC}


def _place_one(wish: Wish, *, desk: BatchDesk) -> None:
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
    attach(wish.job, wish.spec, store=desk.store, publisher=desk.publisher, artifacts=desk.artifacts, now=desk.now)


def _will_be_made(render: Render) -> bool:
    return render.state is State.LEASED or (render.state is State.IDLE and render.published_at is not None)


def _key(job: Job) -> str:
    assert job.render_key is not None
    return job.render_key
