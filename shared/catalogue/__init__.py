"""The catalogues as data: perspectives, themes and models, one TOML file an entry.

``load(kind, schema)`` reads the folder of that name beside this file; the file's name is the entry's id.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import LifeAsNotMeError, faults_of

if TYPE_CHECKING:
    from collections.abc import Mapping

ID_PATTERN = r"^[a-z0-9][a-z0-9.-]{0,62}$"
HERE = Path(__file__).parent


class BrokenCatalogueError(LifeAsNotMeError):
    """A catalogue file can't be used; the message names file, field and reason of every fault."""


class Entry(BaseModel):
    """What every catalogue entry has."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: Annotated[str, Field(pattern=ID_PATTERN)]
    """The file's name without its ending."""
    version: int
    """Raised whenever the entry draws other pixels than before: it is part of the render key."""
    name: str
    """What people read."""
    summary: str
    """One or two plain sentences."""


E = TypeVar("E", bound=Entry)


def load(kind: str, schema: type[E], *, folder: Path | None = None) -> Mapping[str, E]:
    """Read every entry of one kind, in the order of their ids.

    Raises:
        BrokenCatalogueError: with all faults of all files.
    """
    entries: dict[str, E] = {}
    faults: list[str] = []
    for path in sorted((folder or HERE / kind).glob("*.toml")):
        try:
            fields = tomllib.loads(path.read_text("utf-8"))
            if "id" in fields:
                faults.append(f"{kind}/{path.name}: id: is the file's name and stands nowhere else")
            entries[path.stem] = schema.model_validate({**fields, "id": path.stem})
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
            faults.append(f"{kind}/{path.name}: not TOML: {exc}")
        except ValidationError as exc:
            faults += [f"{kind}/{path.name}: {fault.field}: {fault.message}" for fault in faults_of(exc)]
    if not entries and not faults:
        faults.append(f"{kind}: has no entries")
    if faults:
        raise BrokenCatalogueError("\n".join(faults))
    return MappingProxyType(entries)
