"""The lease: who may work on a render, for how long, and what the holder may write.

Enters: a render key. Leaves: a `Lease`, or the reason why there is none to be had. Every write goes in one batch with
the version of the render that was read, so a holder who lost the lease without knowing it is refused as a whole.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, cast

from shared.artifact_paths import human_view_path, poster_path, preview_path, receipt_path, video_path
from shared.documents import Job, JobError, Render, Stage, State
from shared.errors import Conflict, LifeAsNotMeError, Retryable
from shared.job_store import Contest, JobStore, Replace, Stored
from shared.jobs import (
    MAX_ATTEMPTS,
    Ending,
    claim_render,
    fail_render,
    follow,
    give_up,
    is_held_by,
    release_render,
    renew_render,
    retire,
)
from shared.settling import BATCH_JOBS, look, settle, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from shared.artifact_store import ArtifactStore
    from shared.publisher import Publisher

log = logging.getLogger(__name__)

#: With more jobs waiting than this, they hear of changes of stage only.
MANY_JOBS = 10


class LeaseLostError(LifeAsNotMeError):
    """Somebody else has the render, or it is final: write nothing more."""


class NobodyWaitsError(LifeAsNotMeError):
    """Every job that waited is final: the work can stop."""


class NoLease(Enum):
    """Why there is none."""

    #: The render is final, and its jobs have been told.
    SETTLED = auto()
    #: No job waits, and whoever attaches from now on publishes a new message.
    NOBODY_WAITS = auto()


@dataclass(frozen=True, kw_only=True)
class Held:
    """Another worker has it."""

    #: Seconds until that lease ends, if it is not renewed.
    left_s: float


@dataclass(frozen=True, kw_only=True)
class Claimant:
    """What is needed to claim a render, and to write as its holder."""

    #: Name of this worker.
    holder: str
    lease_s: float
    store: JobStore
    artifacts: ArtifactStore
    publisher: Publisher
    now: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic

    def claim(self, render_key: str) -> Lease | Held | NoLease:
        """Take the lease of a render, if there is something to do.

        Raises:
            Retryable: a service does not answer.
        """
        contest = Contest()
        while True:
            found = self.look(render_key)
            if found is None:
                log.warning("message for no render", extra={"action": "claim"})
                return NoLease.NOBODY_WAITS
            if found.value.is_final:
                settle(found, store=self.store, publisher=self.publisher, now=self.now)
                return NoLease.SETTLED
            left_s = found.value.lease_left_s(found.read_at)
            # One's own lease can only be one whose answer was lost on the way, or that ended while nobody answered.
            is_mine = is_held_by(found.value, self.holder)
            if left_s and not is_mine:
                return Held(left_s=left_s)
            try:
                if not self.store.waiting_jobs(render_key, limit=1):
                    found = self._retire(found)
                    if not self.store.waiting_jobs(render_key, limit=1):
                        return NoLease.NOBODY_WAITS
                sent_at = self.monotonic()
                if found.value.attempts >= MAX_ATTEMPTS and not is_mine:
                    self._give_up(found)
                    continue
                claimed = claim_render(found.value, holder=self.holder, lease_s=self.lease_s, now=self.now())
                [written] = self.store.commit(Replace(stored=found, value=claimed))
            except Conflict as exc:
                contest.lost(exc)
                continue
            return Lease(claimant=self, render=cast("Stored[Render]", written), sent_at=sent_at)

    def look(self, render_key: str) -> Stored[Render] | None:
        """The render as its object has it; see `shared.settling.look`."""
        return look(render_key, store=self.store, artifacts=self.artifacts, now=self.now)

    def _retire(self, found: Stored[Render]) -> Stored[Render]:
        """Say that the message goes away, before looking once more for a job that attached just now."""
        released = found.value
        if released.state is State.LEASED:
            released = release_render(released, now=self.now(), ending=Ending.PREEMPTED)
        [written] = self.store.commit(Replace(stored=found, value=retire(released, now=self.now())))
        return cast("Stored[Render]", written)

    def _give_up(self, found: Stored[Render]) -> None:
        self.store.commit(Replace(stored=found, value=give_up(found.value, now=self.now())))


class Lease:
    """The right to work on one render. Used by one thread.

    Its holder reads and writes `BATCH_JOBS` waiting jobs at a time at most, the first by their ids, in one commit: a
    lease must be renewed in time however many wait. The others stay as they are: ``queued`` while it is being made, or
    ``in_progress`` after it was given back. That does no harm, since both may go wherever their render goes: the next
    holder's changes reach them as they do the others, and whoever settles the render tells every one of them.
    """

    def __init__(self, *, claimant: Claimant, render: Stored[Render], sent_at: float) -> None:
        self._by = claimant
        self._render = render
        self._sent_at = sent_at
        self._told: Stage | None = None

    @property
    def render(self) -> Render:
        """The render as last written."""
        return self._render.value

    @property
    def attempt(self) -> str:
        """Name of this attempt; no other has the same."""
        return f"{self.render.token}-{self._by.holder}"

    @property
    def renewal_s(self) -> float:
        """How often it is renewed when there is nothing to tell."""
        return self._by.lease_s / 4

    @property
    def is_over(self) -> bool:
        """Whether it has ended by this worker's own measure: from when the last renewal was *sent*."""
        return self._by.monotonic() - self._sent_at > self._by.lease_s

    def renew(self, stage: Stage, progress: int, *, preview_path: str | None = None) -> None:
        """Keep it, and tell the waiting jobs how far the work is, and where an early picture of it lies.

        Raises:
            LeaseLostError: somebody else has the render, or it is final.
            NobodyWaitsError: the lease was renewed, but for nobody.
            Retryable: the store does not answer; the lease runs on until it ends.
        """
        contest = Contest()
        while True:
            sent_at = self._by.monotonic()
            is_news = stage is not self._told
            after = renew_render(
                self.render, stage=stage, progress=progress, preview_path=preview_path, now=self._by.now()
            )
            limit = BATCH_JOBS if is_news else MANY_JOBS + 1
            waiting = self._by.store.waiting_jobs(self.render.render_key, limit=limit)
            told = waiting if is_news or len(waiting) <= MANY_JOBS else []
            if self._write(after, told, contest):
                break
        self._sent_at = sent_at
        self._told = stage
        if not waiting:
            raise NobodyWaitsError

    def see_who_waits(self) -> None:
        """Ask only, and write nothing.

        Raises:
            NobodyWaitsError: the work can stop.
            Retryable: the store does not answer.
        """
        if not self._by.store.waiting_jobs(self.render.render_key, limit=1):
            raise NobodyWaitsError

    def release(self, ending: Ending) -> None:
        """Give it back: the waiting jobs are queued again.

        Raises:
            LeaseLostError: there was nothing to give back.
            Retryable: the store does not answer; the lease ends by itself.
        """
        contest = Contest()
        while True:
            waiting = self._by.store.waiting_jobs(self.render.render_key, limit=BATCH_JOBS)
            after = release_render(self.render, now=self._by.now(), ending=ending)
            if self._write(after, waiting, contest):
                return

    def fail(self, error: JobError) -> None:
        """Fail the render and every job that waits for it, unless its video is there after all.

        Raises:
            LeaseLostError: it is another's business now.
            Retryable: a service does not answer.
        """
        by, contest = self._by, Contest()
        found = by.look(self.render.render_key)
        if found is None or not found.value.is_final:
            while not self._write(fail_render(self.render, error=error, now=by.now()), [], contest):
                pass
            found = self._render
        settle(found, store=by.store, publisher=by.publisher, now=by.now)

    def complete(self) -> None:
        """The video was committed: say so on the render. ``notify`` tells the jobs.

        Where the object is not a worker's, the render fails instead, and its jobs are told here.

        Raises:
            Retryable: a service does not answer.
        """
        by = self._by
        found = by.look(self.render.render_key)
        if found is None:
            self.sweep()
        if found and not found.value.is_final:
            raise Retryable("the video was deleted in the moment of its upload")
        if found and found.value.state is State.FAILED:
            settle(found, store=by.store, publisher=by.publisher, now=by.now)

    def sweep(self) -> None:
        """The work has ended and the lease is lost: where the render is gone too, so is what the attempt uploaded.

        Raises:
            Retryable: a service does not answer.
        """
        key, attempt = self.render.render_key, self.attempt
        beside = [path(key, attempt) for path in (preview_path, poster_path, human_view_path, receipt_path)]
        sweep(key, [video_path(key), *beside], store=self._by.store, artifacts=self._by.artifacts)

    def _write(self, after: Render, jobs: Sequence[Stored[Job]], contest: Contest) -> bool:
        """Write the render, and the jobs as they follow it, in one batch. False: read again and write again."""
        followed = [(job, follow(job.value, after, now=self._by.now())) for job in jobs]
        writes = [Replace(stored=job, value=value) for job, value in followed if value != job.value]
        try:
            self._commit(after, writes)
        except Conflict as exc:
            contest.lost(exc)
            self._read_again()
            return False
        return True

    def _commit(self, after: Render, writes: list[Replace]) -> None:
        written = self._by.store.commit(Replace(stored=self._render, value=after), *writes)
        self._render = cast("Stored[Render]", written[0])

    def _read_again(self) -> None:
        """Somebody wrote: a job attached, or the lease went to another."""
        found = self._by.store.render(self.render.render_key)
        mine = (State.LEASED, self.render.token, self._by.holder)
        if found is None or (found.value.state, found.value.token, found.value.holder) != mine:
            raise LeaseLostError("the render is not this worker's any more")
        self._render = found
