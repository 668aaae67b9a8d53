"""Perspectives: who sees. Enters: ``catalogue/perspectives/*.toml``. Leaves: validated, frozen entries."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from shared.catalogue import Entry, load
from shared.optics import Optics

if TYPE_CHECKING:
    from collections.abc import Mapping


class Camera(BaseModel):
    """Where a creature's eyes are."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    height_m: Annotated[float, Field(gt=0)]
    """Above the ground, in metres."""
    motion: Annotated[str, Field(min_length=3)]
    """In plain words."""


class Perspective(Entry):
    """A creature or person whose eyes one can borrow."""

    kind: Literal["mammal", "bird", "fish", "insect", "reptile", "mollusc", "human", "thing"]
    """The group it is listed under."""
    sight: str
    """How it sees, in plain words, for people."""
    prompt: str
    """Template of the full prompt; ``{scene}`` stands for the caller's words or a default scene."""
    scenes: Annotated[tuple[str, ...], Field(min_length=1)]
    """What it sees when the caller gives no words; the seed picks one."""
    camera: Camera
    """Where its eyes are, and how they move."""
    optics: Optics
    """How they see."""
    playful: bool = False
    """A game, with no claim to science."""

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
