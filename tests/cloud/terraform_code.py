"""The Terraform code of the repository as data: what is written is read, nothing is planned, no provider is asked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import hcl2
from hcl2 import SerializationOptions

from local.bundles import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TERRAFORM = ROOT / "terraform"
_PLAIN = SerializationOptions(with_comments=False, explicit_blocks=False, strip_string_quotes=True)
_ONE_REFERENCE = re.compile(r"\$\{local\.(\w+)\}")


@dataclass(frozen=True)
class Block:
    """A resource, or another block with two labels."""

    kind: str
    name: str
    body: dict[str, Any]

    @property
    def address(self) -> str:
        return f"{self.kind}.{self.name}"

    def inner(self, name: str) -> list[dict[str, Any]]:
        """Its nested blocks of that name, those that are written by ``dynamic`` too."""
        written: list[dict[str, Any]] = self.body.get(name, [])
        dynamic = [each[name] for each in self.body.get("dynamic", []) if name in each]
        return written + [block for each in dynamic for block in each["content"]]


class Code:
    """All files of one folder."""

    def __init__(self, folder: Path = TERRAFORM) -> None:
        self._files = [_parsed(path.read_text("utf-8")) for path in sorted(folder.glob("*.tf"))]

    @cached_property
    def resources(self) -> list[Block]:
        """Every resource."""
        return [
            Block(kind=kind, name=name, body=body)
            for file in self._files
            for each in file.get("resource", [])
            for kind, named in each.items()
            for name, body in named.items()
        ]

    @cached_property
    def locals(self) -> dict[str, Any]:
        """Every local value, as written."""
        return {name: value for file in self._files for each in file.get("locals", []) for name, value in each.items()}

    @cached_property
    def variables(self) -> dict[str, dict[str, Any]]:
        """Every variable."""
        return {name: body for file in self._files for each in file.get("variable", []) for name, body in each.items()}

    def of_kind(self, kind: str) -> list[Block]:
        """The resources of a type."""
        return [each for each in self.resources if each.kind == kind]

    def resource(self, address: str) -> Block:
        """The one at that address."""
        return next(each for each in self.resources if each.address == address)

    def value(self, written: Any) -> Any:
        """What a local value stands for; everything else as it is written."""
        match = _ONE_REFERENCE.fullmatch(written) if isinstance(written, str) else None
        return self.value(self.locals[match[1]]) if match else written


@cache
def _parsed(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = hcl2.loads(text, serialization_options=_PLAIN)
    return parsed


def texts(value: Any) -> list[str]:
    """Every text anywhere inside."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []
