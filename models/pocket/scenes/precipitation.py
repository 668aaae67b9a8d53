# ruff: noqa: PLR0917 - compiled loops take numbers one by one
"""Compiled: rain and snow, drawn over the frames. Enters: frames, drops. Leaves: frames."""

from __future__ import annotations

from math import exp, floor
from typing import TYPE_CHECKING, Final

import numpy as np

from models.pocket.scenes.compiled import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Half sides of the box of air around the viewer that is filled with drops, in scene units.
BOX: Final = (5.0, 3.6, 5.5)
NEAREST: Final = 1.0


@compiled
def precipitate(  # noqa: C901 - one loop nest
    frames: NDArray[np.float32],
    openings: NDArray[np.float32],
    drops: NDArray[np.float64],
    eyes: NDArray[np.float64],
    views: NDArray[np.float64],
    moments: NDArray[np.float64],
    slope: float,
    velocity: tuple[float, float, float],
    trail_s: float,
    radius: float,
    colour: tuple[float, float, float],
    strength: float,
) -> None:
    """Drops ``(N, 4)``: place in the box 0 to 1, phase. Radius in scene units; a trail lasts ``trail_s``."""
    length, height, width = frames.shape[0], frames.shape[1], frames.shape[2]
    scale = 0.5 * height / slope
    ends = np.zeros((2, 3))
    for f in range(length):
        view = views[f]
        for k in range(drops.shape[0]):
            for axis in range(3):
                span = 2.0 * BOX[axis]
                base = drops[k, axis] * span + velocity[axis] * moments[f]
                if axis == 0 and trail_s == 0.0:
                    base += 0.25 * np.sin(2.5 * moments[f] + 6.3 * drops[k, 3])
                away = base - eyes[f, axis]
                ends[0, axis] = away - span * floor(away / span) - BOX[axis]
                ends[1, axis] = ends[0, axis] - velocity[axis] * trail_s
            fade = 1.0
            for axis in range(3):
                fade *= min(1.0, 3.0 * (1.0 - abs(ends[0, axis]) / BOX[axis]))
            depth_a = depth_b = xa = ya = xb = yb = 0.0
            for axis in range(3):
                depth_a += view[axis, 2] * ends[0, axis]
                depth_b += view[axis, 2] * ends[1, axis]
                xa += view[axis, 0] * ends[0, axis]
                xb += view[axis, 0] * ends[1, axis]
                ya += view[axis, 1] * ends[0, axis]
                yb += view[axis, 1] * ends[1, axis]
            if depth_a < NEAREST or depth_b < NEAREST:
                continue
            fade *= min(1.0, 2.0 * (depth_a - NEAREST))
            xa, xb = 0.5 * width + scale * xa / depth_a, 0.5 * width + scale * xb / depth_b
            ya, yb = 0.5 * height - scale * ya / depth_a, 0.5 * height - scale * yb / depth_b
            thick = max(radius * scale / depth_a, 0.0085 * height)
            left, right = int(min(xa, xb) - 2.0 * thick), int(max(xa, xb) + 2.0 * thick) + 1
            top, below = int(min(ya, yb) - 2.0 * thick), int(max(ya, yb) + 2.0 * thick) + 1
            along_x, along_y = xb - xa, yb - ya
            square = along_x * along_x + along_y * along_y + 1e-6
            for py in range(max(top, 0), min(below + 1, height)):
                for px in range(max(left, 0), min(right + 1, width)):
                    u, v = px + 0.5 - xa, py + 0.5 - ya
                    share = min(max((u * along_x + v * along_y) / square, 0.0), 1.0)
                    u, v = u - share * along_x, v - share * along_y
                    q = (u * u + v * v) / (thick * thick)
                    if q < 4.0:  # noqa: PLR2004 - two radii: nothing is left
                        cover = strength * fade * min(1.25 * exp(-1.2 * q), 1.0) * openings[f, py, px]
                        for channel in range(3):
                            frames[f, py, px, channel] += cover * (colour[channel] - frames[f, py, px, channel])
