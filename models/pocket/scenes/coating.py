"""Compiled: the colour of a point of a solid in the light of the place. Leaves: a display colour."""

from __future__ import annotations

from math import atan2, floor, sqrt
from typing import TYPE_CHECKING

from models.pocket.scenes.backdrop import Rgb, chance, mix, smooth
from models.pocket.scenes.compiled import compiled
from models.pocket.scenes.shapes import (
    BANDS,
    COLOUR,
    GLOW,
    IS_THING,
    MERIDIANS,
    OUTWARDS,
    PATTERN,
    PLAIN,
    REPEATS_X,
    REPEATS_Y,
    SECOND,
    UPWARDS,
    WINDOWS,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.pocket.scenes.surroundings import Surroundings


@compiled
def pattern_share(row: NDArray[np.float64], x: float, y: float, z: float) -> float:
    """How much of the second colour there is at a point of the unit solid."""
    pattern = int(row[PATTERN])
    share = 0.0
    if pattern == MERIDIANS:
        turn = atan2(z, x) * row[REPEATS_X] / 6.283185307179586  # a full turn
        share = smooth(0.19, 0.31, abs(turn - floor(turn) - 0.5))
    elif pattern == UPWARDS:
        share = smooth(-0.9, 0.9, y)
    elif pattern == OUTWARDS:
        share = smooth(0.25, 0.75, sqrt(x * x + y * y))
    elif pattern == BANDS:
        band = x * row[REPEATS_X] * 0.5
        share = smooth(0.20, 0.32, abs(band - floor(band) - 0.5))
    elif pattern == WINDOWS:
        side = z if abs(x) > 0.99 else x  # noqa: PLR2004 - the faces across
        u, v = (side + 1.0) * 0.5 * row[REPEATS_X], (y + 1.0) * 0.5 * row[REPEATS_Y]
        i, j = floor(u), floor(v)
        share = (1.0 - smooth(0.26, 0.34, abs(u - i - 0.5))) * (1.0 - smooth(0.26, 0.34, abs(v - j - 0.5)))
        if abs(y) > 0.99 or chance(i, j, row[REPEATS_X] * 0.1) < 0.12:  # noqa: PLR2004 - the same; some are blind
            share = 0.0
    return share


@compiled
def coat(
    row: NDArray[np.float64],
    point: Rgb,
    normal: Rgb,
    facing: float,
    s: Surroundings,
) -> Rgb:
    """``point`` in the solid's frame, ``normal`` outside and of length 1, ``facing`` its cosine towards the viewer."""
    colour = (row[COLOUR], row[COLOUR + 1], row[COLOUR + 2])
    share = 0.0
    if row[PATTERN] != PLAIN:
        share = pattern_share(row, point[0], point[1], point[2])
        colour = mix(colour, (row[SECOND], row[SECOND + 1], row[SECOND + 2]), share)
    wrap = 0.5 + 0.5 * (
        normal[0] * s.towards_light[0] + normal[1] * s.towards_light[1] + normal[2] * s.towards_light[2]
    )
    is_thing = row[IS_THING] > 0.5  # noqa: PLR2004 - yes or no
    glow = row[GLOW]
    if s.snow > 0.0 and not is_thing:
        colour = mix(colour, (0.93, 0.96, 1.0), s.snow * smooth(0.15, 0.65, normal[1]))
    sky_side = 0.82 + 0.18 * normal[1]
    sun = wrap * wrap * 1.15
    lit = (
        colour[0] * (s.ambient[0] * sky_side + s.sun[0] * sun),
        colour[1] * (s.ambient[1] * sky_side + s.sun[1] * sun),
        colour[2] * (s.ambient[2] * sky_side + s.sun[2] * sun),
    )
    if is_thing:
        own = 0.74 + 0.34 * wrap
        lit = mix(lit, (colour[0] * own, colour[1] * own, colour[2] * own), glow)
        rim = 0.62 + 0.38 * smooth(0.05, 0.45, facing)
        return lit[0] * rim, lit[1] * rim, lit[2] * rim
    if row[PATTERN] == WINDOWS:
        return mix(lit, (row[SECOND], row[SECOND + 1], row[SECOND + 2]), share * glow)
    return mix(lit, colour, glow)
