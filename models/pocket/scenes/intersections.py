# ruff: noqa: PLR0917 - compiled loops take numbers one by one
"""Compiled: where rays meet unit solids. Enters: a ray in the solid's own frame. Leaves: distance, normal.

Distances count in lengths of the direction; ``MISS`` when there is no hit ahead. An origin inside a solid sees through
it.
"""

from __future__ import annotations

from math import sqrt
from typing import Final

from models.pocket.scenes.compiled import compiled

MISS: Final = 1e9
#: Hits nearer than this are of the solid that the ray starts in.
NEAR: Final = 1e-4
FLAT: Final = 1e-9

Point = tuple[float, float, float]


@compiled
def meet_ellipsoid(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float) -> float:
    """The unit sphere."""
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - 1.0
    q = b * b - a * c
    if q < 0.0:
        return MISS
    t = (-b - sqrt(q)) / a
    return t if t > NEAR else MISS


@compiled
def meet_box(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float) -> float:
    """The cube from -1 to 1."""
    ix = 1.0 / (dx if abs(dx) > FLAT else FLAT)
    iy = 1.0 / (dy if abs(dy) > FLAT else FLAT)
    iz = 1.0 / (dz if abs(dz) > FLAT else FLAT)
    ax, bx = (-1.0 - ox) * ix, (1.0 - ox) * ix
    ay, by = (-1.0 - oy) * iy, (1.0 - oy) * iy
    az, bz = (-1.0 - oz) * iz, (1.0 - oz) * iz
    first = max(min(ax, bx), min(ay, by), min(az, bz))
    last = min(max(ax, bx), max(ay, by), max(az, bz))
    return first if NEAR < first <= last else MISS


@compiled
def meet_frustum(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, taper: float) -> float:
    """From radius 1 at y = -1 to ``taper`` at y = 1, closed."""
    m, s = 0.5 * (1.0 + taper), 0.5 * (taper - 1.0)
    r = m + s * oy
    a = dx * dx + dz * dz - s * s * dy * dy
    b = ox * dx + oz * dz - s * dy * r
    c = ox * ox + oz * oz - r * r
    best = MISS
    q = b * b - a * c
    if q >= 0.0 and abs(a) > FLAT:
        root = sqrt(q)
        for sign in (-1.0, 1.0):
            t = (-b + sign * root) / a
            y = oy + t * dy
            if NEAR < t < best and -1.0 <= y <= 1.0 and m + s * y >= 0.0:
                best = t
    if abs(dy) > FLAT:
        for end in (-1.0, 1.0):
            t = (end - oy) / dy
            x, z = ox + t * dx, oz + t * dz
            radius = 1.0 if end < 0.0 else taper
            if NEAR < t < best and x * x + z * z <= radius * radius:
                best = t
    return best


@compiled
def meet_gable(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float) -> float:
    """A roof: the cube without what is above y = 1 - 2 |z|."""
    first, last = NEAR, MISS
    for k in range(5):
        nx = 1.0 if k == 0 else (-1.0 if k == 1 else 0.0)
        ny = -1.0 if k == 2 else (1.0 if k > 2 else 0.0)  # noqa: PLR2004 - planes 3 and 4 slope
        nz = 2.0 if k == 3 else (-2.0 if k == 4 else 0.0)  # noqa: PLR2004
        gap = 1.0 - (nx * ox + ny * oy + nz * oz)
        speed = nx * dx + ny * dy + nz * dz
        if abs(speed) < FLAT:
            if gap < 0.0:
                return MISS
        elif speed < 0.0:
            first = max(first, gap / speed)
        else:
            last = min(last, gap / speed)
    return first if NEAR < first <= last else MISS


@compiled
def normal_of(  # noqa: PLR0911 - one a face
    kind: int, x: float, y: float, z: float, taper: float
) -> Point:
    """Outward, in the solid's own frame, of any length; kinds as in `shapes`: ellipsoid, box, frustum, gable."""
    if kind == 0:
        return x, y, z
    if kind == 1:
        ax, ay, az = abs(x), abs(y), abs(z)
        if ax >= ay and ax >= az:
            return (1.0 if x > 0.0 else -1.0), 0.0, 0.0
        if ay >= az:
            return 0.0, (1.0 if y > 0.0 else -1.0), 0.0
        return 0.0, 0.0, (1.0 if z > 0.0 else -1.0)
    if kind == 2:  # noqa: PLR2004 - see above
        s = 0.5 * (taper - 1.0)
        r = 0.5 * (1.0 + taper) + s * y
        if abs(y) > 0.999 and x * x + z * z < 0.998 * r * r:  # noqa: PLR2004 - the ends, but not their rim
            return 0.0, (1.0 if y > 0.0 else -1.0), 0.0
        return x, -s * r, z
    if abs(x) > 0.998:  # noqa: PLR2004 - the gable's ends
        return (1.0 if x > 0.0 else -1.0), 0.0, 0.0
    if y < -0.998:  # noqa: PLR2004 - its foot
        return 0.0, -1.0, 0.0
    return 0.0, 1.0, (2.0 if z > 0.0 else -2.0)
