"""Logs that a machine can read: one JSON object a line on standard error, as Cloud Logging takes them.

Messages are constant; what varies is in fields. No prompts, no tokens, no signed URLs. `context` adds job fields to
every line that is logged inside it, in that thread, and to the line that tells of an error which left it. Where the
project is known, a line says which trace and span of Cloud Trace it belongs to.
"""

from __future__ import annotations

import logging
import secrets
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from pythonjsonlogger.json import JsonFormatter

from shared import tracing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_fields: ContextVar[dict[str, str]] = ContextVar("log_fields", default={})  # noqa: B039 - never mutated


class _WithContext(logging.Filter):
    def __init__(self, project: str | None) -> None:
        super().__init__()
        self._project = project

    def filter(self, record: logging.LogRecord) -> bool:
        fields = _fields.get() | _fields_of(record.exc_info[1] if record.exc_info else None)
        for name, value in fields.items():
            record.__dict__.setdefault(name, value)  # what the line says itself comes first
        if self._project:
            record.__dict__ |= _in_cloud_trace(self._project, fields)
        return True


#: Of an error: the fields of where it came from.
_FIELDS_OF_ERROR: Final = "_log_fields"


def _fields_of(error: BaseException | None) -> dict[str, str]:
    return getattr(error, _FIELDS_OF_ERROR, {})


def _in_cloud_trace(project: str, fields: Mapping[str, str]) -> dict[str, str | bool]:
    """Fields by which a line is shown beside its span: https://cloud.google.com/logging/docs/structured-logging."""
    here = tracing.ids_of(tracing.traceparent())
    ids = here or tracing.ids_of(fields.get("traceparent"))
    if ids is None:
        return {}
    said: dict[str, str | bool] = {"logging.googleapis.com/trace": f"projects/{project}/traces/{ids[0]}"}
    if here:  # of what is not recorded, there is no span to be shown beside
        said |= {"logging.googleapis.com/spanId": here[1], "logging.googleapis.com/trace_sampled": True}
    return said


def configure(*, service: str, level: str, project: str | None = None) -> None:
    """Send the logs of this process to standard error. Called once, by a room's composition root."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_WithContext(project))
    handler.setFormatter(
        JsonFormatter(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={"levelname": "severity", "name": "logger"},
            static_fields={"service": service},
            timestamp="time",
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


@contextmanager
def context(**fields: str | None) -> Iterator[None]:
    """Add fields, such as ``job_id`` or ``render_key``, to every line logged inside, and to an error's from inside.

    Whoever catches an error at a door logs it outside of all contexts, and would not know whose it was.
    """
    known = _fields.get() | {name: value for name, value in fields.items() if value is not None}
    token = _fields.set(known)
    try:
        yield
    except Exception as exc:
        if not _fields_of(exc):  # the innermost knows most
            setattr(exc, _FIELDS_OF_ERROR, known)
        raise
    finally:
        _fields.reset(token)


@contextmanager
def at_the_door(name: str, *, given: str | None, **fields: str) -> Iterator[str]:
    """Where a wish comes in: a span and a context. Gives the ``traceparent`` that goes on from here.

    Args:
        name: of the span.
        given: by who calls; a part of that trace where it is one, else a fresh one.
        fields: of both.
    """
    with tracing.span(name, parent=given, **fields):
        here = tracing.traceparent() or traceparent_or_new(given)
        with context(traceparent=here, **fields):
            yield here


def traceparent_or_new(given: str | None) -> str:
    """The caller's W3C trace context where it is one, else a fresh one (https://www.w3.org/TR/trace-context/)."""
    if given and tracing.ids_of(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
