"""The use case behind ``POST /jobs``. Enters: a raw body and who sends it. Leaves: the job, stored and on its way."""

from __future__ import annotations

import hashlib
import logging
import secrets
from typing import TYPE_CHECKING, TypeVar

from placing import JobExistsError, NotSeenToError, attach, place

from shared.artifact_paths import video_path
from shared.documents import State
from shared.errors import ErrorCode, Fault, Rejected, Retryable
from shared.jobs import new_job
from shared.requests import Priority, fill_in, parse_request, render_key, render_spec
from shared.telemetry import context
from shared.tracing import note

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from admission import Admission
    from callers import Caller

    from shared.artifact_store import ArtifactStore
    from shared.documents import Job, Render
    from shared.job_store import JobStore, Stored
    from shared.publisher import Publisher
    from shared.requests import Offer

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_IDEMPOTENCY_KEY_CHARS = 255


def job_id_of(owner: str, idempotency_key: str) -> str:
    """The id that this owner's key always gives: 32 hex digits."""
    return hashlib.sha256(f"{owner}\n{idempotency_key}".encode()).hexdigest()[:32]


def submit_job(
    body: bytes,
    *,
    caller: Caller,
    idempotency_key: str | None,
    traceparent: str,
    store: JobStore,
    publisher: Publisher,
    artifacts: ArtifactStore,
    offer: Offer,
    admission: Admission,
    now: Callable[[], datetime],
    address: str | None = None,
) -> Job:
    """Accept a wish, once for each idempotency key; ``address`` is where the caller calls from.

    Raises:
        Rejected: the body has faults, the prompt is refused, the key was used for another body, the caller's quota is
            used up, too much waits, or the budget is spent. Nothing was written.
    """
    request = parsed_with_key(idempotency_key, lambda: parse_request(body, offer=offer))
    admission.check_prompt(request)
    job_id = job_id_of(caller.owner, idempotency_key or secrets.token_hex(16))
    fingerprint = hashlib.sha256(body).hexdigest()
    wish = fill_in(request, job_id=job_id, offer=offer)
    spec = render_spec(wish, owner=caller.owner, offer=offer)
    job = new_job(
        job_id=job_id,
        owner=caller.owner,
        request=wish,
        render_key=render_key(spec),
        fingerprint=fingerprint,
        now=now(),
        traceparent=traceparent,
    )
    if refusal := refusal_of_work(job, admission=admission, store=store, artifacts=artifacts):
        raise refusal
    note(job_id=job_id, render_key=job.render_key, model=spec.model, priority=wish.priority.value)
    with context(job_id=job_id, render_key=job.render_key, traceparent=traceparent):
        try:
            try:
                placed = place(
                    job,
                    spec,
                    store=store,
                    publisher=publisher,
                    artifacts=artifacts,
                    now=now,
                    quota=admission.quotas.of(caller, address=address),
                )
                log.info("job accepted", extra={"action": "submit", "status": placed.status.value})
            except JobExistsError:
                placed = _existing(job, store=store)
                log.info("job repeated", extra={"action": "submit", "status": placed.status.value})
                # The first time may have ended in the middle.
                if placed.render_key == job.render_key:
                    placed = attach(placed, spec, store=store, publisher=publisher, artifacts=artifacts, now=now)
        except NotSeenToError as exc:
            log.warning("job accepted, not seen to yet", extra={"action": "submit"}, exc_info=True)
            placed = exc.job
    return placed


def refusal_of_work(job: Job, *, admission: Admission, store: JobStore, artifacts: ArtifactStore) -> Rejected | None:
    """Why a new job is not taken, if it would add work. What is ready, or is made as soon without it, adds none.

    Raises:
        Retryable, StoreNotReadyError: it can't be known.
    """
    assert job.request is not None
    assert job.render_key is not None
    refusal = admission.refusal_of_work(job.request.priority)
    if refusal is None or store.job(job.job_id) is not None:
        return None
    render = store.render(job.render_key)
    return None if render and _adds_no_work(render, job.request.priority, artifacts=artifacts) else refusal


def _adds_no_work(render: Stored[Render], priority: Priority, *, artifacts: ArtifactStore) -> bool:
    """Whether one more job leaves the render as it is: it is not revived, nor waked, nor does it go first now."""
    match render.value.state:
        case State.COMPLETED:
            return artifacts.get(video_path(render.value.render_key)) is not None
        case State.LEASED if render.value.lease_left_s(render.read_at):
            return True
        case State.FAILED:
            return False
        case _:
            is_first = render.value.priority is Priority.INTERACTIVE or priority is Priority.BULK
            return is_first and render.value.check_at is not None


def parsed_with_key(key: str | None, parse: Callable[[], T]) -> T:
    """What was parsed. Raises `Rejected` with the faults of the key and of the body at once."""
    if key is None or (0 < len(key) <= MAX_IDEMPOTENCY_KEY_CHARS and key.isascii() and key.isprintable()):
        return parse()
    fault = Fault(
        field="Idempotency-Key",
        code="bad_idempotency_key",
        message=f"must be 1 to {MAX_IDEMPOTENCY_KEY_CHARS} printable ASCII characters",
    )
    try:
        parse()
    except Rejected as exc:
        raise Rejected(exc.detail, code=exc.code, faults=[fault, *exc.faults]) from exc
    raise Rejected("The request has faults.", faults=[fault])


def _existing(job: Job, *, store: JobStore) -> Job:
    """The job of that id, if it was made from the same body."""
    found = store.job(job.job_id)
    if found is None:
        raise Retryable("the job appeared and went away")
    if (found.value.owner, found.value.fingerprint) != (job.owner, job.fingerprint):  # a message may name any id
        raise Rejected("Send another key with another body.", code=ErrorCode.IDEMPOTENCY_CONFLICT)
    return found.value
