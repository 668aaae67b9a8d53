"""Whether bulk waits for another day's budget. Looked at with every run of reconcile, which is every minute.

Its messages stay in their topic meanwhile, and no worker comes for them: an alert must know that this is no fault.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shared.errors import Retryable
from shared.measures import BULK_PAUSE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.budget import Budget

log = logging.getLogger(__name__)


def measure_bulk_pause(*, budget: Budget, now: Callable[[], datetime]) -> None:
    """Tell it. Where the store does not answer, this minute has none."""
    try:
        until = budget.bulk_paused_until()
    except Retryable:
        log.warning("budget not measured", extra={"action": "measure"}, exc_info=True)
        return
    BULK_PAUSE.take((until - now()).total_seconds() if until else 0.0)
