"""What each place stands on, and what closes its view. Enters: nothing. Leaves: a table."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from models.pocket.scenes.attributes import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from models.pocket.scenes.shapes import Vector

#: Kinds of ground; the floor of a room is one too.
GRASS: Final = 0
PATCHWORK: Final = 1
PLANKS: Final = 2
PAVEMENT: Final = 3
SAND: Final = 4


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a place stands on, and what closes its view."""

    kind: int
    tones: tuple[Vector, Vector, Vector]
    size: float
    ridge: Vector = (0.3, 0.4, 0.3)
    ridge_height: float = 0.0


GROUNDS: Mapping[Place, Ground] = MappingProxyType(
    {
        Place.ROOM: Ground(kind=PLANKS, tones=((0.62, 0.42, 0.25), (0.50, 0.32, 0.18), (0.38, 0.24, 0.14)), size=1.1),
        Place.FIELDS: Ground(
            kind=PATCHWORK,
            tones=((0.42, 0.58, 0.26), (0.74, 0.68, 0.38), (0.50, 0.62, 0.70)),
            size=6.0,
            ridge=(0.36, 0.48, 0.46),
            ridge_height=0.03,
        ),
        Place.WATER: Ground(kind=SAND, tones=((0.80, 0.76, 0.60), (0.66, 0.62, 0.48), (0.9, 0.9, 0.8)), size=1.6),
        Place.MEADOW: Ground(
            kind=GRASS,
            tones=((0.46, 0.40, 0.20), (0.33, 0.36, 0.14), (0.3, 0.3, 0.2)),
            size=1.2,
            ridge=(0.42, 0.58, 0.22),
            ridge_height=0.30,
        ),
        Place.STREET: Ground(
            kind=PAVEMENT, tones=((0.70, 0.68, 0.66), (0.60, 0.58, 0.57), (0.34, 0.34, 0.37)), size=1.6
        ),
        Place.GARDEN: Ground(
            kind=GRASS,
            tones=((0.36, 0.56, 0.24), (0.28, 0.46, 0.20), (0.3, 0.3, 0.2)),
            size=1.5,
            ridge=(0.22, 0.42, 0.20),
            ridge_height=0.20,
        ),
        Place.FOREST: Ground(
            kind=GRASS,
            tones=((0.46, 0.35, 0.21), (0.30, 0.34, 0.17), (0.3, 0.3, 0.2)),
            size=1.7,
            ridge=(0.30, 0.46, 0.24),
            ridge_height=0.42,
        ),
        Place.COT: Ground(kind=PLANKS, tones=((0.6, 0.5, 0.4), (0.6, 0.5, 0.4), (0.6, 0.5, 0.4)), size=1.0),
    }
)
