"""The use cases behind ``POST /batches`` and the topic ``schedule``.

Enters: a raw body, or the name of a plan, and who asks. Leaves: the batch, stored, its rows pinned, and on its way.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Final, Literal

from backlog import RETRY_AFTER_S
from batch_desk import BatchDesk, delete_rows, wake
from batch_rows import faults_of_row, parse_row
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import from_json
from quotas import check_day
from submit_job import parsed_with_key

from shared.batches import Batch, Manifest, RowFault, new_batch, rows_path
from shared.errors import MAX_FAULTS, Conflict, ErrorCode, Fault, Rejected, Retryable, faults_of
from shared.measures import SpanName
from shared.messages import PlanScheduled, decode
from shared.plans import plans
from shared.requests import Priority
from shared.telemetry import at_the_door
from shared.tracing import note

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from callers import Caller

log = logging.getLogger(__name__)

#: Requests that may stand in the body itself; more go into a manifest.
MAX_INLINE_REQUESTS = 500
#: Largest body of ``POST /batches``, in bytes.
MAX_BATCH_BODY_BYTES = 1024 * 1024
#: Whose the scheduled batches are.
SCHEDULER = "system:schedule"

#: Names of an hour, a day and an ISO week that differ from each other and from those of any other.
_PERIODS: Final = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "week": "%G-W%V"}

_SOURCES: Final = ("requests", "manifest", "plan")
#: An object's name, as Cloud Storage takes it: neither ``.`` nor ``..``, and no control character.
_GS_URI = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])/((?!\.{1,2}$)[^\x00-\x1f\x7f-\x9f]{1,1024})")
#: In UTF-8.
MAX_OBJECT_NAME_BYTES: Final = 1024


class BatchRequest(BaseModel):
    """The body of ``POST /batches``: exactly one of three sources, and how to treat it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    requests: Annotated[list[dict[str, JsonValue]], Field(min_length=1, max_length=MAX_INLINE_REQUESTS)] | None = None
    """Bodies as of ``POST /jobs``."""
    manifest: str | None = None
    """``gs://bucket/object``: one such body a line."""
    plan: str | None = None
    """Id of a plan."""
    atomic: bool = False
    """Place nothing when any row has a fault."""
    priority: Priority = Priority.BULK
    """Of the rows that name none."""


def accept_batch(
    body: bytes, *, caller: Caller, idempotency_key: str | None, traceparent: str, desk: BatchDesk
) -> Batch:
    """Accept many wishes, once for each idempotency key.

    Raises:
        Rejected: the body has faults, or all rows or (atomic) some have; the key was used for another body; or the
            caller may have no batch, or none now.
        Retryable: a service does not answer. Send it again with the same key.
    """
    most = 0 if caller.is_anonymous else desk.limits.rows_of(caller.owner)
    if not most:
        raise Rejected("Batches are for systems.", code=ErrorCode.NOT_ALLOWED)
    wish = parsed_with_key(idempotency_key, lambda: _parsed(body, desk=desk))
    fingerprint = hashlib.sha256(body).hexdigest()
    batch_id = batch_id_of("batch", caller.owner, idempotency_key or secrets.token_hex(16))
    note(batch_id=batch_id)
    if known := _known(batch_id, fingerprint=fingerprint, desk=desk):
        return known
    _check_limits(wish, caller, most=most, desk=desk)
    return _accept(
        wish, batch_id=batch_id, owner=caller.owner, fingerprint=fingerprint, traceparent=traceparent, desk=desk
    )


def _check_limits(wish: BatchRequest, caller: Caller, *, most: int, desk: BatchDesk) -> None:
    """Rows take no slots: an owner gets no further batch while as many of its jobs wait as one batch may have rows."""
    if wish.requests is not None and len(wish.requests) > most:
        _refuse([Fault(field="requests", code="too_long", message=f"must have at most {most} items")])
    check_day(desk.admission.quotas.of(caller), store=desk.store, now=desk.now())
    if desk.store.count_waiting_jobs(caller.owner, at_most=most) >= most:
        raise Rejected(
            f"{most} jobs of yours wait already; wait for some of them or cancel some.",
            code=ErrorCode.QUOTA_EXCEEDED,
            retry_after_s=RETRY_AFTER_S,
        )
    if refusal := desk.admission.refusal_of_work(wish.priority):
        raise refusal


def accept_plan(data: bytes, *, published_at: datetime, desk: BatchDesk) -> None:
    """Accept a plan that a schedule asks for, once in each of its periods.

    Cloud Scheduler may publish the same tick twice, as two messages; they were published in the same period.

    Raises:
        Retryable: a service does not answer; deliver it again.
    """
    try:
        message = decode(PlanScheduled, data)
    except Rejected as exc:
        _log_refusal(exc)
        return
    tick = f"{message.plan}/{published_at.astimezone(UTC):{_PERIODS[message.every]}}"
    batch_id = batch_id_of("schedule", SCHEDULER, tick)
    # Not of the body: whatever else a second message says, it is no fault.
    fingerprint = hashlib.sha256(tick.encode()).hexdigest()
    with at_the_door(SpanName.BATCH, given=message.traceparent, batch_id=batch_id) as traceparent:
        if _known(batch_id, fingerprint=fingerprint, desk=desk):
            return
        try:
            _refuse(_faults_of_source({"plan": message.plan}, desk=desk))
            _accept(
                BatchRequest(plan=message.plan),
                batch_id=batch_id,
                owner=SCHEDULER,
                fingerprint=fingerprint,
                traceparent=traceparent,
                desk=desk,
            )
        except Rejected as exc:
            _log_refusal(exc)


def _log_refusal(refusal: Rejected) -> None:
    """Of a schedule: delivering it again would change nothing."""
    log.error("schedule refused", extra={"action": "schedule", "faults": refusal.summary})


def batch_id_of(kind: str, owner: str, key: str) -> str:
    """The id that this key always gives, unlike that of any job: 32 hex digits."""
    return hashlib.sha256(f"{kind}\n{owner}\n{key}".encode()).hexdigest()[:32]


def _parsed(body: bytes, *, desk: BatchDesk) -> BatchRequest:
    try:
        wish = BatchRequest.model_validate_json(body, strict=True)
    except ValidationError as exc:
        faults = faults_of(exc)
        if [fault.code for fault in faults] == ["json_invalid"]:
            raise Rejected(f"The body is not JSON. {faults[0].message}", code=ErrorCode.MALFORMED_REQUEST) from exc
        faults = (*faults, *_faults_of_source(from_json(body), desk=desk))
        raise Rejected("The batch has faults.", faults=faults) from exc
    _refuse(_faults_of_source(wish.model_dump(include=set(_SOURCES)), desk=desk))
    return wish


def _faults_of_source(body: JsonValue, *, desk: BatchDesk) -> list[Fault]:
    """What is wrong with where a batch has its rows from, as far as that is known without looking."""
    if not isinstance(body, dict):
        return []
    given = {name: body[name] for name in _SOURCES if body.get(name) is not None}
    faults = []
    if len(given) != 1:
        faults.append(Fault(field="", code="one_source", message=f"must have exactly one of: {', '.join(_SOURCES)}"))
    manifest, plan = given.get("manifest"), given.get("plan")
    if isinstance(manifest, str):
        match = _GS_URI.fullmatch(manifest)
        if match is None or len(match[2].encode()) > MAX_OBJECT_NAME_BYTES:
            faults.append(Fault(field="manifest", code="bad_uri", message="must be gs://BUCKET/OBJECT"))
        elif match[1] not in desk.limits.buckets:
            message = f"must lie in one of these buckets: {', '.join(desk.limits.buckets) or 'none'}"
            faults.append(Fault(field="manifest", code="bucket_not_allowed", message=message))
    if isinstance(plan, str) and plan not in plans():
        faults.append(Fault(field="plan", code="unknown_plan", message=f"must be one of: {', '.join(plans())}"))
    return faults


def _known(batch_id: str, *, fingerprint: str, desk: BatchDesk) -> Batch | None:
    """The batch of that id, if it was made from the same body; asked for again, since its message may be lost."""
    found = desk.batches.batch(batch_id)
    return _same(found.value, fingerprint=fingerprint, desk=desk) if found else None


def _same(batch: Batch, *, fingerprint: str, desk: BatchDesk) -> Batch:
    if batch.fingerprint != fingerprint:
        raise Rejected("Send another key with another body.", code=ErrorCode.IDEMPOTENCY_CONFLICT)
    if not batch.is_read and batch.cursor.row == 0:
        wake(batch, desk=desk)
    return batch


def _accept(
    wish: BatchRequest, *, batch_id: str, owner: str, fingerprint: str, traceparent: str, desk: BatchDesk
) -> Batch:
    source: Literal["requests", "manifest", "plan"]
    if wish.requests is not None:
        rows = [json.dumps(request, separators=(",", ":")).encode() for request in wish.requests]
        _check(rows, wish, desk=desk)
        source, manifest = "requests", _written(rows, batch_id=batch_id, desk=desk)
    elif wish.plan is not None:
        rows = [json.dumps(row).encode() for row in plans()[wish.plan].rows(batch_id, offer=desk.offer)]
        source, manifest = "plan", _written(rows, batch_id=batch_id, desk=desk)
    else:
        source, manifest = "manifest", _pinned(wish.manifest or "", owner=owner, desk=desk)
    batch = new_batch(
        batch_id=batch_id,
        owner=owner,
        source=source,
        plan=wish.plan,
        manifest=manifest,
        atomic=wish.atomic,
        priority=wish.priority,
        fingerprint=fingerprint,
        now=desk.now(),
        traceparent=traceparent,
    )
    try:
        desk.batches.create(batch)
    except Conflict:  # the same key at the same moment
        found = desk.batches.batch(batch_id)
        if found is None:
            raise Retryable("the batch appeared and went away") from None
        if found.value.manifest != manifest:
            delete_rows(batch, desk=desk)
        return _same(found.value, fingerprint=fingerprint, desk=desk)
    log.info("batch accepted", extra={"action": "batch", "batch_id": batch_id, "source": source})
    wake(batch, desk=desk)
    return batch


def _check(rows: Sequence[bytes], wish: BatchRequest, *, desk: BatchDesk) -> None:
    """Refuse a list of which nothing would be placed."""
    faults: list[RowFault] = []
    for number, row in enumerate(rows, start=1):
        try:
            parse_row(row, priority=wish.priority, offer=desk.offer, admission=desk.admission)
        except Rejected as exc:
            faults += faults_of_row(exc, row=number)
    bad = len({fault.row for fault in faults})
    if bad == len(rows) or (bad and wish.atomic):
        named: list[Fault] = list(faults[:MAX_FAULTS])
        if len(faults) > MAX_FAULTS:
            named.append(Fault(field="", code="more_faults", message=f"and {len(faults) - MAX_FAULTS} more faults"))
        raise Rejected(f"{bad} of {len(rows)} rows have faults, so none was placed.", faults=named)


def _written(rows: Sequence[bytes], *, batch_id: str, desk: BatchDesk) -> Manifest:
    content = b"".join(row + b"\n" for row in rows)
    return desk.manifests.write(rows_path(batch_id, content), content)


def _pinned(uri: str, *, owner: str, desk: BatchDesk) -> Manifest:
    match = _GS_URI.fullmatch(uri)
    assert match
    found, most = desk.manifests.find(*match.groups()), desk.limits.manifest_bytes_of(owner)
    if found is None:
        _refuse([Fault(field="manifest", code="no_such_object", message="there is no such object")])
    elif not found.size_bytes:
        _refuse([Fault(field="manifest", code="empty", message="holds no rows")])
    elif found.size_bytes > most:
        _refuse([Fault(field="manifest", code="too_large", message=f"must be at most {most} bytes")])
    assert found
    return found


def _refuse(faults: Sequence[Fault]) -> None:
    if faults:
        raise Rejected("The batch has faults.", faults=faults)
