"""What the page reads from the API, as one JSON Schema: ``frontend/contract.schema.json``; its types are made of it.

Enters: the models of `shared`. Leaves: a schema without titles, so that its TypeScript has no names but these.
"""

from __future__ import annotations

import json
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from shared.documents import Job, Usage
from shared.models import Model
from shared.perspectives import Perspective
from shared.themes import Theme

PATH: Final = "frontend/contract.schema.json"
#: Written with all of their fields; what others leave out is absent on the wire too.
WHOLE: Final = ("Job", "JobError", "Request", "Usage", "Video")
#: Of a model, what ``GET /models`` shows.
SHOWN_OF_MODELS: Final = ("id", "version", "name", "summary", "licence", "trained", "lengths", "fps")


def schema() -> str:
    """The text of the file."""
    roots = (Job, Usage, Perspective, Theme, Model)
    _, described = models_json_schema([(each, "serialization") for each in roots])
    definitions: dict[str, Any] = _without_titles(described["$defs"])
    for name in WHOLE:
        definitions[name]["required"] = list(definitions[name]["properties"])
    del definitions["Perspective"]["properties"]["prompt"]
    definitions["Perspective"]["required"].remove("prompt")
    model = definitions["Model"]
    model["properties"] = {name: model["properties"][name] for name in SHOWN_OF_MODELS} | {
        "sizes": {"type": "array", "items": {"type": "string"}}
    }
    model["required"] = list(model["properties"])
    named = [each.__name__ for each in roots]
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "required": named,
        "properties": {name: {"$ref": f"#/$defs/{name}"} for name in named},
        "$defs": _reached(definitions, named),
    }
    return json.dumps(whole, indent=2, ensure_ascii=False) + "\n"


def _without_titles(part: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(part, dict):
        return {
            name: _without_titles(each)
            for name, each in part.items()
            if not (name == "title" and isinstance(each, str))
        }
    return [_without_titles(each) for each in part] if isinstance(part, list) else part


def _reached(definitions: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The definitions that those refer to, and theirs."""
    found: dict[str, Any] = {}
    to_do = list(names)
    while to_do:
        name = to_do.pop()
        if name not in found:
            found[name] = definitions[name]
            to_do += [other for other in definitions if f'"#/$defs/{other}"' in json.dumps(definitions[name])]
    return dict(sorted(found.items()))
