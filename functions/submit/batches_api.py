"""The part of the API that is about batches: HTTP in, a use case, a document out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from accept_batch import accept_batch
from cancel_batch import cancel_batch
from usage_api import cost_view

from shared.documents import JOB_ID_PATTERN, WAITING
from shared.errors import ErrorCode, Rejected
from shared.measures import SpanName
from shared.requests import Priority
from shared.telemetry import at_the_door, context

if TYPE_CHECKING:
    from batch_desk import BatchDesk
    from callers import Caller
    from flask import Request as HttpRequest

    from shared.batch_store import StoredBatch
    from shared.batches import Batch


def create(body: bytes, request: HttpRequest, *, caller: Caller, desk: BatchDesk) -> dict[str, Any]:
    """``POST /batches``."""
    with at_the_door(SpanName.BATCH, given=request.headers.get("traceparent")) as traceparent:
        batch = accept_batch(
            body,
            caller=caller,
            idempotency_key=request.headers.get("Idempotency-Key"),
            traceparent=traceparent,
            desk=desk,
        )
    return _view(batch)


def show(batch_id: str, *, caller: Caller, desk: BatchDesk) -> dict[str, Any]:
    """``GET /batches/{id}``: the batch, how many of its jobs have each status and what they cost, counted now."""
    stored = _batch_of(caller, batch_id, desk=desk)
    counted = desk.store.count_jobs_of_batch(batch_id)
    view: dict[str, Any] = {
        **_view(stored.value),
        "jobs": {status.value: count for status, count in counted.items()},
        "cost": cost_view(lambda: desk.store.cost_of_batch(batch_id)),
    }
    is_waiting = stored.value.priority is Priority.BULK and any(counted[each] for each in WAITING)
    if is_waiting and (paused_until := desk.admission.budget.bulk_paused_until()):
        view["paused_until"] = paused_until.isoformat()
    return view


def cancel(batch_id: str, *, caller: Caller, desk: BatchDesk) -> dict[str, Any]:
    """``POST /batches/{id}:cancel``."""
    stored = _batch_of(caller, batch_id, desk=desk)
    with context(batch_id=batch_id, traceparent=stored.value.traceparent):
        return _view(cancel_batch(stored, desk=desk))


def _batch_of(caller: Caller, batch_id: str, *, desk: BatchDesk) -> StoredBatch:
    found = desk.batches.batch(batch_id) if re.fullmatch(JOB_ID_PATTERN, batch_id) else None
    if found is None or found.value.owner != caller.owner:  # what is another's does not exist
        raise Rejected("There is no such batch.", code=ErrorCode.NOT_FOUND)
    return found


def _view(batch: Batch) -> dict[str, Any]:
    links = {"self": f"/batches/{batch.batch_id}", "firestore": f"batches/{batch.batch_id}"}
    return {**batch.model_dump(mode="json"), "links": links}
