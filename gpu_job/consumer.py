"""The consumer: takes render requests one at a time until there are none. Never imports torch by itself."""

from __future__ import annotations

import logging
import queue
import time
from typing import TYPE_CHECKING

from gpu_job.heartbeat import HungError, Interrupted, PreemptedError
from gpu_job.render_job import render_job
from gpu_job.renderer import UnfitError
from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpu_job.message_source import Message
    from gpu_job.render_job import Workshop

log = logging.getLogger(__name__)

#: Longest pull: how long an interruption between two messages may go unheard.
PULL_S = 3.0
#: A source that did not answer so often in a row is given up: the process ends with an error and is started anew.
MAX_SILENT_PULLS = 6


def consume(
    *,
    workshop: Workshop,
    patience_s: float,
    warm_s: float,
    monotonic: Callable[[], float] = time.monotonic,
    is_wanted: Callable[[], bool] = lambda: True,
) -> int:
    """Work until the queue is empty and stays so, until it is not wanted any more, or until somebody interrupts.

    Args:
        workshop: what to work with.
        monotonic: the worker's own clock.
        patience_s: how long to wait for the first message.
        warm_s: how long to wait for the next one, with the model loaded.
        is_wanted: whether to take the next message; asked before each.

    Returns:
        How many messages were handled.

    Raises:
        PreemptedError: interrupted in the middle of a render, which was given back.
        HungError: the work hangs; the process must end.
        UnfitError: this worker can render nothing; the process must end.
        Retryable: the source does not answer.
    """
    handled = silent = 0
    leave_at = monotonic() + patience_s
    while not _interrupted(workshop, wait_s=0) and is_wanted():
        try:
            message = workshop.source.pull(timeout_s=max(0.01, min(PULL_S, leave_at - monotonic())))
            silent = 0
        except Retryable:
            silent += 1
            log.warning("no answer to a pull", extra={"action": "pull", "silent": silent}, exc_info=True)
            if silent == MAX_SILENT_PULLS:
                raise
            if _interrupted(workshop, wait_s=min(30, 2**silent / 2)):
                break
            continue
        if message is not None:
            _handle(message, workshop=workshop)
            handled += 1
            leave_at = monotonic() + warm_s
        elif monotonic() >= leave_at:
            break
    log.info("worker leaves", extra={"action": "consume", "handled": handled})
    return handled


def _handle(message: Message, *, workshop: Workshop) -> None:
    try:
        render_job(message, workshop=workshop)
    except (PreemptedError, HungError, UnfitError):
        raise
    except Exception:  # one message must not end the worker for the others
        log.exception("message put back", extra={"action": "consume"})
        try:
            workshop.source.put_back(message, delay_s=int(workshop.retry_backoff_s))
        except Retryable:
            log.warning("message left to its deadline", extra={"action": "consume"}, exc_info=True)


def _interrupted(workshop: Workshop, *, wait_s: float) -> bool:
    """Whether somebody wants this worker to go; what an ended work left in the inbox is thrown away."""
    give_up_at = time.monotonic() + wait_s
    while True:
        try:
            if isinstance(workshop.inbox.get(timeout=max(0.0, give_up_at - time.monotonic())), Interrupted):
                return True
        except queue.Empty:
            return False
