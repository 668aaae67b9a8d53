"""``GET /usage``: what a caller has used today, beside what it may, and what that has cost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from quotas import used

from shared.budget import midnight, next_midnight
from shared.errors import Retryable
from shared.job_store import StoreNotReadyError
from shared.prices import currency
from shared.slots import day_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from quotas import Quota

    from shared.job_store import JobStore, Sum

log = logging.getLogger(__name__)


def show(quota: Quota, *, store: JobStore, now: datetime) -> dict[str, Any]:
    """The quota counts each render whole for everybody who waited for it; the cost has each render once.

    Raises:
        Retryable: the store does not answer.
    """
    now_used = used(quota, store=store, now=now)
    return {
        "day": day_of(now),
        "resets_at": next_midnight(now).isoformat(),
        "jobs": {"active": now_used.jobs, "quota": quota.jobs},
        "gpu_s": {"used": round(now_used.gpu_s, 3), "quota": quota.gpu_s},
        "cost": cost_view(lambda: store.cost_of_owner(quota.owner, since=midnight(now))),
    }


def cost_view(add_up: Callable[[], Sum]) -> dict[str, Any] | None:
    """A sum of costs as it is shown; no amount where nothing of it has a price, None where it can't be added up."""
    try:
        cost = add_up()
    except (Retryable, StoreNotReadyError):  # what stands beside it is worth showing without
        log.exception("no sum of costs", extra={"action": "add up"})
        return None
    has_price = cost.amount > 0 or cost.gpu_s <= 0
    return {
        "gpu_s": round(cost.gpu_s, 3),
        "amount": round(cost.amount, 6) if has_price else None,
        "currency": currency() if has_price else None,
    }
