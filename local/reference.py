"""What the documentation takes from the code: settings, schemas of what crosses its walls, pages about catalogues.

And of what the page reads: its types are made of that. Run as ``python -m local.reference`` to write it; a test says
when it is out of date.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from gpu_job.worker_settings import WorkerSettings
from local import model_pages, openapi, page_contract, telemetry_page
from local.bundles import ROOT
from local.perspective_pages import pages
from shared.batches import Batch
from shared.documents import Job, Status
from shared.messages import BatchChunk, JobEvent, JobRequested, PlanScheduled, RenderRequested
from shared.requests import Request

if TYPE_CHECKING:
    from pydantic import BaseModel

    from shared.settings import Settings

SETTINGS_HEAD = """# Settings

Environment variables, read once by each deployable. Faulty ones are all named in one line: a worker ends with it, a
function logs it and answers 500. Written by `make docs`.
"""
SCHEMAS: dict[str, type[BaseModel]] = {
    "batch": Batch,
    "batch-chunk": BatchChunk,
    "job": Job,
    "job-event": JobEvent,
    "job-requested": JobRequested,
    "plan-scheduled": PlanScheduled,
    "render-requested": RenderRequested,
}
#: Not in Firestore's document.
BATCH_VIEW: dict[str, Any] = {
    "links": {
        "additionalProperties": False,
        "description": "Where to read it: its address in the API, and its document in Firestore.",
        "properties": {"self": {"type": "string"}, "firestore": {"type": "string"}},
        "required": ["self", "firestore"],
        "type": "object",
    },
    "jobs": {
        "additionalProperties": False,
        "description": "How many of its jobs have each status; in the answer to ``GET /batches/{id}``.",
        "properties": {status.value: {"type": "integer", "minimum": 0} for status in Status},
        "required": [status.value for status in Status],
        "type": "object",
    },
    "cost": {
        "additionalProperties": False,
        "description": "What its jobs have cost; in the answer to ``GET /batches/{id}``. Amount null: no price.",
        "properties": {
            "gpu_s": {"type": "number", "minimum": 0},
            "amount": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]},
            "currency": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["gpu_s", "amount", "currency"],
        "type": "object",
    },
    "paused_until": {
        "description": "When bulk goes on that has to wait for another day's budget; only then.",
        "format": "date-time",
        "type": "string",
    },
}


def reference() -> dict[str, str]:
    """Text of each generated file by its path in the repository."""
    for function in ("submit", "notify"):  # flat folders, as functions-framework loads them
        sys.path.append(str(ROOT / "functions" / function))
    from http_api import ROUTES  # noqa: PLC0415

    schemas = {f"docs/schemas/{name}.json": _schema(name) for name in SCHEMAS}
    texts = {
        "docs/settings.md": _settings(),
        "docs/schemas/job-requested.avsc": _avro_schema(),
        openapi.PATH: openapi.text(ROUTES),
        model_pages.PATH: model_pages.page(),
        page_contract.PATH: page_contract.schema(),
        telemetry_page.PATH: telemetry_page.page(),
    }
    return texts | schemas | pages()


def _schema(name: str) -> str:
    schema = SCHEMAS[name].model_json_schema(mode="serialization")
    if name == "job-requested":  # read as a whole later, so that an unreadable request still finds its job
        schema["properties"]["request"] = Request.model_json_schema()
        schema["$defs"] = schema["properties"]["request"].pop("$defs")
    if name == "batch":  # on reading it, the API adds this to the document
        schema["properties"] |= BATCH_VIEW
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def _avro_schema() -> str:
    from avro_requests import job_requested_schema  # noqa: PLC0415

    return json.dumps(job_requested_schema(), indent=2, ensure_ascii=False) + "\n"


def _settings() -> str:
    from notify_settings import NotifySettings  # noqa: PLC0415
    from submit_settings import SubmitSettings  # noqa: PLC0415

    parts = [SETTINGS_HEAD]
    rooms: dict[str, type[Settings]] = {
        "functions/submit": SubmitSettings,
        "functions/notify": NotifySettings,
        "gpu_job": WorkerSettings,
    }
    parts += [_table(room, schema) for room, schema in rooms.items()]
    return "\n".join(parts)


def _table(room: str, schema: type[Settings]) -> str:
    lines = [f"## `{room}`\n", "| variable | default | what it decides |", "|---|---|---|"]
    for name, field in schema.model_fields.items():
        default = "**required**" if field.is_required() else _shown(field.default)
        lines.append(f"| `{name.upper()}` | {default} | {' '.join((field.description or '').split())} |")
    return "\n".join(lines) + "\n"


def _shown(default: object) -> str:
    if default in (None, (), ""):
        return "none"
    return f"`{','.join(default)}`" if isinstance(default, tuple) else f"`{default}`"


if __name__ == "__main__":
    for path, text in reference().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")
