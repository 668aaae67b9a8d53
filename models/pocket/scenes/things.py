"""The main objects, built of solids. Enters: which, its colour, the moment. Leaves: solids about 1 high.

They look along x (to a viewer's right); balls, balloons, butterflies and flowers show their face towards -z.
"""

from __future__ import annotations

from itertools import pairwise
from math import pi, sin, tau
from types import MappingProxyType
from typing import TYPE_CHECKING

from models.pocket.scenes.attributes import Colour, Thing
from models.pocket.scenes.light import tint
from models.pocket.scenes.shapes import BANDS, FRUSTUM, MERIDIANS, OUTWARDS, UPWARDS, Coat, Shapes, Vector
from models.pocket.scenes.transforms import about_x, about_y, about_z

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Display values, far apart from each other and from all backgrounds.
PAINTS: Mapping[Colour, Vector] = MappingProxyType(
    {
        Colour.RED: (0.92, 0.07, 0.09),
        Colour.ORANGE: (1.0, 0.47, 0.02),
        Colour.YELLOW: (1.0, 0.90, 0.08),
        Colour.GREEN: (0.05, 0.74, 0.22),
        Colour.BLUE: (0.07, 0.34, 1.0),
        Colour.PURPLE: (0.58, 0.12, 0.82),
        Colour.WHITE: (0.98, 0.98, 0.98),
    }
)

#: Things that stand or roll where there is a ground near.
GROUNDED = frozenset({Thing.BALL, Thing.MOUSE, Thing.FLOWER, Thing.CAR})
#: Things that show their face, not their side.
FACING = frozenset({Thing.BALL, Thing.BALLOON, Thing.BUTTERFLY, Thing.FLOWER})

GLOW = 0.72
DARK = Coat(colour=(0.12, 0.11, 0.14), glow=0.5)
EYE = Coat(colour=(0.97, 0.97, 0.97), glow=0.6)
BEAK = Coat(colour=(0.95, 0.62, 0.12), glow=0.5)
LEAF = Coat(colour=(0.22, 0.50, 0.16), glow=0.45)
PINK = Coat(colour=(0.90, 0.62, 0.62), glow=0.5)
GLASS = Coat(colour=(0.66, 0.78, 0.86), glow=0.5)
METAL = Coat(colour=(0.72, 0.72, 0.74), glow=0.5)


def build_thing(thing: Thing, colour: Colour, moment_s: float, phase: float) -> Shapes:
    """The thing as it looks at that moment of its own small motion; ``phase`` 0 to 1 shifts it."""
    shapes = Shapes(is_thing=True)
    BUILDERS[thing](shapes, PAINTS[colour], tau * phase, moment_s)
    return shapes


def _plain(paint: Vector) -> Coat:
    return Coat(colour=paint, glow=GLOW)


def _other(paint: Vector, share: float) -> Vector:
    """A second tone of the same name: lighter, of white darker."""
    return tint(paint, (1.0, 1.0, 1.0), share) if min(paint) < 0.9 else (0.80, 0.82, 0.86)  # noqa: PLR2004


def _ball(shapes: Shapes, paint: Vector, phase: float, moment_s: float) -> None:
    coat = Coat(colour=paint, second=_other(paint, 0.30), pattern=MERIDIANS, glow=GLOW, repeats=(3.0, 1.0))
    turn = about_z(-3.2 * moment_s - phase) @ about_x(0.9)
    shapes.ellipsoid((0.0, 0.0, 0.0), (0.5, 0.5, 0.5), coat, turn)


def _balloon(shapes: Shapes, paint: Vector, phase: float, moment_s: float) -> None:
    sway = 0.10 * sin(3.0 * moment_s + phase)
    turn = about_z(sway)
    shapes.ellipsoid((0.0, 0.20, 0.0), (0.37, 0.42, 0.37), _plain(paint), turn)
    shapes.add(
        FRUSTUM, (0.35 * sway, -0.16, 0.0), (0.24, 0.14, 0.24), _plain(paint), turn=about_z(pi + sway), taper=0.25
    )
    shapes.ellipsoid((0.35 * sway, -0.31, 0.0), (0.09, 0.06, 0.09), _plain(tint(paint, (0.0, 0.0, 0.0), 0.25)))
    shapes.ellipsoid((-0.14, 0.38, -0.29), (0.08, 0.11, 0.03), EYE, about_z(-0.5))
    string = Coat(colour=(0.30, 0.27, 0.30), glow=0.5)
    bends = [(0.35 * sway + 0.09 * sin(1.9 * k + 4.0 * moment_s) * min(k, 1), -0.34 - 0.16 * k, 0.0) for k in range(5)]
    for foot, top in pairwise(bends):
        shapes.rod(foot, top, 0.028, string)


def _butterfly(shapes: Shapes, paint: Vector, phase: float, moment_s: float) -> None:
    flap = 0.38 + 0.38 * sin(tau * 2.6 * moment_s + phase)
    wing = Coat(colour=_other(paint, 0.38), second=paint, pattern=OUTWARDS, glow=GLOW)
    for side in (-1.0, 1.0):
        fold = about_y(side * flap)
        for reach, height, half, tilt in (
            (0.40, 0.20, (0.38, 0.25, 0.035), 0.55),
            (0.29, -0.22, (0.27, 0.22, 0.035), -0.60),
        ):
            x, _, z = fold @ (side * reach, 0.0, 0.0)
            shapes.ellipsoid((float(x), height, float(z)), half, wing, fold @ about_z(side * tilt))
    shapes.ellipsoid((0.0, 0.0, 0.0), (0.065, 0.34, 0.065), DARK)
    shapes.ellipsoid((0.0, 0.34, 0.0), (0.085, 0.085, 0.085), DARK)
    for side in (-1.0, 1.0):
        shapes.rod((0.03 * side, 0.38, 0.0), (0.17 * side, 0.62, -0.05), 0.024, DARK)


def _bird(shapes: Shapes, paint: Vector, phase: float, moment_s: float) -> None:
    flap = 0.25 + 0.75 * sin(tau * 2.4 * moment_s + phase)
    body = Coat(colour=_other(paint, 0.36), second=paint, pattern=UPWARDS, glow=GLOW)
    shapes.ellipsoid((0.0, 0.0, 0.0), (0.42, 0.23, 0.22), body, about_z(0.15))
    shapes.ellipsoid((0.38, 0.20, 0.0), (0.19, 0.18, 0.18), _plain(paint))
    shapes.rod((0.53, 0.19, 0.0), (0.76, 0.14, 0.0), 0.085, BEAK, taper=0.05)
    shapes.ellipsoid(
        (-0.50, -0.02, 0.0), (0.27, 0.045, 0.15), _plain(tint(paint, (0.0, 0.0, 0.0), 0.12)), about_z(0.10)
    )
    wing = _plain(tint(paint, (0.0, 0.0, 0.0), 0.16))
    for side in (-1.0, 1.0):
        shapes.ellipsoid((0.46, 0.25, 0.13 * side), (0.055, 0.055, 0.055), DARK)
        turn = about_x(-side * flap) @ about_y(0.25 * side)
        _, y, z = turn @ (0.0, 0.0, 0.46 * side)
        shapes.ellipsoid((-0.04, 0.10 + float(y), float(z)), (0.20, 0.045, 0.44), wing, turn)


def _fish(shapes: Shapes, paint: Vector, phase: float, moment_s: float) -> None:
    wag = 0.45 * sin(tau * 2.2 * moment_s + phase)
    body = Coat(colour=paint, second=_other(paint, 0.36), pattern=BANDS, glow=GLOW, repeats=(3.4, 1.0))
    shapes.ellipsoid((0.06, 0.0, 0.0), (0.47, 0.34, 0.17), body, about_y(-0.25 * wag))
    fin = _plain(tint(paint, (0.0, 0.0, 0.0), 0.14))
    tail = about_y(wag)
    for side in (-1.0, 1.0):
        lobe = tail @ about_z(side * 0.75)
        x, y, z = tail @ (-0.16, side * 0.17, 0.0)
        shapes.ellipsoid((-0.40 + float(x), float(y), float(z)), (0.27, 0.13, 0.05), fin, lobe @ about_z(pi))
        shapes.ellipsoid((0.34, 0.08, 0.135 * side), (0.085, 0.085, 0.05), EYE)
        shapes.ellipsoid((0.36, 0.08, 0.165 * side), (0.045, 0.045, 0.035), DARK)
    shapes.ellipsoid((-0.02, 0.33, 0.0), (0.24, 0.13, 0.04), fin, about_z(-0.25))
    shapes.ellipsoid((0.0, -0.31, 0.0), (0.15, 0.10, 0.04), fin, about_z(0.35))


def _mouse(shapes: Shapes, paint: Vector, phase: float, moment_s: float) -> None:
    hop = 0.04 * sin(tau * 3.0 * moment_s + phase)
    shapes.ellipsoid((-0.10, -0.17 + hop, 0.0), (0.44, 0.31, 0.27), _plain(paint))
    shapes.ellipsoid((0.34, -0.12 - hop, 0.0), (0.29, 0.20, 0.19), _plain(paint), about_z(-0.30))
    shapes.ellipsoid((0.62, -0.22 - hop, 0.0), (0.065, 0.065, 0.065), DARK)
    for side in (-1.0, 1.0):
        turn = about_y(0.35 * side)
        shapes.ellipsoid((0.17, 0.20, 0.17 * side), (0.22, 0.23, 0.05), _plain(paint), turn)
        shapes.ellipsoid((0.18, 0.20, 0.205 * side), (0.14, 0.15, 0.035), PINK, turn)
        shapes.ellipsoid((0.44, -0.03, 0.15 * side), (0.05, 0.05, 0.04), DARK)
        for foot, step in ((0.20, 0.0), (-0.28, pi)):
            lift = 0.06 * sin(tau * 3.0 * moment_s + phase + step + side)
            shapes.ellipsoid((foot + lift, -0.45, 0.15 * side), (0.12, 0.05, 0.07), PINK)
    bends = [(-0.50 - 0.15 * k, -0.30 + 0.035 * k * k, 0.09 * sin(1.4 * k + 6.0 * moment_s + phase)) for k in range(5)]
    for foot_at, top_at in pairwise(bends):
        shapes.rod(foot_at, top_at, 0.04, PINK)


def _flower(shapes: Shapes, paint: Vector, phase: float, moment_s: float) -> None:
    nod = 0.16 * sin(3.2 * moment_s + phase)
    head = about_z(nod * 0.8) @ about_x(0.22 + 0.5 * nod)
    middle = Coat(colour=(0.45, 0.27, 0.12) if paint[0] > 0.9 and paint[2] < 0.2 else (0.98, 0.80, 0.16), glow=0.55)  # noqa: PLR2004
    petal = Coat(colour=_other(paint, 0.30), second=paint, pattern=OUTWARDS, glow=GLOW)
    at = (0.5 * nod, 0.16, 0.0)
    for k in range(6):
        turn = head @ about_z(tau * k / 6)
        x, y, z = turn @ (0.27, 0.0, 0.0)
        shapes.ellipsoid((at[0] + float(x), at[1] + float(y), float(z)), (0.21, 0.155, 0.05), petal, turn)
    shapes.ellipsoid((at[0], at[1], -0.05), (0.15, 0.15, 0.08), middle, head)
    shapes.rod((0.0, -0.78, 0.06), (at[0], 0.10, 0.06), 0.042, LEAF)
    for side in (-1.0, 1.0):
        shapes.ellipsoid((0.20 * side, -0.50, 0.04), (0.21, 0.085, 0.05), LEAF, about_z(side * 0.55))


def _car(shapes: Shapes, paint: Vector, phase: float, moment_s: float) -> None:
    jolt = 0.02 * sin(tau * 3.0 * moment_s + phase)
    shapes.box((0.0, -0.12 + jolt, 0.0), (0.66, 0.17, 0.30), _plain(paint))
    shapes.ellipsoid((0.60, -0.12 + jolt, 0.0), (0.17, 0.165, 0.30), _plain(paint))
    shapes.ellipsoid((-0.60, -0.12 + jolt, 0.0), (0.14, 0.165, 0.30), _plain(paint))
    shapes.box((-0.10, 0.20 + jolt, 0.0), (0.36, 0.19, 0.26), _plain(paint))
    shapes.box((-0.10, 0.19 + jolt, 0.0), (0.375, 0.11, 0.20), GLASS)
    for x in (-0.27, 0.08):
        shapes.box((x, 0.19 + jolt, 0.0), (0.13, 0.11, 0.275), GLASS)
    for x in (-0.38, 0.38):
        for side in (-1.0, 1.0):
            shapes.add(FRUSTUM, (x, -0.30, 0.27 * side), (0.19, 0.07, 0.19), DARK, turn=about_x(side * pi / 2))
            shapes.ellipsoid((x, -0.30, 0.345 * side), (0.085, 0.085, 0.02), METAL)
            shapes.ellipsoid((2.0 * x, -0.08 + jolt, 0.18 * side), (0.04, 0.06, 0.06), EYE if x > 0.0 else DARK)


BUILDERS: Mapping[Thing, Callable[[Shapes, Vector, float, float], None]] = MappingProxyType(
    {
        Thing.BALL: _ball,
        Thing.BALLOON: _balloon,
        Thing.BUTTERFLY: _butterfly,
        Thing.BIRD: _bird,
        Thing.FISH: _fish,
        Thing.MOUSE: _mouse,
        Thing.FLOWER: _flower,
        Thing.CAR: _car,
    }
)

#: From the origin down to the lowest point, in the thing's own units.
FOOT: Mapping[Thing, float] = MappingProxyType({Thing.BALL: 0.5, Thing.MOUSE: 0.5, Thing.FLOWER: 0.78, Thing.CAR: 0.49})
