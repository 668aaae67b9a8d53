"""Logs that a machine can read: one JSON object a line on standard error, as Cloud Logging takes them.

Messages are constant; what varies is in fields. No prompts, no tokens, no signed URLs. `context` adds job fields to
every line that is logged inside it, in that thread.
"""

from __future__ import annotations

import logging
import re
import secrets
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from pythonjsonlogger.json import JsonFormatter

if TYPE_CHECKING:
    from collections.abc import Iterator

_fields: ContextVar[dict[str, str]] = ContextVar("log_fields", default={})  # noqa: B039 - never mutated

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


class _WithContext(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        for name, value in _fields.get().items():
            record.__dict__.setdefault(name, value)  # what the line says itself comes first
        return True


def configure(*, service: str, level: str) -> None:
    """Send the logs of this process to standard error. Called once, by a room's composition root."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_WithContext())
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
    """Add fields, such as ``job_id`` or ``render_key``, to every line logged inside."""
    token = _fields.set(_fields.get() | {name: value for name, value in fields.items() if value is not None})
    try:
        yield
    finally:
        _fields.reset(token)


def traceparent_or_new(given: str | None) -> str:
    """The caller's W3C trace context where it is one, else a fresh one (https://www.w3.org/TR/trace-context/)."""
    if given and _TRACEPARENT.fullmatch(given):
        return given
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
