"""What stands around in the room and in the cot. Enters: how far the viewer comes. Leaves: solids."""

from __future__ import annotations

from math import cos, pi, sin, tau
from typing import TYPE_CHECKING

from models.pocket.scenes.light import jittered
from models.pocket.scenes.shapes import Coat, Shapes, Vector
from models.pocket.scenes.transforms import about_z

if TYPE_CHECKING:
    import numpy as np

    from models.pocket.scenes.attributes import TimeOfDay

#: Nothing stands nearer than this to the middle of the path.
FREE = 2.3
WOOD: Vector = (0.46, 0.30, 0.18)


def furnish_room(shapes: Shapes, _time: TimeOfDay, reach: float, rng: np.random.Generator) -> None:
    """A table that one looks under, a sofa, a chair."""
    deep = reach + 6.6
    half = 0.62 * deep
    side = float(rng.choice((-1.0, 1.0)))
    wood = Coat(colour=jittered(rng, WOOD))
    # a table that one looks under
    near, far = float(rng.uniform(1.6, 2.2)), float(rng.uniform(5.0, 5.8)) + 0.4 * reach
    inner, outer = side * (FREE + 0.1), side * (half - 0.8)
    for x in (inner, outer):
        for z in (near, far):
            shapes.box((x, 1.1, z), (0.17, 1.1, 0.17), wood)
    shapes.box(
        ((inner + outer) / 2, 2.3, (near + far) / 2), (abs(outer - inner) / 2 + 0.3, 0.14, (far - near) / 2 + 0.3), wood
    )
    # a sofa and a chair across
    cloth = Coat(colour=jittered(rng, (0.52, 0.50, 0.50)))
    at = 3.2 + 0.3 * reach + float(rng.uniform(0.0, 0.8))
    shapes.box((-side * (half - 0.9), 0.75, at), (0.95, 0.35, 1.9), cloth)
    shapes.box((-side * (half - 0.2), 1.3, at), (0.3, 0.9, 1.9), cloth)
    for end in (-1.9, 1.9):
        shapes.ellipsoid((-side * (half - 0.9), 1.05, at + end), (0.95, 0.45, 0.35), cloth)
        shapes.rod(
            (-side * (half - 1.6), 0.0, at + 0.8 * end), (-side * (half - 1.6), 0.42, at + 0.8 * end), 0.12, wood
        )
    seat = 1.0 + float(rng.uniform(0.0, 0.4))
    x = -side * (FREE + 0.5)
    for u in (-0.45, 0.45):
        for v in (-0.45, 0.45):
            shapes.rod((x + u, 0.0, seat + v), (x + u, 1.3, seat + v), 0.10, wood)
    shapes.box((x, 1.35, seat), (0.6, 0.09, 0.6), wood)


def furnish_cot(shapes: Shapes, _time: TimeOfDay, reach: float, rng: np.random.Generator) -> None:
    """Bars on three sides and a mobile above."""
    wood = Coat(colour=jittered(rng, (0.70, 0.53, 0.36), 0.06))
    top, half, end = 3.6, 1.85, 4.4
    for side in (-1.0, 1.0):
        for k in range(8):
            z = -0.9 + 0.72 * k
            shapes.rod((side * half, 0.4, z), (side * half, top, z), 0.13, wood)
        shapes.rod((side * half, top, -1.5), (side * half, top, end), 0.20, wood)
    for k in range(5):
        x = -half + 2.0 * half * (k + 0.5) / 5
        shapes.rod((x, 0.4, end), (x, top, end), 0.13, wood)
    shapes.rod((-half - 0.1, top, end), (half + 0.1, top, end), 0.20, wood)
    # the mobile hangs above what floats in the middle
    x, y, z = float(rng.uniform(-0.3, 0.3)), 8.0 + 0.6 * reach, 2.1 + 0.3 * reach
    arm = Coat(colour=WOOD)
    turn = float(rng.uniform(0.0, tau))
    shapes.rod((x, y, z), (x, y + 8.0, z), 0.06, arm)
    tones = ((0.80, 0.74, 0.52), (0.66, 0.74, 0.82), (0.80, 0.66, 0.70), (0.68, 0.78, 0.68))
    for k in range(4):
        angle = turn + tau * k / 4
        ex, ez = x + 2.3 * cos(angle), z + 2.3 * sin(angle)
        shapes.rod((x, y, z), (ex, y, ez), 0.10, arm)
        coat = Coat(colour=tones[k], glow=0.15)
        for lobe in range(3):
            shapes.ellipsoid((ex, y - 0.75, ez), (0.78, 0.24, 0.24), coat, about_z(pi * lobe / 3 + 0.3))
