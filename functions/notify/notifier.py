"""The use case behind the storage trigger. The event is only a hint; the object is the truth, and it is read.

So an event that comes late, twice or out of order changes nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.artifact_paths import render_key_of
from shared.errors import Permanent
from shared.settling import complete_from_object, settle
from shared.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.artifact_store import ArtifactStore
    from shared.job_store import JobStore
    from shared.publisher import Publisher

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Notifier:
    """The trigger's dependencies, and what it does."""

    bucket: str
    store: JobStore
    publisher: Publisher
    artifacts: ArtifactStore
    now: Callable[[], datetime]

    def object_finalized(self, bucket: object, name: object) -> None:
        """Complete the render whose commit the object is; ignore every other object.

        Raises:
            Retryable: a service does not answer; Eventarc delivers again.
        """
        render_key = render_key_of(name) if isinstance(name, str) and bucket == self.bucket else None
        if render_key is None:
            log.debug("object ignored", extra={"action": "notify"})
            return
        with context(render_key=render_key):
            try:
                render = complete_from_object(render_key, store=self.store, artifacts=self.artifacts, now=self.now)
            except Permanent:  # delivering it again would not make it readable
                log.exception("object is not ours", extra={"action": "notify"})
                return
            if render is None:
                log.warning("object without a render", extra={"action": "notify"})
            elif render.value.is_final:
                settle(render, store=self.store, publisher=self.publisher, now=self.now)
