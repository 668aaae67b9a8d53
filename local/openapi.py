"""The API's document: OpenAPI 3.1, from the routes and models that answer. Enters: nothing. Leaves: docs/openapi.json.

What each call takes and answers stands here once; a call that is not described, or described and gone, fails a test.
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pydantic.json_schema import models_json_schema
from werkzeug.routing import AnyConverter, Map

from shared.batches import Batch
from shared.documents import JOB_ID_PATTERN, RENDER_KEY_PATTERN, Job, Status
from shared.errors import HTTP_STATUS, ErrorCode
from shared.own_themes import OwnTheme, ThemeWish
from shared.perspectives import perspectives
from shared.requests import Request
from shared.themes import themes

PATH: Final = "docs/openapi.json"
_REF: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"
_STRINGS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same body is the same job or batch.",
    # A client's library takes spaces off both ends.
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
_BULK: Final = {
    "name": "bulk_at_most",
    "in": "query",
    "description": "Of bulk, no more than so many.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 999_999},
}
_LIMIT: Final = {
    "name": "limit",
    "in": "query",
    "description": "Jobs of a page.",
    "schema": {"type": "integer", "minimum": 1, "maximum": 100},
}
_BEFORE: Final = {
    "name": "before",
    "in": "query",
    "description": "From the address of the next page.",
    "schema": {"type": "string", "pattern": "^[0-9T:.+-]{19,40}~[A-Za-z0-9-][A-Za-z0-9_-]{7,63}$"},
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """What one call takes and answers."""

    summary: str
    #: Name of the body's schema.
    body: str | None = None
    parameters: tuple[dict[str, Any], ...] = ()
    #: Status of success, and its schema; None: no body.
    answers: dict[int, str | None]
    problems: tuple[ErrorCode, ...] = ()
    #: Whether an answer may be kept, and asked for again by its ETag.
    is_cacheable: bool = False
    #: Whether who shows a token gets more, which is not kept.
    is_personal: bool = False
    #: Name of what must be shown, of ``components/securitySchemes``; None: anyone may ask.
    security: str | None = "caller"


_POSTED: Final = (
    ErrorCode.MALFORMED_REQUEST,
    ErrorCode.IDEMPOTENCY_CONFLICT,
    ErrorCode.PAYLOAD_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    ErrorCode.INVALID_REQUEST,
    ErrorCode.PROMPT_REFUSED,
    ErrorCode.QUOTA_EXCEEDED,
    ErrorCode.TOO_MANY_REQUESTS,
    ErrorCode.BUDGET_SPENT,
    ErrorCode.OVERLOADED,
)
_FOUND: Final = (ErrorCode.NOT_FOUND,)
_OPENED: Final = (*_FOUND, ErrorCode.TOO_MANY_REQUESTS)
#: By the name of its endpoint in the routes.
CALLS: Final[dict[str, Call]] = {
    "create_job": Call(
        summary="Wish for a video",
        body="Wish",
        parameters=(_KEY,),
        answers={200: "JobView", 202: "JobView"},
        problems=_POSTED,
    ),
    "list_jobs": Call(
        summary="One's own jobs, the newest first",
        parameters=(_LIMIT, _BEFORE),
        answers={200: "Jobs"},
        problems=(ErrorCode.INVALID_REQUEST,),
    ),
    "show_job": Call(summary="A job", answers={200: "JobView"}, problems=_FOUND),
    "delete_job": Call(summary="Delete a job, and the video of one's own words", answers={204: None}, problems=_FOUND),
    "cancel_job": Call(summary="Cancel a job", answers={200: "JobView"}, problems=_FOUND),
    "link_artifact": Call(
        summary="A signed link to what belongs to a job",
        answers={200: "Link"},
        problems=(*_FOUND, ErrorCode.NOT_READY),
    ),
    "share_job": Call(
        summary="Have a link to the video that anyone may open",
        answers={200: "JobView"},
        problems=(*_FOUND, ErrorCode.NOT_READY, ErrorCode.NO_VIDEO),
    ),
    "unshare_job": Call(summary="Have that link end", answers={200: "JobView"}, problems=_FOUND),
    "show_shared": Call(summary="What a link shows", answers={200: "Shared"}, problems=_OPENED, security=None),
    "link_shared": Call(
        summary="A signed link to what a link shows", answers={200: "Link"}, problems=_OPENED, security=None
    ),
    "show_usage": Call(summary="What one has used today, and what it has cost", answers={200: "Usage"}),
    "create_batch": Call(
        summary="Wish for many videos",
        body="BatchWish",
        parameters=(_KEY,),
        answers={202: "BatchView"},
        problems=(*_POSTED, ErrorCode.NOT_ALLOWED),
    ),
    "show_batch": Call(summary="A batch", answers={200: "BatchView"}, problems=_FOUND),
    "cancel_batch": Call(summary="Cancel a batch and its jobs", answers={202: "BatchView"}, problems=_FOUND),
    "list_perspectives": Call(
        summary="Whose eyes there are", answers={200: "Perspectives"}, is_cacheable=True, security=None
    ),
    "list_themes": Call(
        summary="Light and weather", answers={200: "Themes"}, is_cacheable=True, is_personal=True, security=None
    ),
    "save_theme": Call(
        summary="Keep a theme of one's own, or replace it",
        body="ThemeWish",
        answers={200: "OwnTheme", 201: "OwnTheme"},
        problems=(
            ErrorCode.MALFORMED_REQUEST,
            ErrorCode.PAYLOAD_TOO_LARGE,
            ErrorCode.UNSUPPORTED_MEDIA_TYPE,
            ErrorCode.INVALID_REQUEST,
        ),
    ),
    "delete_theme": Call(summary="Keep it no longer", answers={204: None}, problems=_FOUND),
    "list_gallery": Call(summary="Films that anyone may see", answers={200: "Films"}, is_cacheable=True, security=None),
    "link_film": Call(
        summary="A signed link to what belongs to such a film", answers={200: "Link"}, problems=_OPENED, security=None
    ),
    "list_models": Call(
        summary="The models that are served", answers={200: "Models"}, is_cacheable=True, security=None
    ),
    "show_queue": Call(
        summary="Renders that wait or are being made, for the autoscaler",
        parameters=(_BULK,),
        answers={200: "Queue"},
        problems=(*_FOUND, ErrorCode.INVALID_REQUEST),
        security="queue",
    ),
}


def document(routes: Map) -> dict[str, Any]:
    """The whole document."""
    paths: dict[str, dict[str, Any]] = {}
    for rule in routes.iter_rules():
        path = re.sub(r"<(?:[^<>]*:)?([a-z_]+)>", r"{\1}", rule.rule)
        parameters = [_path_parameter(name, rule._converters[name]) for name in sorted(rule.arguments)]  # noqa: SLF001
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(rule.endpoint, parameters)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Life As Not Me",
            "version": "0.1.0",
            "summary": "See the world through someone else's eyes.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(_schemas().items())),
            "securitySchemes": {
                "caller": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A person's Firebase ID token, or a system's from Google.",
                },
                "queue": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def text(routes: Map) -> str:
    """As it is committed."""
    return json.dumps(document(routes), indent=1, ensure_ascii=False) + "\n"


def _path_parameter(name: str, converter: object) -> dict[str, Any]:
    from sharing import TOKEN_PATTERN  # noqa: PLC0415 - a flat folder, which the caller puts into the path

    patterns = {"token": TOKEN_PATTERN, "render_key": RENDER_KEY_PATTERN, "theme_id": "^own-[0-9a-f]{16}$"}
    schema: dict[str, Any] = {"type": "string", "pattern": patterns.get(name, JOB_ID_PATTERN)}
    if isinstance(converter, AnyConverter):
        schema = {"type": "string", "enum": sorted(converter.items)}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _operation(endpoint: str, path_parameters: list[dict[str, Any]]) -> dict[str, Any]:
    call = CALLS[endpoint]
    answers: dict[str, Any] = {str(status): _answer(status, schema, call) for status, schema in call.answers.items()}
    if call.is_cacheable:
        answers["304"] = {"description": "As it was at that ETag."}
    codes: dict[int, list[str]] = {}
    known = (ErrorCode.UNAUTHENTICATED,) if call.security == "caller" else ()
    for code in (*known, *call.problems, ErrorCode.INTERNAL, ErrorCode.UNAVAILABLE):
        codes.setdefault(HTTP_STATUS[code][0], []).append(code.value)
    for status, names in codes.items():
        described = {"description": ", ".join(names), "content": {_PROBLEM: {"schema": _ref("Problem")}}}
        if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS}:
            described["headers"] = {
                "Retry-After": {"required": True, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
            }
        answers[str(status)] = described
    operation: dict[str, Any] = {
        "operationId": endpoint,
        "summary": call.summary,
        "parameters": [*path_parameters, *call.parameters],
        "responses": dict(sorted(answers.items())),
    }
    if call.body:
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": _ref(call.body)}}}
    if call.security:
        operation["security"] = [{call.security: []}]
    return operation


def _answer(status: int, schema: str | None, call: Call) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if schema:
        answer["content"] = {_JSON: {"schema": _ref(schema)}}
    headers = {"Location"} if call.body else {"ETag"} if call.is_cacheable else set()
    if headers:
        answer["headers"] = {
            name: {"required": not call.is_personal, "schema": {"type": "string"}} for name in sorted(headers)
        }
    return answer


def _ref(model: str) -> dict[str, str]:
    return {"$ref": _REF.format(model=model)}


def _schemas() -> dict[str, dict[str, Any]]:
    """Of bodies as they are taken, and of documents as they are shown."""
    from accept_batch import BatchRequest  # noqa: PLC0415 - a flat folder, which the caller puts into the path
    from sharing import SHOWN_OF_VIDEO  # noqa: PLC0415

    taken = ((Request, "validation"), (BatchRequest, "validation"), (ThemeWish, "validation"))
    shown = ((Job, "serialization"), (Batch, "serialization"), (OwnTheme, "serialization"))
    names, defs = models_json_schema([*taken, *shown], ref_template=_REF)  # type: ignore[list-item]
    schemas: dict[str, dict[str, Any]] = dict(defs["$defs"])

    def named(model: type, mode: str) -> dict[str, Any]:
        return schemas[names[model, mode]["$ref"].removeprefix(_REF.format(model=""))]  # type: ignore[index]

    wish = deepcopy(named(Request, "validation"))
    wish["properties"]["perspective"]["enum"] = list(perspectives())
    wish["properties"]["theme"]["anyOf"] = [{"type": "string", "enum": list(themes())}, {"type": "null"}]
    schemas["Wish"] = wish
    schemas["BatchWish"] = named(BatchRequest, "validation")
    count = {"type": "integer", "minimum": 0}
    moment = {"type": "string", "format": "date-time"}
    cost = {"anyOf": [_ref("Cost"), {"type": "null"}]}
    eta = _object(dict.fromkeys(("seconds", "low", "high"), count))
    outlook = {"queue_position": count, "eta": eta, "paused_until": moment}
    schemas["JobView"] = _with(named(Job, "serialization"), {"links": _STRINGS, **outlook})
    counted = {status.value: {"type": "integer", "minimum": 0} for status in Status}
    jobs = {"type": "object", "additionalProperties": False, "properties": counted, "required": list(counted)}
    schemas["BatchView"] = _with(
        named(Batch, "serialization"), {"links": _STRINGS, "jobs": jobs, "cost": cost, "paused_until": moment}
    )
    for name in ("BatchRequest", "Job", "Batch"):  # they are shown and taken under other names
        del schemas[name]
    entry = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    for name in ("perspectives", "themes", "models"):
        schemas[name.capitalize()] = _object({name: {"type": "array", "items": entry}})
    used = {"type": "number", "minimum": 0}
    schemas["Usage"] = _object(
        {
            "day": {"type": "string", "format": "date"},
            "resets_at": moment,
            "jobs": _object({"active": count, "quota": count}),
            "gpu_s": _object({"used": used, "quota": used}),
            "cost": cost,
        }
    )
    id_or_none = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    schemas["Shared"] = _object(
        {
            "perspective": id_or_none,
            "theme": id_or_none,
            "video": _object({each: {"type": "number"} for each in sorted(SHOWN_OF_VIDEO)}),
            "expires_at": {"type": "string", "format": "date-time"},
            "links": _STRINGS,
        }
    )
    own_theme = named(OwnTheme, "serialization")
    schemas["Themes"]["properties"]["own"] = {"type": "array", "items": own_theme}
    schemas["Jobs"] = _object({"jobs": {"type": "array", "items": _ref("JobView")}, "next": id_or_none})
    schemas["Films"] = _object(
        {"films": {"type": "array", "items": {"type": "object", "required": ["render_key", "wish"]}}}
    )
    schemas["Link"] = _object({"url": {"type": "string"}, "expires_at": {"type": "string", "format": "date-time"}})
    schemas["Queue"] = _object({each: {"type": "integer", "minimum": 0} for each in ("renders", "interactive", "bulk")})
    schemas["Problem"] = _problem()
    return schemas


def _with(schema: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    required = [*schema.get("required", []), "links"]
    return {**schema, "properties": {**schema["properties"], **more}, "required": required}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(properties)}


def _problem() -> dict[str, Any]:
    fault = _object({name: {"type": "string"} for name in ("field", "code", "message")})
    fault["properties"]["row"] = {"type": "integer", "minimum": 1}
    problem = _object(
        {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"enum": [code.value for code in HTTP_STATUS]},
            "detail": {"type": "string"},
        }
    )
    problem["properties"]["errors"] = {"type": "array", "items": fault}
    return problem
