"""The use case behind ``render-requests-dead``: render requests that were delivered too often, or could not be read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.errors import Rejected
from shared.measures import DEAD_LETTERS
from shared.messages import RenderRequested, decode
from shared.telemetry import context

if TYPE_CHECKING:
    from repairing import Repairer

log = logging.getLogger(__name__)


def bury_request(data: bytes, *, repairer: Repairer) -> None:
    """See to the render of a dead message: with attempts left it is sent again, else its jobs fail with the reason.

    An unreadable message speaks for no render that we know; the render itself is found by reconcile.

    Raises:
        Retryable: a service does not answer; deliver it again.
    """
    try:
        request = decode(RenderRequested, data)
    except Rejected as exc:
        DEAD_LETTERS.take(1, done="unreadable")
        log.error("unreadable message buried", extra={"action": "bury", "code": exc.code.value})  # noqa: TRY400
        return
    with context(render_key=request.render_key, traceparent=request.traceparent):
        done = repairer.repair(request.render_key, message_is_gone=True)
        DEAD_LETTERS.take(1, done=done or "no such render")
        log.warning("render request buried", extra={"action": "bury", "done": done})
