"""Where viewer and thing are, moment by moment. Enters: place, motion. Leaves: paths; scene units, radians."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, cos, pi, radians, sin, tan, tau
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.pocket.scenes.attributes import Motion, Place, Thing
from models.pocket.scenes.things import FACING, FOOT, GROUNDED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Vertical angle of view.
VIEW = radians(72.0)
#: From viewer to thing, at which its size is meant.
DISTANCE = 3.0
#: Share of the picture's height that a thing of height 1 fills there: it must be known by few pixels.
FILLS = 0.43
#: A thing that stands beside the path is nearer or farther by these factors at the ends of a clip.
APPROACH = (1.10, 0.92)
STEPS_PER_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Stand:
    """How a viewer holds itself."""

    #: Above the ground.
    eye: float
    #: Looking up is positive.
    pitch: float
    #: Faster or slower than others.
    haste: float
    #: Whether there is ground near enough for things to stand on.
    ground: bool


STANDS: Mapping[Place, Stand] = MappingProxyType(
    {
        Place.ROOM: Stand(eye=1.15, pitch=radians(4.0), haste=0.9, ground=True),
        Place.FIELDS: Stand(eye=13.0, pitch=radians(-27.0), haste=2.2, ground=False),
        Place.WATER: Stand(eye=2.0, pitch=radians(0.0), haste=0.8, ground=True),
        Place.MEADOW: Stand(eye=1.0, pitch=radians(8.0), haste=0.8, ground=True),
        Place.STREET: Stand(eye=1.35, pitch=radians(3.0), haste=1.0, ground=True),
        Place.GARDEN: Stand(eye=2.6, pitch=radians(-4.0), haste=0.9, ground=False),
        Place.FOREST: Stand(eye=1.9, pitch=radians(0.0), haste=1.1, ground=True),
        Place.COT: Stand(eye=0.8, pitch=radians(54.0), haste=0.7, ground=False),
    }
)

#: Scene units a second.
SPEED: Mapping[Motion, float] = MappingProxyType(
    {Motion.WALK: 1.9, Motion.GLIDE: 2.8, Motion.TURN: 0.0, Motion.CHASE: 5.2, Motion.HOVER: 0.0}
)


@dataclass(frozen=True, kw_only=True)
class Path:
    """Viewer and thing at each frame."""

    #: Seconds, ``(T,)``.
    moments: NDArray[np.float64]
    #: ``(T, 3)``.
    eyes: NDArray[np.float64]
    #: Columns right, up, forward; ``(T, 3, 3)``.
    views: NDArray[np.float64]
    #: ``(T, 3)``.
    things: NDArray[np.float64]
    #: Where the thing looks, turned from x towards z; ``(T,)``.
    headings: NDArray[np.float64]
    #: Its height.
    size: float
    #: How far the viewer gets.
    reach: float


class Sway(NamedTuple):
    """What a motion adds at one moment to going straight ahead."""

    #: The eye is moved by so much.
    right: float = 0.0
    up: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    #: The thing's distance as a share of what is meant.
    gap: float = 1.0
    #: The thing is so much to the right, and goes there: -1 to the left, 1 to the right.
    dodge: float = 0.0
    away: float = 0.0


def view_of(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Columns right, up, forward of a viewer that looks along z when all are 0."""
    forward = np.array((sin(yaw) * cos(pitch), sin(pitch), cos(yaw) * cos(pitch)))
    right = np.array((cos(yaw), 0.0, -sin(yaw)))
    up = np.cross(forward, right)
    c, s = cos(roll), sin(roll)
    return np.stack((c * right + s * up, c * up - s * right, forward), axis=1)


def plan(place: Place, motion: Motion, thing: Thing, rng: np.random.Generator, *, frames: int, fps: int) -> Path:
    """The paths; the order of random draws is part of a seed's picture."""
    stand = STANDS[place]
    moments = np.arange(frames) / fps
    duration = frames / fps
    side = float(rng.choice((-1.0, 1.0)))
    phase = float(rng.uniform(-0.5, 0.5))
    speed = SPEED[motion] * stand.haste
    aside = float(rng.uniform(-0.42, 0.42))
    above = float(rng.uniform(-0.2, 0.25))
    sweep = radians(45.0) * min(duration, 1.25)
    skew = float(rng.uniform(-0.25, 0.25))
    looks_right = bool(rng.random() < 0.5)  # noqa: PLR2004 - a coin
    size = 2.0 * tan(VIEW / 2) * DISTANCE * FILLS * float(rng.uniform(0.96, 1.08))
    climb = stand.pitch * 0.75 if place is Place.COT else 0.0
    ahead = np.array((0.0, sin(climb), cos(climb)))
    standing = stand.ground and thing in GROUNDED
    if motion is Motion.TURN:
        aside *= 0.3
    eyes, views, things, headings = [], [], [], []
    for moment in moments:
        t = float(moment)
        anchor = np.array((0.0, stand.eye, 0.0)) + ahead * speed * t
        sway = _sway(motion, t, t / duration, phase, side, sweep)
        pitch = stand.pitch + sway.pitch
        views.append(view_of(sway.yaw, pitch, sway.roll))
        eyes.append(anchor + np.array((sway.right, sway.up, 0.0)))
        middle = np.array((0.0, sin(stand.pitch), cos(stand.pitch)))
        at = anchor + middle * DISTANCE * sway.gap + np.array((aside + sway.dodge, 0.0, 0.0))
        if standing:
            at[1] = FOOT[thing] * size
        else:
            at += np.array((0.0, above * cos(stand.pitch), -above * sin(stand.pitch)))
            if stand.ground:
                at[1] = max(at[1], 0.62 * size)
        things.append(at)
        headings.append(_heading(motion, thing, sway.away, skew, looks_right=looks_right))
    return Path(
        moments=moments,
        eyes=np.stack(eyes),
        views=np.stack(views),
        things=np.stack(things),
        headings=np.array(headings),
        size=size,
        reach=speed * duration,
    )


def _sway(motion: Motion, t: float, done: float, phase: float, side: float, sweep: float) -> Sway:  # noqa: PLR0917
    if motion is Motion.WALK:
        step, tilt = sin(tau * STEPS_PER_S * t + phase), sin(pi * STEPS_PER_S * t + phase / 2)
        gap = APPROACH[0] + (APPROACH[1] - APPROACH[0]) * done
        return Sway(right=0.10 * tilt, up=0.17 * step, pitch=radians(3.2) * step, roll=radians(2.0) * tilt, gap=gap)
    if motion is Motion.GLIDE:
        bank = side * sin(pi * (done - 0.5))
        gap = APPROACH[0] + (APPROACH[1] - APPROACH[0]) * done
        return Sway(yaw=radians(2.5) * bank, roll=radians(8.0) * bank, gap=gap)
    if motion is Motion.TURN:
        return Sway(yaw=side * sweep * (done - 0.5))
    if motion is Motion.CHASE:
        swing = tau * 1.1 * t + phase
        return Sway(
            right=0.75 * sin(swing),
            yaw=radians(7.0) * cos(swing),
            roll=radians(-9.0) * cos(swing),
            dodge=1.1 * sin(swing + 0.9),
            away=cos(swing + 0.9),
        )
    swing = tau * 0.95 * t + phase
    return Sway(right=0.16 * cos(swing / 2), up=0.45 * sin(swing), roll=radians(1.5) * cos(swing / 2))


def _heading(motion: Motion, thing: Thing, away: float, skew: float, *, looks_right: bool) -> float:
    """A chased thing looks where it flees, swinging from side to side; others are seen from their best side."""
    if thing in FACING:
        return skew + (0.3 * away if motion is Motion.CHASE else 0.0)
    if motion is Motion.CHASE:
        return atan2(0.45, 1.3 * away)
    return skew if looks_right else pi - skew
