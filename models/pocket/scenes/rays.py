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
from models.pocket.scenes.compiled import compiled, inlined
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


@inlined
def hit_of(  # noqa: C901 - one case a kind of solid
    rows: NDArray[np.float64],
    origins: NDArray[np.float64],
    nearest: NDArray[np.float64],
    seen: NDArray[np.int64],
    visible: int,
    eye: Rgb,
    ray: Rgb,
    s: Surroundings,
) -> tuple[int, float, float, float, float]:
    """What a ray meets: a solid's number, that of the ground, a face, or ``OPEN``; how deep; where, of a face.

    ``seen`` are the numbers of the first ``visible`` solids that it may meet, from near to far. The direction is 1
    deep, so distances compare with depths.
    """
    dx, dy, dz = ray
    best, which = MISS, OPEN
    for m in range(visible):
        k = seen[m]
        if nearest[k] > best:
            break
        row = rows[k]
        lx, ly, lz = inward(row, dx, dy, dz)
        a, b, c = origins[k, 0], origins[k, 1], origins[k, 2]
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
    ox, oy, oz = eye
    down = -oy / dy if dy < -1e-6 else MISS  # noqa: PLR2004
    if s.backdrop == WALLS and down < MISS:
        # the floor ends at the walls
        hx, hz = ox + down * dx, oz + down * dz
        if abs(hx) > s.walls[0] or hz > s.walls[2] or hz < -s.walls[3]:
            down = MISS
    if down < best:
        best, which = down, rows.shape[0]
    wx = wy = wz = 0.0
    if which == OPEN and s.backdrop == WALLS:
        which, wx, wy, wz = face_of(ox, oy, oz, dx, dy, dz, s)
    return which, best, wx, wy, wz


@inlined
def colour_of(
    hit: tuple[int, float, float, float, float],
    rows: NDArray[np.float64],
    origins: NDArray[np.float64],
    eye: Rgb,
    ray: Rgb,
    moment: float,
    blobs: NDArray[np.float64],
    shadows: NDArray[np.float64],
    s: Surroundings,
) -> Rgb:
    """The colour that a ray brings from what it has met; see `hit_of`."""
    which, best, wx, wy, wz = hit
    dx, dy, dz = ray
    stretch = sqrt(dx * dx + dy * dy + dz * dz)
    ex, ey, ez = dx / stretch, dy / stretch, dz / stretch
    far = best * stretch
    haze = 1.0
    if which in (OPEN, PANE):
        haze = 0.0
        colour = behind(ex, ey + (PANE_LIFT if which == PANE else 0.0), ez, s, blobs, moment)
        if which == PANE:
            colour = through_pane(colour, wx, wy, s)
    elif which < OPEN:
        far = wz
        colour = wall_colour(which, wx, wy, wz, s)
    elif which == rows.shape[0]:
        colour = lit_ground(eye[0] + best * dx, eye[2] + best * dz, far, s, shadows, moment)
    else:
        row = rows[which]
        ix, iy, iz = inward(row, dx, dy, dz)
        hx = origins[which, 0] + best * ix
        hy = origins[which, 1] + best * iy
        hz = origins[which, 2] + best * iz
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
    return colour


@inlined
def ray_of(
    px: int, py: int, q: int, samples: int, width: int, height: int, slope: float, view: NDArray[np.float64]
) -> Rgb:
    """The direction, 1 deep, of a pixel's sample ``q``; ``slope`` is the tangent of half the vertical angle of view."""
    pixel = 2.0 * slope / height
    u = (px + (q % samples + 0.5) / samples - 0.5 * width) * pixel
    v = (0.5 * height - py - (q // samples + 0.5) / samples) * pixel
    return (
        view[0, 2] + u * view[0, 0] + v * view[0, 1],
        view[1, 2] + u * view[1, 0] + v * view[1, 1],
        view[2, 2] + u * view[2, 0] + v * view[2, 1],
    )


@inlined
def pixel_of(
    px: int,
    py: int,
    width: int,
    height: int,
    rows: NDArray[np.float64],
    origins: NDArray[np.float64],
    nearest: NDArray[np.float64],
    seen: NDArray[np.int64],
    visible: int,
    eye: Rgb,
    view: NDArray[np.float64],
    moment: float,
    slope: float,
    blobs: NDArray[np.float64],
    shadows: NDArray[np.float64],
    s: Surroundings,
    samples: int,
    ids: NDArray[np.int64],
    colours: NDArray[np.float64],
) -> tuple[float, float, float, float]:
    """A pixel's colour, and the share of it through which weather is seen.

    ``ids (samples²,)`` and ``colours (samples², 3)`` are room to work in.
    """
    red = green = blue = opening = 0.0
    n = samples * samples
    for q in range(n):
        ray = ray_of(px, py, q, samples, width, height, slope, view)
        hit = hit_of(rows, origins, nearest, seen, visible, eye, ray, s)
        which = hit[0]
        ids[q] = which
        known = OPEN
        for e in range(q - q % samples if which == rows.shape[0] and s.ground in FINE else 0, q):
            if ids[e] == which:
                known = e
                break
        if known != OPEN:
            colours[q, 0], colours[q, 1], colours[q, 2] = colours[known, 0], colours[known, 1], colours[known, 2]
        else:
            colour = colour_of(hit, rows, origins, eye, ray, moment, blobs, shadows, s)
            colours[q, 0], colours[q, 1], colours[q, 2] = colour[0], colour[1], colour[2]
        red += colours[q, 0]
        green += colours[q, 1]
        blue += colours[q, 2]
        if s.backdrop != WALLS or which == PANE:
            opening += 1.0
    return red / n, green / n, blue / n, opening / n


@compiled
def cast(
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

    The numbers are those of a `models.pocket.scenes.stage.Stage`; ``samples`` squared rays a pixel.
    """
    length, height, width = frames.shape[0], frames.shape[1], frames.shape[2]
    seen = np.zeros(rows.shape[1], np.int64)
    ids, colours = np.zeros(samples * samples, np.int64), np.zeros((samples * samples, 3))
    for f in range(length):
        eye = (eyes[f, 0], eyes[f, 1], eyes[f, 2])
        solids, there, depths, view, dark = rows[f], origins[f], nearest[f], views[f], shadows[f]
        for top in range(0, height, TILE):
            for left in range(0, width, TILE):
                below, right = min(top + TILE, height), min(left + TILE, width)
                visible = fill_seen(seen, boxes[f], left, right, top, below)
                for py in range(top, below):
                    for px in range(left, right):
                        red, green, blue, opening = pixel_of(
                            px,
                            py,
                            width,
                            height,
                            solids,
                            there,
                            depths,
                            seen,
                            visible,
                            eye,
                            view,
                            moments[f],
                            slope,
                            blobs,
                            dark,
                            s,
                            samples,
                            ids,
                            colours,
                        )
                        frames[f, py, px, 0] = red
                        frames[f, py, px, 1] = green
                        frames[f, py, px, 2] = blue
                        openings[f, py, px] = opening


@compiled
def fill_seen(seen: NDArray[np.int64], boxes: NDArray[np.int64], left: int, right: int, top: int, below: int) -> int:
    """Fill in the numbers of the solids whose boxes ``(N, 4)`` lie there; how many they are."""
    visible = 0
    for k in range(boxes.shape[0]):
        if boxes[k, 0] < right and boxes[k, 1] >= left and boxes[k, 2] < below and boxes[k, 3] >= top:
            seen[visible] = k
            visible += 1
    return visible
