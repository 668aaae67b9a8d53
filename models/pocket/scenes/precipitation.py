# ruff: noqa: PLR0917 - compiled loops take numbers one by one
"""Compiled: rain and snow, drawn over the frames. Enters: drops, views. Leaves: streaks, and frames that have them."""

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


#: Of a streak: where it begins in pixels, how far it goes on, its half width, its strength.
X, Y, ALONG_X, ALONG_Y, THICK, STRENGTH, NUMBERS = range(7)


@compiled
def streaks_of(
    drops: NDArray[np.float64],
    eyes: NDArray[np.float64],
    views: NDArray[np.float64],
    moments: NDArray[np.float64],
    scale: float,
    width: int,
    height: int,
    velocity: tuple[float, float, float],
    trail_s: float,
    radius: float,
    strength: float,
) -> NDArray[np.float64]:
    """Streaks ``(T, N, NUMBERS)`` on the picture; those that are not seen have no strength.

    Drops ``(N, 4)``: place in the box 0 to 1, phase. Radius in scene units; a trail lasts ``trail_s``; ``scale`` is the
    pixels that a scene unit has at a depth of one.
    """
    streaks = np.zeros((moments.shape[0], drops.shape[0], NUMBERS))
    ends = np.zeros((2, 3))
    for f in range(moments.shape[0]):
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
            streak = streaks[f, k]
            streak[X], streak[Y], streak[ALONG_X], streak[ALONG_Y] = xa, ya, xb - xa, yb - ya
            streak[THICK], streak[STRENGTH] = max(radius * scale / depth_a, 0.0085 * height), strength * fade
    return streaks


@compiled
def cover_of(streak: NDArray[np.float64], px: int, py: int) -> float:
    """How much of a pixel a streak hides."""
    u, v = px + 0.5 - streak[X], py + 0.5 - streak[Y]
    along_x, along_y = streak[ALONG_X], streak[ALONG_Y]
    share = min(max((u * along_x + v * along_y) / (along_x * along_x + along_y * along_y + 1e-6), 0.0), 1.0)
    u, v = u - share * along_x, v - share * along_y
    q = (u * u + v * v) / (streak[THICK] * streak[THICK])
    return streak[STRENGTH] * min(1.25 * exp(-1.2 * q), 1.0) if q < 4.0 else 0.0  # noqa: PLR2004 - two radii: no more


@compiled
def precipitate(
    frames: NDArray[np.float32],
    openings: NDArray[np.float32],
    streaks: NDArray[np.float64],
    colour: tuple[float, float, float],
) -> None:
    """Draw streaks ``(T, N, NUMBERS)`` over the frames ``(T, H, W, 3)`` where ``openings`` let them be seen."""
    height, width = frames.shape[1], frames.shape[2]
    for f in range(frames.shape[0]):
        for k in range(streaks.shape[1]):
            streak = streaks[f, k]
            if streak[THICK] == 0.0:
                continue
            xa, ya, thick = streak[X], streak[Y], streak[THICK]
            xb, yb = xa + streak[ALONG_X], ya + streak[ALONG_Y]
            left, right = int(min(xa, xb) - 2.0 * thick), int(max(xa, xb) + 2.0 * thick) + 1
            top, below = int(min(ya, yb) - 2.0 * thick), int(max(ya, yb) + 2.0 * thick) + 1
            for py in range(max(top, 0), min(below + 1, height)):
                for px in range(max(left, 0), min(right + 1, width)):
                    cover = cover_of(streak, px, py) * openings[f, py, px]
                    for channel in range(3):
                        frames[f, py, px, channel] += cover * (colour[channel] - frames[f, py, px, channel])
