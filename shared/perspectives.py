"""Perspectives: who sees. Enters: ``catalogue/perspectives/*.toml``. Leaves: validated, frozen entries."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from shared.catalogue import Entry, load

if TYPE_CHECKING:
    from collections.abc import Mapping


class Perspective(Entry):
    """A creature or person whose eyes one can borrow."""

    kind: Literal["mammal", "bird", "fish", "insect", "human"]
    """The group it is listed under."""
    sight: str
    """How it sees, in plain words, for people."""
    prompt: str
    """Template of the full prompt; ``{scene}`` stands for the caller's words or a default scene."""
    scenes: Annotated[tuple[str, ...], Field(min_length=1)]
    """What it sees when the caller gives no words; the seed picks one."""

    @field_validator("prompt")
    @classmethod
    def _has_one_scene(cls, prompt: str) -> str:
        if prompt.count("{scene}") != 1:
            msg = "must hold {scene} exactly once"
            raise ValueError(msg)
        return prompt


@cache
def perspectives() -> Mapping[str, Perspective]:
    """The catalogue by id."""
    return load("perspectives", Perspective)
