"""Bodies of HTTP, in and out. Enters: a request, or what is answered. Leaves: bytes, or a response."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flask import Response

from shared.errors import HTTP_STATUS, ErrorCode, Fault, Rejected

if TYPE_CHECKING:
    from flask import Request as HttpRequest


def body_of(request: HttpRequest, *, most: int) -> bytes:
    """The JSON, bounded. By hand, since functions-framework reads what is left and stumbles over Flask's own limit."""
    if request.mimetype != "application/json":
        raise Rejected("Send Content-Type: application/json.", code=ErrorCode.UNSUPPORTED_MEDIA_TYPE)
    if (request.content_length or 0) > most or len(request.get_data()) > most:
        raise Rejected(f"Send at most {most} bytes.", code=ErrorCode.PAYLOAD_TOO_LARGE)
    return request.get_data()


def as_json(body: object, *, status: int = 200) -> Response:
    """JSON that nobody keeps."""
    response = Response(json.dumps(body, ensure_ascii=False), status=status, mimetype="application/json")
    response.headers["Cache-Control"] = "no-store"
    return response


def as_catalogue(request: HttpRequest, name: str, entries: list[dict[str, Any]], *, max_age_s: int = 300) -> Response:
    """What is the same for everybody: it may be kept for some seconds, and asked for again by its ETag."""
    response = as_json({name: entries})
    response.headers["Cache-Control"] = f"public, max-age={max_age_s}"
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:16])
    response.make_conditional(request)
    return response


def as_problem(code: ErrorCode, detail: str, faults: tuple[Fault, ...] = ()) -> Response:
    """Problem details of RFC 9457, with every fault."""
    status, title = HTTP_STATUS[code]
    body: dict[str, Any] = {
        "type": f"urn:life-as-not-me:problem:{code.value}",
        "title": title,
        "status": status,
        "code": code.value,
        "detail": detail,
    }
    if faults:
        body["errors"] = [asdict(fault) for fault in faults]
    response = as_json(body, status=status)
    response.mimetype = "application/problem+json"
    return response
