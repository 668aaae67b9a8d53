"""Wishes as another system writes them in Avro: by the committed schema, and with fastavro's own writers."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import fastavro

from local.bundles import ROOT
from shared.messages import JobRequested
from shared.requests import Request
from shared.testing import TRACEPARENT

if TYPE_CHECKING:
    from collections.abc import Callable

COMMITTED = ROOT / "docs" / "schemas" / "job-requested.avsc"
FULL: dict[str, Any] = {
    "perspective": "curious-cat",
    "prompt": "a moth at the lamp, 猫",
    "theme": "rainy-night",
    "seed": 2**32 - 1,
    "model": "pocket",
    "size": "256x256",
    "seconds": 2.0,
    "priority": "bulk",
}
MESSAGES: dict[str, dict[str, Any]] = {
    "everything": {"schema_version": 1, "job_id": "order-0001", "request": FULL, "traceparent": TRACEPARENT},
    "least": {"schema_version": 1, "request": {"perspective": "curious-cat"}},
    **{
        f"only {name}": {"schema_version": 1, "request": {"perspective": "curious-cat", name: value}}
        for name, value in FULL.items()
    },
}


def every_field(message: dict[str, Any]) -> dict[str, Any]:
    """The record that an Avro writer needs: what is absent is null."""
    whole = dict.fromkeys(JobRequested.model_fields) | message
    return {**whole, "request": dict.fromkeys(Request.model_fields) | message["request"]}


def as_json(message: dict[str, Any]) -> bytes:
    stream = io.StringIO()
    fastavro.json_writer(stream, published_schema(), [every_field(message)])
    return stream.getvalue().encode()


def as_binary(message: dict[str, Any]) -> bytes:
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, published_schema(), every_field(message))
    return stream.getvalue()


ENCODERS: dict[str, Callable[[dict[str, Any]], bytes]] = {"JSON": as_json, "BINARY": as_binary}


def published_schema() -> Any:
    """What another system has: the committed file."""
    return fastavro.parse_schema(json.loads(COMMITTED.read_text(encoding="utf-8")))
