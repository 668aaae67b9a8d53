# ruff: noqa: PLR0917 - compiled loops take numbers one by one
"""Compiled: the picture, ray by ray. Enters: solids, views, surroundings. Leaves: frames as floats.

Tiles of the picture know which solids they can see; each sample of a pixel finds what it meets, and each solid that a
pixel meets is coloured once. Method: ray casting after Appel 1968; coverage samples as graphics hardware takes them.
"""

from __future__ import annotations

from math import exp, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

from models.pocket.scenes.backdrop import Rgb, behind, deep, ground, mix, smooth
from models.pocket.scenes.coating import coat
from models.pocket.scenes.compiled import compiled
from models.pocket.scenes.grounds import PATCHWORK, PAVEMENT, PLANKS
from models.pocket.scenes.intersections import (
    MISS,
    meet_box,
    meet_ellipsoid,
    meet_frustum,
    meet_gable,
    normal_of,
)
from models.pocket.scenes.shapes import BOX, ELLIPSOID, FRUSTUM, INVERSE, IS_THING, KIND, TAPER
from models.pocket.scenes.surroundings import WALLS, WATER
from models.pocket.scenes.walls import PANE, face_of, through_pane, wall_colour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.pocket.scenes.surroundings import Surroundings

#: Side of a tile in pixels.
TILE: Final = 8
OPEN: Final = -1
#: Grounds with edges, foreshortened: every row of samples colours them by itself.
FINE: Final = (PATCHWORK, PLANKS, PAVEMENT)
#: Windows show the sky from a little higher up.
PANE_LIFT: Final = 0.06
#: Fog hides so much less of the thing.
THING_HAZE: Final = 0.25


@compiled
def lit_ground(x: float, z: float, far: float, s: Surroundings, shadows: NDArray[np.float64], moment: float) -> Rgb:
    """The ground under soft shadows (x, z, axis x, axis z, half length, half width, strength) and window light."""
    colour = ground(x, z, far, s, moment)
    shade = 1.0
    for k in range(shadows.shape[0]):
        u, v = x - shadows[k, 0], z - shadows[k, 1]
        a = (u * shadows[k, 2] + v * shadows[k, 3]) / shadows[k, 4]
        b = (v * shadows[k, 2] - u * shadows[k, 3]) / shadows[k, 5]
        q = a * a + b * b
        if q < 1.0:
            shade *= 1.0 - shadows[k, 6] * (1.0 - q)
    light = 0.72
    if s.backdrop == WALLS:
        light = 0.62
        # the window's light lies in front of it
        reach = s.walls[2] - z
        width = s.window[1] - s.window[0]
        across = abs(x - 0.5 * (s.window[0] + s.window[1]) + 0.35 * reach)
        if width > 0.0:
            patch = (1.0 - smooth(0.42 * width, 0.55 * width, across)) * smooth(0.08, 0.16, reach / s.walls[2])
            light += s.floor_light * patch * (1.0 - smooth(0.55, 0.75, reach / s.walls[2]))
    return (
        colour[0] * shade * (s.ambient[0] + s.sun[0] * light),
        colour[1] * shade * (s.ambient[1] + s.sun[1] * light),
        colour[2] * shade * (s.ambient[2] + s.sun[2] * light),
    )


@compiled
def inward(row: NDArray[np.float64], dx: float, dy: float, dz: float) -> Rgb:
    """A direction in a solid's own frame."""
    return (
        row[INVERSE] * dx + row[INVERSE + 1] * dy + row[INVERSE + 2] * dz,
        row[INVERSE + 3] * dx + row[INVERSE + 4] * dy + row[INVERSE + 5] * dz,
        row[INVERSE + 6] * dx + row[INVERSE + 7] * dy + row[INVERSE + 8] * dz,
    )


@compiled
def cast(  # noqa: C901, PLR0912, PLR0915 - one loop nest; a compiler inlines it anyway
    frames: NDArray[np.float32],
    openings: NDArray[np.float32],
    rows: NDArray[np.float64],
    origins: NDArray[np.float64],
    boxes: NDArray[np.int64],
    nearest: NDArray[np.float64],
    eyes: NDArray[np.float64],
    views: NDArray[np.float64],
    moments: NDArray[np.float64],
    slope: float,
    blobs: NDArray[np.float64],
    shadows: NDArray[np.float64],
    s: Surroundings,
    samples: int,
) -> None:
    """Fill ``frames (T, H, W, 3)`` and ``openings (T, H, W)``, the share of a pixel through which weather is seen.

    ``rows (T, N, COLUMNS)`` are sorted from near to far, with the nearest depth of each in ``nearest (T, N)``;
    ``origins (T, N, 3)`` are the eyes in each solid's own frame; ``boxes (T, N, 4)`` left, right, above, below in
    pixels; ``slope`` is the tangent of half the vertical angle of view.
    """
    length, height, width = frames.shape[0], frames.shape[1], frames.shape[2]
    count = rows.shape[1]
    seen = np.zeros(count, np.int64)
    n = samples * samples
    ids = np.zeros(n, np.int64)
    reds, greens, blues = np.zeros(n), np.zeros(n), np.zeros(n)
    pixel = 2.0 * slope / height
    for f in range(length):
        ox, oy, oz = eyes[f, 0], eyes[f, 1], eyes[f, 2]
        view = views[f]
        moment = moments[f]
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                below, right = min(top + TILE, height), min(left + TILE, width)
                visible = 0
                for k in range(count):
                    if (
                        boxes[f, k, 0] < right
                        and boxes[f, k, 1] >= left
                        and boxes[f, k, 2] < below
                        and boxes[f, k, 3] >= top
                    ):
                        seen[visible] = k
                        visible += 1
                for py in range(top, below):
                    for px in range(left, right):
                        red = green = blue = opening = 0.0
                        for q in range(n):
                            u = (px + (q % samples + 0.5) / samples - 0.5 * width) * pixel
                            v = (0.5 * height - py - (q // samples + 0.5) / samples) * pixel
                            dx = view[0, 2] + u * view[0, 0] + v * view[0, 1]
                            dy = view[1, 2] + u * view[1, 0] + v * view[1, 1]
                            dz = view[2, 2] + u * view[2, 0] + v * view[2, 1]
                            # the direction is 1 deep, so distances compare with depths
                            best, which = MISS, OPEN
                            for m in range(visible):
                                k = seen[m]
                                if nearest[f, k] > best:
                                    break
                                row = rows[f, k]
                                lx, ly, lz = inward(row, dx, dy, dz)
                                a, b, c = origins[f, k, 0], origins[f, k, 1], origins[f, k, 2]
                                kind = int(row[KIND])
                                if kind == ELLIPSOID:
                                    t = meet_ellipsoid(a, b, c, lx, ly, lz)
                                elif kind == BOX:
                                    t = meet_box(a, b, c, lx, ly, lz)
                                elif kind == FRUSTUM:
                                    t = meet_frustum(a, b, c, lx, ly, lz, row[TAPER])
                                else:
                                    t = meet_gable(a, b, c, lx, ly, lz)
                                if t < best:
                                    best, which = t, k
                            down = -oy / dy if dy < -1e-6 else MISS  # noqa: PLR2004
                            if s.backdrop == WALLS and down < MISS:
                                # the floor ends at the walls
                                hx, hz = ox + down * dx, oz + down * dz
                                if abs(hx) > s.walls[0] or hz > s.walls[2] or hz < -s.walls[3]:
                                    down = MISS
                            if down < best:
                                best, which = down, count
                            wx = wy = wz = 0.0
                            if which == OPEN and s.backdrop == WALLS:
                                which, wx, wy, wz = face_of(ox, oy, oz, dx, dy, dz, s)
                            ids[q] = which
                            known = OPEN
                            for e in range(q - q % samples if which == count and s.ground in FINE else 0, q):
                                if ids[e] == which:
                                    known = e
                                    break
                            if known != OPEN:
                                reds[q], greens[q], blues[q] = reds[known], greens[known], blues[known]
                            else:
                                stretch = sqrt(dx * dx + dy * dy + dz * dz)
                                ex, ey, ez = dx / stretch, dy / stretch, dz / stretch
                                far = best * stretch
                                haze = 1.0
                                if which in (OPEN, PANE):
                                    haze = 0.0
                                    colour = behind(
                                        ex, ey + (PANE_LIFT if which == PANE else 0.0), ez, s, blobs, moment
                                    )
                                    if which == PANE:
                                        colour = through_pane(colour, wx, wy, s)
                                elif which < OPEN:
                                    far = wz
                                    colour = wall_colour(which, wx, wy, wz, s)
                                elif which == count:
                                    colour = lit_ground(ox + best * dx, oz + best * dz, far, s, shadows, moment)
                                else:
                                    row = rows[f, which]
                                    ix, iy, iz = inward(row, dx, dy, dz)
                                    hx = origins[f, which, 0] + best * ix
                                    hy = origins[f, which, 1] + best * iy
                                    hz = origins[f, which, 2] + best * iz
                                    lx, ly, lz = normal_of(int(row[KIND]), hx, hy, hz, row[TAPER])
                                    nx = row[INVERSE] * lx + row[INVERSE + 3] * ly + row[INVERSE + 6] * lz
                                    ny = row[INVERSE + 1] * lx + row[INVERSE + 4] * ly + row[INVERSE + 7] * lz
                                    nz = row[INVERSE + 2] * lx + row[INVERSE + 5] * ly + row[INVERSE + 8] * lz
                                    size = 1.0 / sqrt(nx * nx + ny * ny + nz * nz)
                                    nx, ny, nz = nx * size, ny * size, nz * size
                                    facing = abs(nx * ex + ny * ey + nz * ez)
                                    colour = coat(row, (hx, hy, hz), (nx, ny, nz), facing, s)
                                    haze = THING_HAZE if row[IS_THING] > 0.5 else 1.0  # noqa: PLR2004 - yes or no
                                share = 1.0 - exp(-s.fog_density * haze * far)
                                if share > 0.0:
                                    mist = deep(ex, ey, ez, s, moment) if s.backdrop == WATER else s.fog
                                    colour = mix(colour, mist, share)
                                reds[q], greens[q], blues[q] = colour[0], colour[1], colour[2]
                            red += reds[q]
                            green += greens[q]
                            blue += blues[q]
                            if s.backdrop != WALLS or which == PANE:
                                opening += 1.0
                        frames[f, py, px, 0] = red / n
                        frames[f, py, px, 1] = green / n
                        frames[f, py, px, 2] = blue / n
                        openings[f, py, px] = opening / n
