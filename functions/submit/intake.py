"""The use case behind the topic ``job-requests``: other systems wish by message. Create-only, safe to deliver twice.

A message that can't be granted becomes a failed job with the reason, and its event: its sender has no HTTP answer to
read.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from functools import partial
from typing import TYPE_CHECKING

from avro_requests import ENCODING_ATTRIBUTE, plain_json
from callers import Caller
from placing import JobExistsError, attach, place
from submit_job import refusal_of_work

from shared.documents import JobError
from shared.errors import Conflict, ErrorCode, Rejected, Retryable
from shared.job_store import Create
from shared.jobs import new_job, rejected_job
from shared.measures import SpanName
from shared.messages import JobRequested, decode
from shared.outbox import empty_outbox
from shared.requests import MAX_BODY_BYTES, fill_in, parse_request, render_key, render_spec
from shared.telemetry import at_the_door, context
from shared.tracing import note

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from admission import Admission

    from shared.artifact_store import ArtifactStore
    from shared.job_store import JobStore
    from shared.publisher import Publisher
    from shared.requests import Offer

log = logging.getLogger(__name__)

_SOURCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
#: Of our own schedule, which nobody else may speak for.
_OURS = "schedule"


def job_id_of_message(owner: str, message_id: str) -> str:
    """The id that this message always gives, unlike that of any Idempotency-Key of the same owner."""
    return hashlib.sha256(f"message\n{owner}\n{message_id}".encode()).hexdigest()[:32]


def take_in(
    data: bytes,
    *,
    message_id: str,
    attributes: Mapping[str, str],
    store: JobStore,
    publisher: Publisher,
    artifacts: ArtifactStore,
    offer: Offer,
    admission: Admission,
    now: Callable[[], datetime],
) -> None:
    """Accept a wish that came as a message.

    Raises:
        Retryable: a service does not answer, or too much waits already; deliver it again.
    """
    given = attributes.get("traceparent")
    source = attributes.get("source", "")
    owner = f"system:{source if _SOURCE.fullmatch(source) and source != _OURS else 'unknown'}"
    fingerprint = hashlib.sha256(data).hexdigest()
    job_id = job_id_of_message(owner, message_id)
    reject = partial(_record_rejection, owner=owner, fingerprint=fingerprint, store=store, publisher=publisher, now=now)
    try:
        message = _decoded(data, encoding=attributes.get(ENCODING_ATTRIBUTE))
    except Rejected as exc:
        with at_the_door(SpanName.INTAKE, given=given, job_id=job_id) as traceparent:
            reject(exc, job_id=job_id, traceparent=traceparent)
        return
    job_id = message.job_id or job_id
    with at_the_door(SpanName.INTAKE, given=message.traceparent or given, job_id=job_id) as traceparent:
        try:
            request = parse_request(json.dumps(message.request), offer=offer)
            admission.check_prompt(request)
            wish = fill_in(request, job_id=job_id, offer=offer)
        except Rejected as exc:
            reject(exc, job_id=job_id, traceparent=traceparent)
            return
        spec = render_spec(wish, owner=owner, offer=offer)
        job = new_job(
            job_id=job_id,
            owner=owner,
            request=wish,
            render_key=render_key(spec),
            fingerprint=fingerprint,
            now=now(),
            traceparent=traceparent,
        )
        note(render_key=job.render_key, model=spec.model, priority=wish.priority.value)
        with context(render_key=job.render_key):
            if refusal := refusal_of_work(job, admission=admission, store=store, artifacts=artifacts):
                if refusal.code is ErrorCode.OVERLOADED:
                    raise Retryable("the message waits where it is: too much waits already")
                # Until midnight is longer than a message may come back: its sender is told now, and wishes again.
                reject(refusal, job_id=job_id, traceparent=traceparent)
                return
            quota = admission.quotas.of(Caller(owner=owner, is_system=True))
            try:
                place(job, spec, store=store, publisher=publisher, artifacts=artifacts, now=now, quota=quota)
                log.info("job accepted", extra={"action": "intake", "owner": owner})
            except Rejected as exc:  # its quota is used up: a message that came back for hours would only hide that
                reject(exc, job_id=job_id, traceparent=traceparent)
            except JobExistsError:  # delivered before, or the id is taken: an existing document outranks the message
                log.info("job exists", extra={"action": "intake", "owner": owner})
                found = store.job(job_id)
                if found is None:
                    raise Retryable("the job appeared and went away") from None
                # The first delivery may have ended in the middle.
                is_same = (found.value.owner, found.value.fingerprint) == (owner, fingerprint)
                if is_same and found.value.render_key == job.render_key:
                    attach(found.value, spec, store=store, publisher=publisher, artifacts=artifacts, now=now)


def _decoded(data: bytes, *, encoding: str | None) -> JobRequested:
    """The message, in Avro where the topic has a schema, which is when Pub/Sub names an encoding."""
    if len(data) > MAX_BODY_BYTES:  # its faults might not fit into a job
        raise Rejected(f"At most {MAX_BODY_BYTES} bytes are read.", code=ErrorCode.PAYLOAD_TOO_LARGE)
    return decode(JobRequested, data if encoding is None else plain_json(data, encoding=encoding))


def _record_rejection(
    rejection: Rejected,
    *,
    job_id: str,
    owner: str,
    fingerprint: str,
    traceparent: str,
    store: JobStore,
    publisher: Publisher,
    now: Callable[[], datetime],
) -> None:
    job = rejected_job(
        job_id=job_id,
        owner=owner,
        error=JobError(code=rejection.code, message=rejection.summary),
        fingerprint=fingerprint,
        now=now(),
        traceparent=traceparent,
    )
    try:
        store.commit(Create(value=job))
    except Conflict:
        log.info("job exists", extra={"action": "intake", "owner": owner})
    stored = store.job(job_id)
    if stored is None:
        raise Retryable("the job appeared and went away")
    if stored.value.event_pending:  # also on a redelivery whose first event was not sent
        empty_outbox(stored, store=store, publisher=publisher)
    log.warning("message rejected", extra={"action": "intake", "owner": owner, "code": rejection.code})
