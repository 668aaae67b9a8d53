"""Labels: the attributes that are told apart, in captions and in clips, and what values each has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch

from models.pocket.scenes.attributes import Colour, Motion, Place, Scene, Thing, TimeOfDay, Weather

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from enum import StrEnum

#: What is read, and what there is to read. The text encoder's questions stand in this order.
ATTRIBUTES: Final[Mapping[str, tuple[StrEnum, ...]]] = {
    "place": tuple(Place),
    "time_of_day": tuple(TimeOfDay),
    "weather": tuple(Weather),
    "thing": tuple(Thing),
    "colour": tuple(Colour),
    "motion": tuple(Motion),
}


def labels_of(scenes: Sequence[Scene]) -> dict[str, torch.Tensor]:
    """Numbers of the values ``(N,)`` for each attribute."""
    return {
        name: torch.tensor([values.index(getattr(scene, name)) for scene in scenes])
        for name, values in ATTRIBUTES.items()
    }
