"""Repairing: what messages and events missed is made good.

Each repair is a compare-and-set, so two at once do no harm.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from shared.commits import find_commit
from shared.documents import JobError, State
from shared.errors import Conflict, ErrorCode, Permanent
from shared.job_store import Contest, JobStore, Replace, Stored
from shared.jobs import (
    MAX_ATTEMPTS,
    Ending,
    fail_job,
    give_up,
    postpone,
    publish,
    release_render,
    retire,
)
from shared.measures import SpanName
from shared.messages import TOPIC_OF_PRIORITY, RenderRequested, attributes_of, encode
from shared.outbox import empty_outbox
from shared.settling import look, settle, sweep
from shared.telemetry import context
from shared.tracing import span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.artifact_store import ArtifactStore
    from shared.documents import Job, Render
    from shared.publisher import Publisher

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Repairer:
    """What is needed to repair."""

    store: JobStore
    publisher: Publisher
    artifacts: ArtifactStore
    now: Callable[[], datetime]

    def repair(self, render_key: str, *, message_is_gone: bool = False) -> str | None:
        """Do for a render what should have been done by now.

        Args:
            render_key: of the render.
            message_is_gone: send another one even while somebody works on it: the holder may die.

        Returns:
            What was done, for the report; None when there is no such render.

        Raises:
            Retryable: a service does not answer.
        """
        with context(render_key=render_key):
            contest = Contest()
            while (found := self.look(render_key)) is not None:
                with context(traceparent=found.value.traceparent):
                    if found.value.is_final:
                        self.settle(found)
                        return "settled"
                    try:
                        done = self._go_on(found, message_is_gone=message_is_gone)
                    except Conflict as exc:
                        contest.lost(exc)
                        continue
                    if done is not None:
                        log.info("render repaired", extra={"action": "repair", "done": done})
                        return done
            return None

    def settle(self, final: Stored[Render]) -> None:
        """Tell every job of a final render. Raises `Retryable` when a service does not answer."""
        settle(final, store=self.store, publisher=self.publisher, now=self.now)

    def look(self, render_key: str) -> Stored[Render] | None:
        """The render as its object has it. Raises `Retryable` when a service does not answer."""
        return look(render_key, store=self.store, artifacts=self.artifacts, now=self.now)

    def sweep(self, render_key: str) -> bool:
        """Delete the video of a render that is gone, and what belongs to it; whether it is gone.

        Raises:
            Retryable: a service does not answer.
        """
        try:
            found = find_commit(render_key, artifacts=self.artifacts)
        except Permanent:  # no worker made it, and nobody asked us
            log.exception("object is not ours", extra={"action": "sweep"})
            return False
        if found is None:
            return False
        commit, video = found
        return sweep(render_key, [video.path, *commit.companions], store=self.store, artifacts=self.artifacts)

    def end(self, stored: Stored[Job], error: JobError) -> bool:
        """Fail a job whose time is up, or that waits for nothing. False: it has changed meanwhile."""
        with context(job_id=stored.value.job_id, traceparent=stored.value.traceparent):
            try:
                [failed] = self.store.commit(
                    Replace(stored=stored, value=fail_job(stored.value, error=error, now=self.now()))
                )
            except Conflict:
                return False
            log.warning("job failed", extra={"action": "end", "code": error.code.value})
            empty_outbox(cast("Stored[Job]", failed), store=self.store, publisher=self.publisher)
            return True

    def _go_on(self, found: Stored[Render], *, message_is_gone: bool) -> str | None:
        """See to it that somebody works on a render that is not final. None: look at it again."""
        render, now = found.value, self.now()
        is_being_made = bool(render.lease_left_s(found.read_at))
        if is_being_made and not message_is_gone:
            self.store.commit(Replace(stored=found, value=postpone(render, now=now)))
            return "is being made"
        if not is_being_made and not self.store.waiting_jobs(render.render_key, limit=1):
            idle = release_render(render, now=now, ending=Ending.PREEMPTED) if render.state is State.LEASED else render
            self.store.commit(Replace(stored=found, value=retire(idle, now=now)))
            # Whoever attached before this write saw a message on its way, and sent none.
            if not self.store.waiting_jobs(render.render_key, limit=1):
                return "retired"
            return None
        if render.attempts >= MAX_ATTEMPTS and not is_being_made:
            self.store.commit(Replace(stored=found, value=give_up(render, now=now)))
            return None
        message = RenderRequested(render_key=render.render_key, traceparent=render.traceparent)
        topic = TOPIC_OF_PRIORITY[render.priority]
        with span(SpanName.PUBLISH, parent=render.traceparent, render_key=render.render_key):
            self.publisher.publish(topic, encode(message), attributes=attributes_of(message))
        return self._mark(found)

    def _mark(self, found: Stored[Render]) -> str | None:
        """Say that a message is on its way, without sending another for each who writes in between: these would breed.

        None: look at it again, since somebody may have put it to rest, and acknowledged the message.
        """
        contest, current = Contest(), cast("Stored[Render] | None", found)
        while current is not None:
            try:
                self.store.commit(Replace(stored=current, value=publish(current.value, now=self.now())))
            except Conflict as exc:
                contest.lost(exc)
                current = self.store.render(found.value.render_key)
                if current is None or current.value.is_final or current.value.published_at is None:
                    break
            else:
                return "published again"
        return None


GONE = JobError(code=ErrorCode.RENDER_GONE, message="What it waited for is gone. Please wish for it again.")
TOO_LATE = JobError(code=ErrorCode.DEADLINE_EXCEEDED, message="It was not finished within its time.")
