"""``GET /jobs``: the caller's own jobs, the newest first, a page at a time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from shared.documents import JOB_ID_PATTERN
from shared.errors import Fault, Rejected
from shared.job_store import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from callers import Caller

    from shared.documents import Job
    from shared.job_store import JobStore

JOBS_A_PAGE: Final = 20
MOST_JOBS_A_PAGE: Final = 100


def page_of_jobs(asked: Mapping[str, str], *, caller: Caller, store: JobStore) -> tuple[Sequence[Job], str | None]:
    """The jobs of one page, and the address of the next; None: that was the last.

    Args:
        asked: the query: ``limit`` and ``before``.
        caller: whose jobs.
        store: where they are.

    Raises:
        Rejected: with every fault of the query.
    """
    faults: list[Fault] = []
    limit = _limit(asked.get("limit", str(JOBS_A_PAGE)), faults)
    before = _place(asked["before"], faults) if "before" in asked else None
    if faults:
        raise Rejected("There is no such page.", faults=faults)
    found = [each.value for each in store.jobs_of_owner(caller.owner, before=before, limit=limit + 1)]
    if len(found) <= limit:
        return found, None
    last = place_of(found[limit - 1])
    query = urlencode({"limit": limit, "before": f"{last.created_at.isoformat()}~{last.job_id}"})
    return found[:limit], f"/jobs?{query}"


def _limit(text: str, faults: list[Fault]) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,2}", text) or int(text) > MOST_JOBS_A_PAGE:
        message = f"must be a whole number from 1 to {MOST_JOBS_A_PAGE}"
        faults.append(Fault(field="limit", code="invalid", message=message))
        return JOBS_A_PAGE
    return int(text)


def _place(text: str, faults: list[Fault]) -> Place | None:
    moment, _, job_id = text.partition("~")
    try:
        created_at = datetime.fromisoformat(moment)
        place = Place(created_at.astimezone(UTC), job_id) if created_at.tzinfo else None
    except (ValueError, OverflowError):  # the latter of what has no year any more in UTC, which is what stores want
        place = None
    if place is None or not re.fullmatch(JOB_ID_PATTERN, job_id):
        faults.append(Fault(field="before", code="invalid", message="must come from the address of the next page"))
        return None
    return place
