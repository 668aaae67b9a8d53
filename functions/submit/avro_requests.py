"""Wishes in Avro, for a topic ``job-requests`` that has a schema. Enters: a message. Leaves: the same in plain JSON.

Where a topic has a schema, Pub/Sub says in an attribute how a message was encoded. The schema is derived from the
models, so that it can't differ from them. Avro's own rules make it look as it does: a writer must write every field,
whatever its default, so what may be absent is a union with null; and in JSON the value of a union is tagged with its
type, ``{"string": "a moth"}`` (https://avro.apache.org/docs/1.11.1/specification/#json-encoding).
"""

from __future__ import annotations

import inspect
import json
from enum import StrEnum
from functools import cache
from io import BytesIO
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from shared.errors import ErrorCode, Fault, Rejected
from shared.messages import JobRequested
from shared.requests import Request

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

#: Set by Pub/Sub on every message of a topic that has a schema.
ENCODING_ATTRIBUTE: Final = "googclient_schemaencoding"

_PRIMITIVES: Final[dict[object, str]] = {NoneType: "null", str: "string", int: "long", float: "double"}
#: All that fastavro raised at 400 000 mutilated messages.
_UNREADABLE: Final = (EOFError, IndexError, ValueError)


def job_requested_schema() -> dict[str, Any]:
    """The Avro schema of what is published on ``job-requests``."""
    return _record(JobRequested, request=Request)


def plain_json(data: bytes, *, encoding: str) -> bytes:
    """A message of an Avro topic as it would be without a schema; null is absent. JSON that is none stays as it is.

    Raises:
        Rejected: ``malformed_request``: it can't be read; never retry it.
    """
    if encoding == "BINARY":
        return _without_avro(_read_binary(data))
    if encoding != "JSON":
        raise _unreadable(f"has an encoding that is neither JSON nor BINARY: {encoding[:20]!r}")
    try:  # by hand: fastavro's reader drops unknown fields, and wants the whole document on one line
        return _without_avro(json.loads(data))
    except (ValueError, RecursionError):
        return data


def _without_avro(value: object) -> bytes:
    return json.dumps(_untagged(value, job_requested_schema())).encode()


def _read_binary(data: bytes) -> object:
    import fastavro  # noqa: PLC0415 - 33 modules, and the API that has this file too never needs one

    stream = BytesIO(data)
    try:
        found: object = fastavro.schemaless_reader(stream, _parsed_schema(), None)
    except _UNREADABLE as exc:
        raise _unreadable("is not in the binary form of the topic's Avro schema") from exc
    if stream.read(1):
        raise _unreadable("goes on after the end of what the topic's Avro schema describes")
    return found


@cache
def _parsed_schema() -> Any:  # noqa: ANN401 - fastavro's own form
    import fastavro  # noqa: PLC0415 - see above

    return fastavro.parse_schema(job_requested_schema())


def _untagged(value: Any, schema: Any) -> Any:  # noqa: ANN401 - JSON
    """The value without the tags of unions, and without fields that are null. What does not fit stays as it is."""
    if isinstance(schema, list):
        _null, schema = schema
        name = schema if isinstance(schema, str) else schema["name"]
        return value[name] if isinstance(value, dict) and value.keys() == {name} else value
    if not isinstance(schema, dict) or schema["type"] != "record" or not isinstance(value, dict):
        return value
    types = {field["name"]: field["type"] for field in schema["fields"]}
    return {
        name: _untagged(part, types.get(name))
        for name, part in value.items()
        if not (part is None and isinstance(types.get(name), list))
    }


def _record(model: type[BaseModel], **instead: object) -> dict[str, Any]:
    """The record of a model; ``instead`` has other types than the model's for some fields."""
    fields = [_field(name, field, instead.get(name, field.annotation)) for name, field in model.model_fields.items()]
    about = (inspect.getdoc(model) or "").partition("\n\n")[0]
    return {"type": "record", "name": model.__name__, "doc": about, "fields": fields}


def _field(name: str, field: FieldInfo, annotation: object) -> dict[str, Any]:
    described = {"name": name} | ({"doc": field.description} if field.description else {})
    kind = _type(annotation)
    if field.is_required() or get_origin(annotation) is Literal:
        return described | {"type": kind}
    return described | {"type": kind if isinstance(kind, list) else ["null", kind], "default": None}


def _type(annotation: Any) -> Any:  # noqa: ANN401 - of any field, to any Avro type
    """The Avro type of a field. A field of a kind that is not known here must be given one before it can be published.

    Raises:
        KeyError: there is none.
    """
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return _type(type(parts[0]))
    if origin in {Union, UnionType}:
        return ["null", *(_type(part) for part in parts if part is not NoneType)]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _record(annotation)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return {"type": "enum", "name": annotation.__name__, "symbols": [each.value for each in annotation]}
    return _PRIMITIVES[annotation]


def _unreadable(message: str) -> Rejected:
    fault = Fault(field="", code="avro_invalid", message=message)
    return Rejected("The message is no JobRequested.", code=ErrorCode.MALFORMED_REQUEST, faults=[fault])
