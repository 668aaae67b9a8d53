"""How long the oldest wish waits that nobody has taken. Looked at with every run of reconcile, which is every minute.

Pub/Sub's own age is no such thing: a message is unacknowledged while its render is being made, too.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.errors import Retryable
from shared.job_store import StoreNotReadyError
from shared.measures import QUEUE_AGE
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.job_store import JobStore

log = logging.getLogger(__name__)


def measure_queue_age(*, store: JobStore, now: Callable[[], datetime]) -> None:
    """Tell it for each priority. Where the store can't say it, this minute has none: all that is repaired stays so."""
    try:
        for priority in Priority:
            oldest = store.oldest_queued_job(priority)
            age_s = max(0.0, (now() - oldest.value.created_at).total_seconds()) if oldest else 0.0
            QUEUE_AGE.take(age_s, priority=priority.value)
    except (Retryable, StoreNotReadyError):
        log.warning("queue not measured", extra={"action": "measure"}, exc_info=True)
