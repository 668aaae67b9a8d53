"""What can go wrong, and what each error decides.

    LifeAsNotMeError
    ├── Rejected    the caller is wrong: 4xx, or a failed job; never retried
    ├── Retryable   the world is wrong for now: 5xx, or the message is put back
    │   └── Conflict   somebody else wrote first: read again and decide again
    └── Permanent   the work itself can't be done: the render and its jobs fail

Vendor exceptions are translated into these once, in the adapters, with ``raise ... from exc``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import ValidationError


class ErrorCode(StrEnum):
    """Every code that a problem document or a job's ``error.code`` can carry."""

    MALFORMED_REQUEST = "malformed_request"
    UNAUTHENTICATED = "unauthenticated"
    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    IDEMPOTENCY_CONFLICT = "idempotency_conflict"
    NOT_READY = "not_ready"
    NO_VIDEO = "no_video"
    UNAVAILABLE = "unavailable"
    INTERNAL = "internal"
    NOT_ALLOWED = "not_allowed"
    PROMPT_REFUSED = "prompt_refused"
    QUOTA_EXCEEDED = "quota_exceeded"
    TOO_MANY_REQUESTS = "too_many_requests"
    OVERLOADED = "overloaded"
    BUDGET_SPENT = "budget_spent"
    OUTPUT_REFUSED = "output_refused"
    MODEL_UNAVAILABLE = "model_unavailable"
    RENDER_FAILED = "render_failed"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    RENDER_GONE = "render_gone"
    MANIFEST_GONE = "manifest_gone"


#: HTTP status and title of each code that an API answer can carry.
HTTP_STATUS: dict[ErrorCode, tuple[int, str]] = {
    ErrorCode.MALFORMED_REQUEST: (400, "The body is not what this call takes"),
    ErrorCode.UNAUTHENTICATED: (401, "Say who you are"),
    ErrorCode.NOT_ALLOWED: (403, "This is not for everybody"),
    ErrorCode.NOT_FOUND: (404, "There is no such thing"),
    ErrorCode.METHOD_NOT_ALLOWED: (405, "This address does not take that method"),
    ErrorCode.IDEMPOTENCY_CONFLICT: (409, "This Idempotency-Key was used for another request"),
    ErrorCode.NOT_READY: (409, "The video is not ready yet"),
    ErrorCode.NO_VIDEO: (409, "This job has no video"),
    ErrorCode.PAYLOAD_TOO_LARGE: (413, "The body is too large"),
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: (415, "The body must be JSON"),
    ErrorCode.INVALID_REQUEST: (422, "The request can't be granted as it is"),
    ErrorCode.PROMPT_REFUSED: (422, "This prompt is not drawn"),
    ErrorCode.QUOTA_EXCEEDED: (429, "Your quota is used up for now"),
    ErrorCode.TOO_MANY_REQUESTS: (429, "Too much comes from this network"),
    ErrorCode.BUDGET_SPENT: (429, "What may be spent today is spent"),
    ErrorCode.INTERNAL: (500, "Something broke on our side"),
    ErrorCode.UNAVAILABLE: (503, "A service behind this one does not answer"),
    ErrorCode.OVERLOADED: (503, "Too many wishes wait already"),
}


#: More are counted, not named: an answer has its bounds too.
MAX_FAULTS = 50


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with an input."""

    #: Dotted path of the bad field; empty where the whole input is meant.
    field: str
    #: Machine-readable reason, such as ``missing`` or ``unknown_perspective``.
    code: str
    #: What a person should read.
    message: str


class LifeAsNotMeError(Exception):
    """The root: everything this project raises on purpose."""


class Rejected(LifeAsNotMeError):  # noqa: N818 - it is a decision
    """The caller asked for something that can't be granted.

    Args:
        detail: what a person should read.
        code: decides the HTTP status.
        faults: every bad field at once.
        retry_after_s: when it may be granted; None where waiting changes nothing.
    """

    def __init__(
        self,
        detail: str,
        *,
        code: ErrorCode = ErrorCode.INVALID_REQUEST,
        faults: Sequence[Fault] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s
        self.detail = detail
        self.code = code
        self.faults = tuple(faults)

    @property
    def summary(self) -> str:
        """The detail and every fault in one line, for a job's ``error.message``."""
        return "; ".join([self.detail, *(f"{fault.field or 'body'}: {fault.message}" for fault in self.faults)])


class Retryable(LifeAsNotMeError):  # noqa: N818 - it is a decision
    """It may work later: answer 503, or put the message back."""


class Conflict(Retryable):
    """A compare-and-set lost: the document changed, exists already, or is gone."""


class Permanent(LifeAsNotMeError):  # noqa: N818 - it is a decision
    """It will never work: the render fails, and with it every job that waits for it."""

    def __init__(self, detail: str, *, code: ErrorCode = ErrorCode.RENDER_FAILED) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Every fault that pydantic found, in our words. The input itself is left out: it may hold a private prompt."""
    found: list[dict[str, Any]] = [dict(item) for item in error.errors(include_url=False, include_input=False)]
    faults = [
        Fault(field=".".join(str(part) for part in item["loc"]), code=item["type"], message=item["msg"])
        for item in found[:MAX_FAULTS]
    ]
    if len(found) > MAX_FAULTS:
        faults.append(Fault(field="", code="more_faults", message=f"and {len(found) - MAX_FAULTS} more faults"))
    return tuple(faults)
