"""The heartbeat: the main thread keeps the lease and the message while a second thread works.

Enters: a lease, a message, and the work. Leaves: what the work returned, or why it did not. All writes to Firestore and
to the subscription happen in the calling thread; the second thread only says how far it is.
"""

from __future__ import annotations

import contextvars
import logging
import queue
import threading
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gpu_job.lease import LeaseLostError
from gpu_job.renderer import RenderStopped
from shared.documents import Stage
from shared.errors import LifeAsNotMeError, Retryable
from shared.measures import STALLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_job.lease import Lease
    from gpu_job.renderer import Watch

R = TypeVar("R")

log = logging.getLogger(__name__)

#: Name of the second thread.
WORK_THREAD: Final = "work"
#: Clients look every two seconds; more writes tell nobody anything.
BEAT_S: Final = 2.0
#: Longest time without a movement in each stage; a worker that hangs loses its lease. Loading may be a download of
#: 20 GB.
LIMIT_S: Final = {Stage.LOADING: 1800.0, Stage.RENDERING: 600.0, Stage.ENCODING: 300.0, Stage.UPLOADING: 300.0}
#: Where each stage begins and ends in percent of the whole. Measured on few-step video models, whose decoding (part of
#: encoding, since frames are seen and encoded as they are decoded) costs about as much as their denoising.
PERCENT: Final = {
    Stage.LOADING: (0, 5),
    Stage.RENDERING: (5, 70),
    Stage.ENCODING: (70, 95),
    Stage.UPLOADING: (95, 99),
}


class PreemptedError(LifeAsNotMeError):
    """This worker was told to go."""


class HungError(LifeAsNotMeError):
    """The work has not moved for too long, and a thread can't be killed: the process must end."""


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """In the inbox: the worker is told to go. May be put there by a signal handler: the queue is reentrant."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """In the inbox: so many parts of a stage are finished."""

    stage: Stage
    done: int
    total: int
    #: Where an early picture lies, once there is one.
    preview_path: str | None = None

    @property
    def percent(self) -> int:
        """Of the whole work."""
        begin, end = PERCENT[self.stage]
        return int(begin + (end - begin) * min(1.0, self.done / max(1, self.total)))


#: What is known before the work says anything.
NOTHING_YET: Final = Moved(stage=Stage.LOADING, done=0, total=1)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """In the inbox: the work is over."""

    result: Any = None
    error: Exception | None = None


#: What the main thread listens to.
Inbox = queue.SimpleQueue[Interrupted | Moved | Ended]


class _InboxWatch:
    """Tells the inbox of each movement, and stops the work when told."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox
        self._lock = threading.Lock()
        self._last = NOTHING_YET
        self.stop = threading.Event()

    def moved(self, stage: Stage, done: int, total: int) -> None:
        if self.stop.is_set():
            raise RenderStopped
        self._tell(stage=stage, done=done, total=total)

    def previewed(self, path: str) -> None:
        self._tell(preview_path=path)

    def _tell(self, **news: Any) -> None:  # noqa: ANN401 - fields of `Moved`
        with self._lock:
            self._last = replace(self._last, **news)
            self._inbox.put(self._last)


def attend(
    work: Callable[[Watch], R],
    *,
    lease: Lease,
    extend: Callable[[], None],
    inbox: Inbox,
    monotonic: Callable[[], float] = time.monotonic,
) -> R:
    """Run the work in a second thread, and keep lease and message until it ends.

    Args:
        work: makes the video; told to stop by its watch, and left behind where it does not listen.
        lease: the right to do it.
        inbox: what this thread listens to; a signal handler may put `Interrupted` there.
        monotonic: the worker's own clock.
        extend: renews the message's deadline; called right after every renewal of the lease.

    Raises:
        PreemptedError: the worker is told to go; the work may still be running.
        HungError: the work does not move; it is still running.
        LeaseLostError: the work was stopped, since somebody else has the render.
        NobodyWaitsError: the work was stopped, since nobody waits for it.
        Exception: whatever the work raised.
    """
    watch = _InboxWatch(inbox)
    run = contextvars.copy_context().run  # the log lines of the work tell of the same job
    threading.Thread(target=run, args=(_run, work, watch, inbox), name=WORK_THREAD, daemon=True).start()
    try:
        return _listen(inbox, lease=lease, extend=extend, stop=watch.stop, monotonic=monotonic)  # type: ignore[no-any-return]
    finally:
        watch.stop.set()


def _listen(
    inbox: Inbox,
    *,
    lease: Lease,
    extend: Callable[[], None],
    stop: threading.Event,
    monotonic: Callable[[], float],
) -> Any:  # noqa: ANN401 - what the work of `attend` returned
    last = told = NOTHING_YET
    moved_at = monotonic()
    beat_at, renew_at = moved_at, moved_at
    reason: Exception | None = None
    while True:
        match _next(inbox, timeout_s=beat_at - monotonic()):
            case Ended(error=None, result=result):
                return result
            case Ended(error=error):
                raise reason or error or AssertionError
            case Interrupted():
                raise PreemptedError
            case Moved() as last:
                moved_at = monotonic()
        if monotonic() < beat_at:
            continue
        beat_at = monotonic() + BEAT_S
        _expect_movement(last, still_s=beat_at - moved_at)
        if reason is None:
            is_due = last is not told or monotonic() >= renew_at
            try:
                if _beat(lease, last, is_due=is_due, extend=extend):
                    told, renew_at = last, monotonic() + lease.renewal_s
            except Exception as exc:  # noqa: BLE001 - raised once the work has stopped: two at a time would be a mess
                reason = exc
                stop.set()


def _expect_movement(last: Moved, *, still_s: float) -> None:
    if still_s > LIMIT_S[last.stage]:
        STALLS.take(1, stage=last.stage.value)
        raise HungError(f"no movement in {last.stage} for {LIMIT_S[last.stage]:.0f} s")


def _next(inbox: Inbox, *, timeout_s: float) -> Interrupted | Moved | Ended | None:
    try:
        return inbox.get(timeout=max(0.0, timeout_s))
    except queue.Empty:
        return None


def _beat(lease: Lease, last: Moved, *, is_due: bool, extend: Callable[[], None]) -> bool:
    """Renew lease and message together. False: nobody answered, and the next beat tries again, or it was not due.

    What is not due is no news to anybody, but a cancel may be news to the work: the next step may be a long one.
    """
    try:
        if not is_due:
            lease.see_who_waits()
            return False
        lease.renew(last.stage, last.percent, preview_path=last.preview_path)
        extend()
    except Retryable as exc:
        if lease.is_over:
            raise LeaseLostError("the lease ended while nobody answered") from exc
        log.warning("not renewed", extra={"action": "renew", "attempt": lease.attempt}, exc_info=True)
        return False
    return True


def _run(work: Callable[[Watch], object], watch: Watch, inbox: Inbox) -> None:
    try:
        inbox.put(Ended(result=work(watch)))
    except Exception as exc:  # noqa: BLE001 - carried over to the main thread, which decides
        inbox.put(Ended(error=exc))
