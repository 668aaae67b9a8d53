"""What stands around in each place. Enters: place, light, path. Leaves: solids that stay where they are.

Nothing stands within ``FREE`` of the path, so that the thing is never hidden; colours are muted, so that it stands out.
"""

from __future__ import annotations

from math import pi, tau
from types import MappingProxyType
from typing import TYPE_CHECKING

from models.pocket.scenes.attributes import Place, TimeOfDay
from models.pocket.scenes.indoors import FREE, furnish_cot, furnish_room
from models.pocket.scenes.light import jittered, times
from models.pocket.scenes.shapes import GABLE, OUTWARDS, UPWARDS, WINDOWS, Coat, Shapes, Vector
from models.pocket.scenes.transforms import about_x, about_y, about_z

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

CREAM: Vector = (0.86, 0.82, 0.72)
LAMP_GLOW: Mapping[TimeOfDay, float] = MappingProxyType(
    {TimeOfDay.MORNING: 0.1, TimeOfDay.DAY: 0.1, TimeOfDay.EVENING: 0.6, TimeOfDay.NIGHT: 1.0}
)


def furnish(place: Place, time: TimeOfDay, reach: float, rng: np.random.Generator) -> Shapes:
    """The place's solids, as far as a viewer comes who gets ``reach`` ahead."""
    shapes = Shapes()
    FURNISHERS[place](shapes, time, reach, rng)
    return shapes


def _fields(shapes: Shapes, _time: TimeOfDay, reach: float, rng: np.random.Generator) -> None:
    leaves = Coat(colour=(0.22, 0.36, 0.16), second=(0.34, 0.50, 0.22), pattern=UPWARDS)
    for _ in range(9):
        x, z = float(rng.uniform(-26.0, 26.0)), float(rng.uniform(8.0, 42.0 + reach))
        size = float(rng.uniform(0.9, 1.7))
        shapes.ellipsoid((x, 0.8 * size, z), (size, size, size), leaves)
    if rng.random() < 0.6:  # noqa: PLR2004 - villages here and there
        village_x, village_z = float(rng.uniform(-11.0, 11.0)), float(rng.uniform(17.0, 27.0)) + 0.5 * reach
        roof, front = Coat(colour=(0.60, 0.34, 0.26)), Coat(colour=CREAM)
        for k in range(6):
            x = village_x + 3.6 * (k % 3) + float(rng.uniform(-0.6, 0.6))
            z = village_z + 4.0 * (k // 3) + float(rng.uniform(-0.6, 0.6))
            turn = about_y(float(rng.choice((0.0, pi / 2))))
            shapes.box((x, 0.7, z), (1.3, 0.7, 0.95), front, turn)
            shapes.add(GABLE, (x, 2.0, z), (1.45, 0.65, 1.15), roof, turn=turn)


def _water(shapes: Shapes, _time: TimeOfDay, reach: float, rng: np.random.Generator) -> None:
    for k in range(12):
        side = -1.0 if k % 2 else 1.0
        x = side * float(rng.uniform(FREE, 5.5))
        z = float(rng.uniform(1.5, 3.0)) + (reach + 8.0) * k / 12
        tall = float(rng.uniform(2.0, 4.2))
        green = jittered(rng, (0.16, 0.44, 0.22), 0.2)
        weed = Coat(colour=times(green, 0.7), second=times(green, 1.35), pattern=UPWARDS)
        lean = float(rng.uniform(-0.5, 0.5))
        for blade in (-0.32, 0.0, 0.32):
            up = tall * (1.0 - abs(blade))
            bend = about_z(blade * 0.8 + 0.35 * lean)
            shapes.ellipsoid(
                (x + blade - 0.25 * up * (blade + 0.4 * lean), 0.46 * up, z), (0.20, 0.5 * up, 0.10), weed, bend
            )
    for _ in range(14):
        x, z = float(rng.uniform(-4.5, 4.5)), float(rng.uniform(1.6, 9.0 + reach))
        size = float(rng.uniform(0.22, 0.55))
        pebble = Coat(colour=jittered(rng, (0.66, 0.66, 0.64), 0.22))
        shapes.ellipsoid((x, 0.3 * size, z), (size, 0.55 * size, 0.85 * size), pebble)
    for _ in range(8):
        side = float(rng.choice((-1.0, 1.0)))
        x, y, z = (
            side * float(rng.uniform(1.7, 3.4)),
            float(rng.uniform(0.8, 4.2)),
            float(rng.uniform(2.5, 6.5 + reach)),
        )
        size = float(rng.uniform(0.09, 0.20))
        shapes.ellipsoid((x, y, z), (size, size, size), Coat(colour=(0.85, 0.95, 0.97), glow=0.35))


def _meadow(shapes: Shapes, _time: TimeOfDay, reach: float, rng: np.random.Generator) -> None:
    count = 22
    for k in range(count):
        side = -1.0 if k % 2 else 1.0
        x = side * (float(rng.uniform(1.9, 2.6)) if k % 3 == 0 else float(rng.uniform(2.4, 6.5)))
        z = 0.9 + (reach + 8.5) * (k + float(rng.uniform(0.0, 1.0))) / count
        tall = float(rng.uniform(5.5, 9.5))
        green = jittered(rng, (0.36, 0.54, 0.16), 0.2)
        grass = Coat(colour=times(green, 0.62), second=times(green, 1.25), pattern=UPWARDS)
        lean, tilt = float(rng.uniform(-0.34, 0.34)) - 0.10 * side, float(rng.uniform(-0.15, 0.15))
        turn = about_z(lean) @ about_x(tilt) @ about_y(float(rng.uniform(-0.6, 0.6)))
        axis = turn @ (0.0, 0.5 * tall, 0.0)
        shapes.ellipsoid(
            (x + float(axis[0]), float(axis[1]) - 0.6, z + float(axis[2])),
            (float(rng.uniform(0.26, 0.42)), 0.56 * tall, 0.12),
            grass,
            turn,
        )
        if k % 5 == 0:
            drop = 0.25 * tall
            at = turn @ (0.0, drop, 0.0)
            dew = Coat(colour=(0.80, 0.92, 0.96), glow=0.4)
            shapes.ellipsoid((x + float(at[0]), float(at[1]), z - 0.15), (0.22, 0.25, 0.22), dew)
    for _ in range(5):
        side = float(rng.choice((-1.0, 1.0)))
        size = float(rng.uniform(0.25, 0.6))
        x, z = side * float(rng.uniform(1.8, 3.4)), float(rng.uniform(1.5, 7.0 + reach))
        shapes.ellipsoid(
            (x, 0.35 * size, z), (size, 0.75 * size, size), Coat(colour=jittered(rng, (0.50, 0.44, 0.38), 0.2))
        )


def _street(shapes: Shapes, time: TimeOfDay, reach: float, rng: np.random.Generator) -> None:
    walls = ((0.78, 0.72, 0.62), (0.66, 0.68, 0.72), (0.74, 0.64, 0.60), (0.72, 0.74, 0.66), (0.82, 0.78, 0.72))
    lit = time in (TimeOfDay.EVENING, TimeOfDay.NIGHT)
    glass: Vector = (0.98, 0.84, 0.48) if lit else (0.36, 0.44, 0.52)
    glow = LAMP_GLOW[time]
    for side in (-1.0, 1.0):
        z = -4.0
        while z < reach + 26.0:
            deep, tall = float(rng.uniform(4.0, 6.0)), float(rng.uniform(4.5, 6.5))
            front = walls[int(rng.integers(len(walls)))]
            coat = Coat(
                colour=jittered(rng, front),
                second=glass,
                pattern=WINDOWS,
                glow=0.9 * glow if lit else 0.1,
                repeats=(2.0, 2.0),
            )
            x = side * 8.2
            shapes.box((x, tall / 2, z + deep / 2), (2.6, tall / 2, deep / 2), coat)
            roof = Coat(colour=jittered(rng, (0.46, 0.34, 0.32)))
            shapes.add(GABLE, (x, tall + 1.1, z + deep / 2), (deep / 2 + 0.1, 1.1, 2.9), roof, turn=about_y(pi / 2))
            z += deep
    post = Coat(colour=(0.20, 0.22, 0.25))
    lamp = Coat(colour=(1.0, 0.90, 0.62), glow=max(glow, 0.25))
    beside = float(rng.choice((-1.0, 1.0)))
    z = float(rng.uniform(3.4, 4.6))
    while z < reach + 16.0:
        x = beside * 2.75
        shapes.rod((x, 0.0, z), (x, 4.0, z), 0.15, post, taper=0.7)
        shapes.ellipsoid((x, 4.2, z), (0.42, 0.46, 0.42), lamp)
        shapes.rod((x, 4.55, z), (x, 4.85, z), 0.45, post, taper=0.2)
        beside, z = -beside, z + 4.5


def _garden(shapes: Shapes, _time: TimeOfDay, reach: float, rng: np.random.Generator) -> None:
    tones = ((0.86, 0.66, 0.74), (0.74, 0.66, 0.82), (0.88, 0.76, 0.66), (0.84, 0.82, 0.70))
    leaf = Coat(colour=(0.20, 0.42, 0.16), second=(0.32, 0.54, 0.22), pattern=UPWARDS)
    middle = Coat(colour=(0.66, 0.50, 0.22))
    count = 8
    for k in range(count):
        side = -1.0 if k % 2 else 1.0
        near = k < 2  # noqa: PLR2004 - one on each side is close
        x = side * (float(rng.uniform(2.5, 2.9)) if near else float(rng.uniform(2.5, 5.6)))
        z = 2.6 + (reach + 7.5) * (k + float(rng.uniform(0.0, 0.7))) / count
        y = float(rng.uniform(1.9, 3.6))
        size = float(rng.uniform(1.15, 1.6))
        tone = tones[int(rng.integers(len(tones)))]
        petal = Coat(colour=times(tone, 0.82), second=tone, pattern=OUTWARDS)
        head = about_y(-side * 0.35) @ about_x(float(rng.uniform(0.2, 0.7)))
        for p in range(6):
            turn = head @ about_z(tau * p / 6)
            at = turn @ (0.62 * size, 0.0, 0.0)
            shapes.ellipsoid(
                (x + float(at[0]), y + float(at[1]), z + float(at[2])), (0.46 * size, 0.33 * size, 0.10), petal, turn
            )
        centre = head @ (0.0, 0.0, -0.08)
        shapes.ellipsoid((x, y, z + float(centre[2])), (0.34 * size, 0.34 * size, 0.20), middle, head)
        shapes.rod((x, 0.0, z + 0.3), (x, y, z + 0.14), 0.12, leaf)
        shapes.ellipsoid((x + 0.5, 0.5 * y, z + 0.3), (0.6, 0.22, 0.12), leaf, about_z(0.5))
    for k in range(8):
        x, z = float(rng.uniform(-6.5, 6.5)), 3.0 + (reach + 7.0) * k / 8
        size = float(rng.uniform(0.7, 1.2))
        shapes.ellipsoid((x, 0.1, z), (1.3 * size, 0.9 * size, size), leaf)


def _forest(shapes: Shapes, _time: TimeOfDay, reach: float, rng: np.random.Generator) -> None:
    count = 18
    for k in range(count):
        side = -1.0 if k % 2 else 1.0
        near = k % 3 == 0
        x = side * (float(rng.uniform(FREE + 0.2, 3.2)) if near else float(rng.uniform(3.2, 10.0)))
        z = 2.0 + (reach + 16.0) * (k + float(rng.uniform(0.0, 0.9))) / count
        thick = float(rng.uniform(0.38, 0.75))
        bark = jittered(rng, (0.42, 0.30, 0.22), 0.2)
        tree = Coat(colour=times(bark, 0.75), second=times(bark, 1.15), pattern=UPWARDS)
        lean = float(rng.uniform(-0.5, 0.5))
        shapes.rod((x, -0.2, z), (x + lean, 13.0, z), thick, tree, taper=0.7)
        if k % 3 != 1:
            green = Coat(colour=jittered(rng, (0.20, 0.37, 0.16), 0.2))
            size = float(rng.uniform(2.0, 3.2))
            y = float(rng.uniform(6.5, 9.5))
            shapes.ellipsoid((x + lean, y, z), (size, 0.6 * size, size), green)
    for _ in range(6):
        side = float(rng.choice((-1.0, 1.0)))
        size = float(rng.uniform(0.5, 1.1))
        fern = Coat(colour=jittered(rng, (0.20, 0.33, 0.14), 0.15))
        x, z = side * float(rng.uniform(FREE + size, 6.0)), float(rng.uniform(2.5, 10.0 + reach))
        shapes.ellipsoid((x, 0.2, z), (1.2 * size, 0.75 * size, size), fern)


FURNISHERS: Mapping[Place, Callable[[Shapes, TimeOfDay, float, np.random.Generator], None]] = MappingProxyType(
    {
        Place.ROOM: furnish_room,
        Place.FIELDS: _fields,
        Place.WATER: _water,
        Place.MEADOW: _meadow,
        Place.STREET: _street,
        Place.GARDEN: _garden,
        Place.FOREST: _forest,
        Place.COT: furnish_cot,
    }
)
