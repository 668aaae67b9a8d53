"""The use case behind the storage trigger. The event is only a hint; the object is the truth, and it is read.

So an event that comes late, twice or out of order changes nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.artifact_paths import render_key_of
from shared.measures import SpanName
from shared.telemetry import context
from shared.tracing import span

if TYPE_CHECKING:
    from repairing import Repairer

log = logging.getLogger(__name__)


def object_finalized(bucket: object, name: object, *, ours: str, repairer: Repairer) -> None:
    """Complete the render whose commit the object is; ignore every other object.

    Where the render is gone, a private one was deleted while its video was on the way: then the video goes too.

    Args:
        bucket: of the object; whatever the event says.
        name: of the object; whatever the event says.
        ours: the artifact bucket.
        repairer: over the services.

    Raises:
        Retryable: a service does not answer; Eventarc delivers again.
    """
    render_key = render_key_of(name) if isinstance(name, str) and bucket == ours else None
    if render_key is None:
        log.debug("object ignored", extra={"action": "notify"})
        return
    with context(render_key=render_key):
        render = repairer.look(render_key)
        if render is None:
            log.warning("object without a render", extra={"action": "notify"})
            repairer.sweep(render_key)
            render = repairer.look(render_key)  # somebody may have wished for it in this moment
        if render is not None and render.value.is_final:
            trace = render.value.traceparent
            with context(traceparent=trace), span(SpanName.NOTIFY, parent=trace, render_key=render_key):
                repairer.settle(render)
