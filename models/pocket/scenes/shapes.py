"""Solids as rows of numbers, for the drawing loops. Enters: ellipsoids, boxes, frustums, gables. Leaves: an array.

A solid is a unit solid (sphere of radius 1, cube from -1 to 1, frustum and gable of that height) put in its place by
a matrix and a centre. The columns of a row are the constants below.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from models.pocket.scenes.transforms import along

if TYPE_CHECKING:
    from numpy.typing import NDArray

Vector = tuple[float, float, float]

ELLIPSOID: Final = 0
BOX: Final = 1
FRUSTUM: Final = 2
GABLE: Final = 3

#: Patterns of the two colours: none, meridians, windows of houses, upwards, from the middle outwards, bands.
PLAIN: Final = 0
MERIDIANS: Final = 1
WINDOWS: Final = 2
UPWARDS: Final = 3
OUTWARDS: Final = 4
BANDS: Final = 5

KIND: Final = 0
CENTRE: Final = 1
INVERSE: Final = 4
TAPER: Final = 13
COLOUR: Final = 14
SECOND: Final = 17
PATTERN: Final = 20
GLOW: Final = 21
IS_THING: Final = 22
REPEATS_X: Final = 23
REPEATS_Y: Final = 24
COLUMNS: Final = 25

UNIT = np.eye(3)


@dataclass(frozen=True, kw_only=True)
class Coat:
    """How a solid looks."""

    #: Display values 0 to 1.
    colour: Vector
    #: The other colour of its pattern.
    second: Vector | None = None
    pattern: int = PLAIN
    #: 0: lit by the scene only; 1: by itself only.
    glow: float = 0.0
    #: How often the pattern repeats across and up.
    repeats: tuple[float, float] = (1.0, 1.0)


@dataclass
class Shapes:
    """A growing list of solids, all in one frame of reference."""

    #: Whether they belong to the main object, which stays readable in any light.
    is_thing: bool = False
    rows: list[list[float]] = field(default_factory=list)
    #: Local to outer frame, one 3x3 a row.
    matrices: list[NDArray[np.float64]] = field(default_factory=list)

    def add(
        self,
        kind: int,
        centre: Vector,
        half: Vector,
        coat: Coat,
        *,
        turn: NDArray[np.float64] = UNIT,
        taper: float = 1.0,
    ) -> None:
        """A solid of these half extents, turned, at this centre; a frustum's top is ``taper`` times its foot."""
        second = coat.second or coat.colour
        self.rows.append(
            [
                *(kind, *centre, *[0.0] * 9, taper),
                *(*coat.colour, *second, coat.pattern),
                *(coat.glow, float(self.is_thing), *coat.repeats),
            ]
        )
        self.matrices.append(turn * np.array(half))

    def ellipsoid(self, centre: Vector, half: Vector, coat: Coat, turn: NDArray[np.float64] = UNIT) -> None:
        """Also spheres and, when thin, petals, wings and leaves."""
        self.add(ELLIPSOID, centre, half, coat, turn=turn)

    def box(self, centre: Vector, half: Vector, coat: Coat, turn: NDArray[np.float64] = UNIT) -> None:
        """Houses, furniture."""
        self.add(BOX, centre, half, coat, turn=turn)

    def rod(self, foot: Vector, top: Vector, radius: float, coat: Coat, *, taper: float = 1.0) -> None:
        """A round bar from one point to another, ``radius`` thick at its foot."""
        a, b = np.array(foot), np.array(top)
        middle = (a + b) / 2
        length = float(np.linalg.norm(b - a))
        centre = (float(middle[0]), float(middle[1]), float(middle[2]))
        axis = (top[0] - foot[0], top[1] - foot[1], top[2] - foot[2])
        self.add(FRUSTUM, centre, (radius, length / 2, radius), coat, turn=along(axis), taper=taper)

    def array(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rows ``(N, COLUMNS)``, their inverse matrices still zero, and local-to-outer matrices ``(N, 3, 3)``."""
        if not self.rows:
            return np.zeros((0, COLUMNS)), np.zeros((0, 3, 3))
        return np.array(self.rows, dtype=np.float64), np.stack(self.matrices)


def placed(
    rows: NDArray[np.float64],
    matrices: NDArray[np.float64],
    turn: NDArray[np.float64],
    size: float,
    at: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The solids turned, scaled and moved as one."""
    moved = rows.copy()
    moved[:, CENTRE : CENTRE + 3] = size * rows[:, CENTRE : CENTRE + 3] @ turn.T + at
    return moved, size * (turn @ matrices)
