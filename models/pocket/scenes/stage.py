"""The stage of a clip: all numbers that drawing loops need. Enters: a scene, a size. Leaves: arrays.

Whoever draws, on a CPU or a GPU, draws from the same stage.
"""

from __future__ import annotations

from math import radians, tan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from models.pocket.scenes.attributes import PLACES, Place, Scene, Thing, TimeOfDay, Weather
from models.pocket.scenes.camera import VIEW, Path, plan
from models.pocket.scenes.light import LIGHTS
from models.pocket.scenes.places import furnish
from models.pocket.scenes.precipitation import NUMBERS, streaks_of
from models.pocket.scenes.shapes import CENTRE, INVERSE, Shapes, placed
from models.pocket.scenes.surroundings import surround
from models.pocket.scenes.things import GROUNDED, build_thing
from models.pocket.scenes.transforms import about_y

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.pocket.scenes.shapes import Vector
    from models.pocket.scenes.surroundings import Surroundings

    Floats = NDArray[np.float64]

CORNERS = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])
#: Pairs of corners that differ in one coordinate.
EDGES = np.array([(i, j) for i in range(8) for j in range(i) if i ^ j in (1, 2, 4)])
TINY = 1e-9
#: Wings and tails begin anywhere in this part of their swing.
PHASES = 0.15
#: Solids are cut this far before the eye.
CLOSE = 0.05
NOTHING_NEAR = 1e8
#: Turns the side of a thing to a viewer that looks up as from the cot.
LEANING = np.array(((1.0, 0.0, 0.0), (0.0, 0.59, 0.81), (0.0, -0.81, 0.59)))


class Stage(NamedTuple):
    """A clip before it is drawn; T frames, N solids."""

    #: Solids from near to far, ``(T, N, COLUMNS)``.
    rows: Floats
    #: The eyes in each solid's own frame, ``(T, N, 3)``.
    origins: Floats
    #: Left, right, above, below in pixels, ``(T, N, 4)``.
    boxes: NDArray[np.int64]
    #: The nearest depth of each, ``(T, N)``.
    nearest: Floats
    #: ``(T, 3)``, ``(T, 3, 3)`` and, in seconds, ``(T,)``.
    eyes: Floats
    views: Floats
    moments: Floats
    #: The tangent of half the vertical angle of view.
    slope: float
    #: In the sky, ``(K, 8)``; see `clouds`.
    blobs: Floats
    #: ``(T, 1, 7)``; see `shadow`.
    shadows: Floats
    surroundings: Surroundings
    #: Of rain or snow, ``(T, K, NUMBERS)``, and their colour.
    streaks: Floats
    streak_colour: Vector


def staged(scene: Scene, *, width: int, height: int, frames: int, fps: int, layouts: int) -> Stage:
    """The stage of a scene; see `models.pocket.scenes.painter.paint`."""
    rng = np.random.default_rng(scene.seed)
    path = plan(scene.place, scene.motion, scene.thing, rng, frames=frames, fps=fps)
    phase = float(rng.uniform(0.0, PHASES))
    layout = scene.seed % layouts
    its_own = (layout, 1 + PLACES.index(scene.place))
    s, azimuth = surround(scene.place, scene.time_of_day, scene.weather, path, np.random.default_rng(its_own))
    furniture = furnish(scene.place, scene.time_of_day, path.reach, np.random.default_rng(its_own))
    rows, matrices = assemble(scene, path, phase, furniture)
    slope = tan(VIEW / 2)
    rows, origins, boxes, nearest = prepare(rows, matrices, path, slope, width=width, height=height)
    streaks, streak_colour = falling(scene, path, np.random.default_rng(layout), slope, width=width, height=height)
    return Stage(
        rows=rows,
        origins=origins,
        boxes=boxes,
        nearest=nearest,
        eyes=path.eyes,
        views=path.views,
        moments=path.moments,
        slope=slope,
        blobs=clouds(scene.time_of_day, scene.weather, np.random.default_rng(layout)),
        shadows=shadow(scene, s, path, azimuth),
        surroundings=s,
        streaks=streaks,
        streak_colour=streak_colour,
    )


def assemble(scene: Scene, path: Path, phase: float, furniture: Shapes) -> tuple[Floats, Floats]:
    """Rows ``(T, N, COLUMNS)`` and matrices ``(T, N, 3, 3)`` of all solids at each frame."""
    still, still_matrices = furniture.array()
    rows, matrices = [], []
    for f, moment in enumerate(path.moments):
        own, own_matrices = build_thing(scene.thing, scene.colour, float(moment), phase).array()
        turn = about_y(float(path.headings[f]))
        if scene.place is Place.COT:
            # from below one would see its belly
            turn = LEANING @ turn
        moved, moved_matrices = placed(own, own_matrices, turn, path.size, path.things[f])
        rows.append(np.concatenate((still, moved)))
        matrices.append(np.concatenate((still_matrices, moved_matrices)))
    return np.stack(rows), np.stack(matrices)


def prepare(
    rows: Floats, matrices: Floats, path: Path, slope: float, *, width: int, height: int
) -> tuple[Floats, Floats, NDArray[np.int64], Floats]:
    """Rows sorted by depth with their inverses, eyes in their frames, boxes on the picture, nearest depths."""
    inverses = np.linalg.inv(matrices)
    centres = rows[:, :, CENTRE : CENTRE + 3]
    away = path.eyes[:, None, :] - centres
    origins = np.einsum("fnij,fnj->fni", inverses, away)
    corners = np.einsum("fnij,cj->fnci", matrices, CORNERS) - away[:, :, None, :]
    seen = np.einsum("fnci,fij->fncj", corners, path.views)
    depth = seen[..., 2]
    first, last = depth.min(2), depth.max(2)
    boxes = np.full((*first.shape, 4), -9.0)
    scale = np.array((0.5 * height / slope, -0.5 * height / slope))
    centre = np.array((0.5 * width, 0.5 * height))
    before = first >= CLOSE
    boxes[before] = bounds(seen[before], scale, centre)
    # what stands beside the viewer is cut where it comes too close
    across = ~before & (last > CLOSE)
    ends = seen[across][:, EDGES]
    near, far = ends[:, :, 0, 2:], ends[:, :, 1, 2:]
    share = np.clip((CLOSE - near) / np.where(np.abs(far - near) > TINY, far - near, TINY), 0.0, 1.0)
    cut = ends[:, :, 0] + share * (ends[:, :, 1] - ends[:, :, 0])
    kept = np.concatenate((seen[across], cut), axis=1)
    deepest = np.take_along_axis(kept, kept[..., 2].argmax(1)[:, None, None], 1)
    boxes[across] = bounds(np.where(kept[..., 2:] >= 0.99 * CLOSE, kept, deepest), scale, centre)
    rows[:, :, INVERSE : INVERSE + 9] = inverses.reshape(*inverses.shape[:2], 9)
    first = np.where(last < CLOSE, NOTHING_NEAR, first)
    order = np.argsort(first, axis=1, kind="stable")
    return (
        np.take_along_axis(rows, order[:, :, None], 1),
        np.take_along_axis(origins, order[:, :, None], 1),
        np.floor(np.take_along_axis(boxes, order[:, :, None], 1)).astype(np.int64),
        np.take_along_axis(first, order, 1),
    )


def bounds(points: Floats, scale: Floats, centre: Floats) -> Floats:
    """Left, right, above and below in pixels, ``(K, 4)``, of groups of points before the viewer, ``(K, P, 3)``."""
    spots = centre + scale * points[..., :2] / np.maximum(points[..., 2:], 0.9 * CLOSE)
    low, high = spots.min(1) - 1.0, spots.max(1) + 1.0
    box: Floats = np.clip(np.stack((low[:, 0], high[:, 0], low[:, 1], high[:, 1]), axis=1), -9.0, 1e6)
    return box


def clouds(time: TimeOfDay, weather: Weather, rng: np.random.Generator) -> Floats:
    """Soft blobs in the sky: azimuth, height, their radii in radians, colour, strength; ``(K, 8)``."""
    if weather is not Weather.CLEAR:
        return np.zeros((0, 8))
    blobs = []
    if time is TimeOfDay.NIGHT:
        for _ in range(16):
            size = radians(float(rng.uniform(1.0, 1.6)))
            at, height = float(rng.uniform(-1.1, 1.1)), float(rng.uniform(0.12, 0.85))
            blobs.append((at, height, size, size, 0.95, 0.95, 0.85, 0.9))
        return np.array(blobs)
    tone = {
        TimeOfDay.MORNING: (1.0, 0.90, 0.90),
        TimeOfDay.DAY: (1.0, 1.0, 1.0),
        TimeOfDay.EVENING: (0.72, 0.28, 0.22),
    }[time]
    for _ in range(4):
        at, height = float(rng.uniform(-1.1, 1.1)), float(rng.uniform(0.22, 0.6))
        size = float(rng.uniform(0.16, 0.30))
        blobs.append((at, height, size, 0.33 * size, *tone, 0.85))
        blobs.append((at + 0.45 * size, height + 0.12 * size, 0.6 * size, 0.36 * size, *tone, 0.85))
    return np.array(blobs)


def shadow(scene: Scene, s: Surroundings, path: Path, azimuth: float) -> Floats:
    """The thing's soft shadow: middle x and z, long axis x and z, half length, half width, strength; ``(T, 1, 7)``."""
    light = LIGHTS[scene.time_of_day]
    soft = 1.0 if scene.weather is Weather.CLEAR else 0.5
    rise = path.things[:, 1] - (0.5 * path.size if scene.thing in GROUNDED else 0.35 * path.size)
    long = light.shadow * (1.0 if scene.weather is Weather.CLEAR else 0.2)
    a = radians(azimuth + 180.0 + (35.0 if azimuth > 0.0 else -35.0))
    axis = np.array((np.sin(a), np.cos(a)))
    result = np.zeros((len(path.moments), 1, 7))
    length = path.size * (0.55 + 0.5 * long)
    result[:, 0, 0] = path.things[:, 0] + axis[0] * (length - 0.5 * path.size + 0.5 * long * rise)
    result[:, 0, 1] = path.things[:, 2] + axis[1] * (length - 0.5 * path.size + 0.5 * long * rise)
    result[:, 0, 2:4] = axis
    result[:, 0, 4] = length
    result[:, 0, 5] = 0.52 * path.size
    result[:, 0, 6] = 0.62 * soft / (1.0 + 0.25 * np.maximum(rise, 0.0) ** 2)
    if s.ground_size <= 0.0 or scene.thing is Thing.BALLOON:
        result[:, 0, 6] *= 0.6
    return result


def falling(
    scene: Scene, path: Path, rng: np.random.Generator, slope: float, *, width: int, height: int
) -> tuple[Floats, Vector]:
    """The streaks of rain or snow ``(T, K, NUMBERS)``, none in other weather, and their colour."""
    if scene.weather not in (Weather.RAIN, Weather.SNOW):
        return np.zeros((len(path.moments), 0, NUMBERS)), (0.0, 0.0, 0.0)
    night = scene.time_of_day is TimeOfDay.NIGHT
    many = 3.0 if scene.place is Place.ROOM else 1.0
    slant = float(rng.choice((-1.0, 1.0)))
    tone: Vector
    if scene.weather is Weather.RAIN:
        drops = rng.random((int(200 * many), 4))
        tone = (0.55, 0.64, 0.86) if night else (0.86, 0.90, 0.97)
        speed, trail_s, radius, strength = (1.7 * slant, -6.0, 0.0), 0.15, 0.036, 0.62
    else:
        drops = rng.random((int(300 * many), 4))
        tone = (0.78, 0.82, 0.96) if night else (1.0, 1.0, 1.0)
        speed, trail_s, radius, strength = (0.35 * slant, -1.5, 0.0), 0.0, 0.105, 0.95
    scale = 0.5 * height / slope
    streaks = streaks_of(
        drops, path.eyes, path.views, path.moments, scale, width, height, speed, trail_s, radius, strength
    )
    return streaks, tone
