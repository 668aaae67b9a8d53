# ruff: noqa: PLR0917 - compiled loops take numbers one by one
"""Compiled: what a ray meets that meets no solid: sky, ground, water, walls. Enters: a direction. Leaves: a colour.

Directions are unit vectors; colours are display values, three floats; ``s`` is the `Surroundings`.
"""

from __future__ import annotations

from math import asin, atan2, floor, sin
from typing import TYPE_CHECKING, Final

from models.pocket.scenes.compiled import compiled
from models.pocket.scenes.grounds import GRASS, PATCHWORK, PAVEMENT, PLANKS, SAND
from models.pocket.scenes.surroundings import WATER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from models.pocket.scenes.surroundings import Surroundings

#: Distance in scene units from which fields run into each other.
FAR_FIELDS: Final = 55.0

Rgb = tuple[float, float, float]


@compiled
def smooth(low: float, high: float, x: float) -> float:
    """0 below ``low``, 1 above ``high``, a soft step between."""
    y = min(max((x - low) / (high - low), 0.0), 1.0)
    return y * y * (3.0 - 2.0 * y)


@compiled
def mix(a: Rgb, b: Rgb, share: float) -> Rgb:
    """From a to b."""
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, a[2] + (b[2] - a[2]) * share


@compiled
def chance(i: float, j: float, seed: float) -> float:
    """A number 0 to 1 that looks random, of two whole ones: on a GPU, `floor` leaves them as floats."""
    x = (int(i) * 374761393 + int(j) * 668265263 + int(seed * 65536.0) * 974634599) & 0xFFFFFFFF
    x = ((x ^ (x >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((x ^ (x >> 16)) & 0xFFFF) / 65535.0


@compiled
def wavy(x: float, z: float, seed: float) -> float:
    """Soft random hills, 0 to 1, about 1 wide."""
    i, j = floor(x), floor(z)
    u, v = x - i, z - j
    u, v = u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v)
    a, b = chance(i, j, seed), chance(i + 1, j, seed)
    c, d = chance(i, j + 1, seed), chance(i + 1, j + 1, seed)
    return (a + (b - a) * u) * (1.0 - v) + (c + (d - c) * u) * v


@compiled
def sky(x: float, y: float, z: float, s: Surroundings, blobs: NDArray[np.float64]) -> Rgb:
    """Gradient, ``blobs`` (azimuth, height, their radii, colour, strength), sun or moon, far ridge."""
    up = max(y, 0.0)
    colour = mix(s.horizon, s.zenith, min(1.45 * up / (up + 0.35), 1.0))
    azimuth, height = atan2(x, z), asin(min(max(y, -1.0), 1.0))
    for k in range(blobs.shape[0]):
        u = (azimuth - blobs[k, 0]) / blobs[k, 2]
        v = (height - blobs[k, 1]) / blobs[k, 3]
        q = u * u + v * v
        if q < 1.0:
            share = blobs[k, 7] * min(2.2 * (1.0 - q) * (1.0 - q), 1.0)
            colour = mix(colour, (blobs[k, 4], blobs[k, 5], blobs[k, 6]), share)
    facing = x * s.towards_disc[0] + y * s.towards_disc[1] + z * s.towards_disc[2]
    halo = 1.0 + s.halo_narrowness * (1.0 - facing)
    colour = mix(colour, s.disc, s.halo / (halo * halo))
    if s.disc_cosine < 1.0:
        colour = mix(
            colour, s.disc, smooth(1.0 - (1.0 - s.disc_cosine) * 1.35, 1.0 - (1.0 - s.disc_cosine) * 0.75, facing)
        )
    if s.ridge_height > 0.0:
        top = s.ridge_height * (1.0 + 0.22 * sin(azimuth * 5.0 + s.ground_seed * 9.0) + 0.12 * sin(azimuth * 13.0))
        share = 1.0 - smooth(top - 0.03, top + 0.03, height)
        if share > 0.0:
            # in clear air `fog` is the ridge's colour already
            colour = mix(colour, s.fog, share)
    return mix(colour, s.fog, s.veil)


@compiled
def deep(x: float, y: float, z: float, s: Surroundings, moment: float) -> Rgb:
    """Under water: dark below, light above, soft slanting beams."""
    colour = mix(s.fog, (s.fog[0] * 0.45, s.fog[1] * 0.5, s.fog[2] * 0.55), smooth(0.1, -0.6, y) if y < 0.1 else 0.0)  # noqa: PLR2004
    slant = atan2(x + 0.25 * y, z + 0.4)
    beams = sin(slant * 9.0 + 6.0 * s.ground_seed + 0.8 * moment) + 0.6 * sin(slant * 17.0 - 1.1 * moment)
    above = smooth(-0.05, 0.62, y)
    facing = x * s.towards_disc[0] + y * s.towards_disc[1] + z * s.towards_disc[2]
    glow = 1.0 / (1.0 + 5.0 * (1.0 - facing))
    return mix(colour, s.zenith, min(above * (0.62 + 0.10 * beams) + 0.35 * glow * glow, 1.0))


@compiled
def ground(x: float, z: float, far: float, s: Surroundings, moment: float) -> Rgb:
    """Unlit colour of the ground at that point, its pattern fading with the distance."""
    near = 1.0 / (1.0 + 0.004 * far * far)
    c, d = s.ground_turn
    u, v = (x * c + z * d) / s.ground_size, (z * c - x * d) / s.ground_size
    colour = s.ground_a
    if s.ground == GRASS:
        colour = mix(s.ground_a, s.ground_b, 0.5 + (smooth(0.25, 0.75, wavy(u, v, s.ground_seed)) - 0.5) * near)
    elif s.ground == PATCHWORK:
        u += 0.12 * sin(v * 1.7)
        v += 0.55 * floor(u * 0.5)
        i, j = floor(u), floor(v)
        a, b = chance(i, j, s.ground_seed), chance(j, i + 7, s.ground_seed)
        # far away a pixel holds several fields
        few = far * far / (FAR_FIELDS * FAR_FIELDS)
        few = 1.0 / (1.0 + few * few)
        colour = mix(s.ground_a, s.ground_b, 0.4 + (smooth(0.25, 0.8, a) - 0.4) * few)
        bright = 0.90 + (0.5 * b - 0.22) * few
        colour = (colour[0] * bright, colour[1] * bright, colour[2] * bright)
        edge = min(u - i, i + 1.0 - u, v - j, j + 1.0 - v)
        hedge = (1.0 - smooth(0.03, 0.09 + 0.003 * far, edge)) * few
        colour = mix(colour, (0.18, 0.30, 0.16), hedge)
        if s.ground_seed > 0.45:  # noqa: PLR2004 - more than half of the countries have a river
            bend = x - 9.0 * sin(z * 0.075 + 40.0 * s.ground_seed) - 16.0 * (s.ground_seed - 0.72)
            colour = mix(colour, s.ground_c, 1.0 - smooth(1.9, 2.7, abs(bend)))
    elif s.ground == PLANKS:
        i = floor(u)
        tone = chance(i, 3, s.ground_seed)
        joint = 1.0 - smooth(0.02, 0.10, min(u - i, i + 1.0 - u))
        j = floor(v * 0.22 + tone * 3.0)
        tone = 0.55 * tone + 0.45 * chance(i, j, s.ground_seed)
        colour = mix(s.ground_a, s.ground_b, 0.5 + (tone - 0.5) * near)
        colour = mix(colour, s.ground_c, joint * near)
    elif s.ground == PAVEMENT:
        i, j = floor(u + 0.5), floor(v)
        a = chance(i, j, s.ground_seed)
        colour = mix(s.ground_a, s.ground_b, 0.5 + (a - 0.5) * near)
        edge = min(0.5 - abs(u - i), v - j, j + 1.0 - v)
        colour = mix(colour, s.ground_c, 0.75 * (1.0 - smooth(0.02, 0.08, edge)) * near)
        road = x if s.ground_seed > 0.5 else -x  # noqa: PLR2004 - on either side
        colour = mix(colour, (0.86, 0.85, 0.82), smooth(2.5, 2.6, road))
        colour = mix(colour, s.ground_c, smooth(2.95, 3.1, road))
    elif s.ground == SAND:
        colour = mix(s.ground_a, s.ground_b, 0.5 + (wavy(u, v, s.ground_seed) - 0.5) * near)
        ripple = sin(2.1 * x + 1.3 * sin(1.2 * z + 1.1 * moment)) * sin(2.3 * z + 1.2 * sin(1.4 * x - 0.9 * moment))
        bright = 1.0 + 0.32 * smooth(0.2, 1.0, 1.0 - abs(ripple)) * near
        colour = (colour[0] * bright, colour[1] * bright, colour[2] * bright)
    return mix(colour, (0.90, 0.94, 1.0), max(s.snow, 0.0) * (0.66 if s.ground == PATCHWORK else 0.80))


@compiled
def behind(x: float, y: float, z: float, s: Surroundings, blobs: NDArray[np.float64], moment: float) -> Rgb:
    """Water or sky in that direction."""
    if s.backdrop == WATER:
        return deep(x, y, z, s, moment)
    return sky(x, y, z, s, blobs)
