# ruff: noqa: PLR0917 - compiled loops take numbers one by one
"""Compiled: a room from inside. Enters: a ray. Leaves: the face that it meets, and that face's colour.

The far wall may have a window; what is behind its panes is the sky's colour, with some land below.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Final

from models.pocket.scenes.backdrop import Rgb, mix, smooth
from models.pocket.scenes.compiled import compiled

if TYPE_CHECKING:
    from models.pocket.scenes.surroundings import Surroundings

#: Faces; solids and the floor have numbers from 0 on, and -1 is the open sky.
CEILING: Final = -2
SIDE: Final = -3
END: Final = -4
FRAME: Final = -5
PANE: Final = -6

AWAY: Final = 1e9
FLAT: Final = 1e-9
#: Half width of a window's bars, as a share of half its width.
BAR: Final = 0.045
PAINT: Final = (0.95, 0.94, 0.92)
LAND: Final = (0.42, 0.58, 0.30)
SNOWED: Final = (0.93, 0.96, 1.0)


@compiled
def face_of(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, s: Surroundings
) -> tuple[int, float, float, float]:
    """Which face a ray meets that leaves the room above its floor, and where."""
    half, height, deep, back = s.walls
    tx = ((half if dx > 0.0 else -half) - ox) / dx if abs(dx) > FLAT else AWAY
    tz = ((deep if dz > 0.0 else -back) - oz) / dz if abs(dz) > FLAT else AWAY
    ty = (height - oy) / dy if dy > FLAT else AWAY
    t = min(tx, ty, tz)
    x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
    if t == ty:
        return CEILING, x, y, z
    if t == tx:
        return SIDE, x, y, z
    if dz > 0.0 and s.window[1] > s.window[0]:
        u = abs(2.0 * x - s.window[0] - s.window[1]) / (s.window[1] - s.window[0])
        v = abs(2.0 * y - s.window[2] - s.window[3]) / (s.window[3] - s.window[2])
        if BAR < u < 1.0 - BAR and BAR < v < 1.0 - 1.4 * BAR:
            return PANE, x, y, z
        if u < 1.0 + 2.0 * BAR and v < 1.0 + 2.6 * BAR:
            return FRAME, x, y, z
    return END, x, y, z


@compiled
def wall_colour(face: int, x: float, y: float, z: float, s: Surroundings) -> Rgb:
    """Lit colour of a face that is no pane; brighter towards the window, whose light also lies on the ceiling."""
    height, deep = s.walls[1], s.walls[2]
    u, v, w = x - 0.5 * (s.window[0] + s.window[1]), y - 0.5 * (s.window[2] + s.window[3]), z - deep
    apart = sqrt(u * u + v * v + w * w) / deep
    bright = 0.72 + 0.42 / (1.0 + 3.0 * apart * apart)
    red, green, blue = s.ambient[0] * bright, s.ambient[1] * bright, s.ambient[2] * bright
    sun = 0.5 * bright
    colour = s.wall
    if face == CEILING:
        colour = s.ceiling
        patch = 1.0 - smooth(1.3, 1.9, abs(x + 1.5 - 0.25 * z))
        patch *= smooth(0.10, 0.20, z / deep) * (1.0 - smooth(0.7, 0.9, z / deep))
        sun += patch * (1.15 - sun)
    elif face == FRAME:
        colour = PAINT
    else:
        colour = mix(colour, PAINT, 1.0 - smooth(0.028, 0.038, y / height))
        shade = (0.90 if face == SIDE else 1.0) * (0.90 + 0.10 * smooth(0.55, 1.0, y / height))
        colour = (colour[0] * shade, colour[1] * shade, colour[2] * shade)
    return (
        colour[0] * (red + sun * s.sun[0]),
        colour[1] * (green + sun * s.sun[1]),
        colour[2] * (blue + sun * s.sun[2]),
    )


@compiled
def through_pane(seen: Rgb, x: float, y: float, s: Surroundings) -> Rgb:
    """What one sees through the window: the sky's colour, below it some land."""
    low, high = s.window[2], s.window[3]
    line = low + (0.19 if s.snow == 0.0 else 0.30) * (high - low) + 0.05 * x
    colour = mix(LAND, SNOWED, 1.0 if s.snow != 0.0 else 0.0)
    lit = (
        colour[0] * (s.ambient[0] + s.sun[0] * 0.6),
        colour[1] * (s.ambient[1] + s.sun[1] * 0.6),
        colour[2] * (s.ambient[2] + s.sun[2] * 0.6),
    )
    lit = mix(lit, s.fog, 0.85 * s.veil)
    return mix(seen, lit, 1.0 - smooth(line - 0.05, line + 0.05, y))
