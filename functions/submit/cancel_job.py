"""The use case behind ``POST /jobs/{id}:cancel``. The render stops by itself when nobody waits for it any more."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, cast

from shared.errors import Conflict, Retryable
from shared.job_store import Contest, JobStore, Replace
from shared.jobs import cancel_job as canceled
from shared.outbox import empty_outbox
from shared.telemetry import context

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.documents import Job
    from shared.job_store import Stored
    from shared.publisher import Publisher

log = logging.getLogger(__name__)


def cancel_job(
    stored: Stored[Job], *, store: JobStore, publisher: Publisher, now: Callable[[], datetime]
) -> Job | None:
    """Cancel a job, unless it is final already; the job as it is then. None when it was deleted meanwhile.

    Raises:
        Retryable: the store does not answer.
    """
    contest = Contest()
    found: Stored[Job] | None = stored
    with context(job_id=stored.value.job_id, traceparent=stored.value.traceparent):
        while found is not None and not found.value.is_final:
            try:
                [written] = store.commit(Replace(stored=found, value=canceled(found.value, now=now())))
            except Conflict as exc:
                contest.lost(exc)
                found = store.job(stored.value.job_id)
                continue
            log.info("job canceled", extra={"action": "cancel"})
            try:
                return empty_outbox(cast("Stored[Job]", written), store=store, publisher=publisher)
            except Retryable:  # it is canceled; its event goes out later
                log.warning("event stays pending", extra={"action": "cancel"}, exc_info=True)
                return cast("Job", written.value)
    return found.value if found else None
