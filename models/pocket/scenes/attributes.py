"""What a clip shows, as data. Enters: a random generator. Leaves: scenes, of sensible combinations only."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

Value = TypeVar("Value")


class Place(StrEnum):
    """Where, and with it who looks."""

    ROOM = "room"
    FIELDS = "fields"
    WATER = "water"
    MEADOW = "meadow"
    STREET = "street"
    GARDEN = "garden"
    FOREST = "forest"
    COT = "cot"


class TimeOfDay(StrEnum):
    """Colour and direction of the light."""

    MORNING = "morning"
    DAY = "day"
    EVENING = "evening"
    NIGHT = "night"


class Weather(StrEnum):
    """What is in the air."""

    CLEAR = "clear"
    RAIN = "rain"
    SNOW = "snow"
    FOG = "fog"


class Thing(StrEnum):
    """The one main object."""

    BALL = "ball"
    BALLOON = "balloon"
    BUTTERFLY = "butterfly"
    BIRD = "bird"
    FISH = "fish"
    MOUSE = "mouse"
    FLOWER = "flower"
    CAR = "car"


class Colour(StrEnum):
    """Colour of the thing."""

    RED = "red"
    ORANGE = "orange"
    YELLOW = "yellow"
    GREEN = "green"
    BLUE = "blue"
    PURPLE = "purple"
    WHITE = "white"


class Motion(StrEnum):
    """How the viewer moves."""

    WALK = "walk"
    GLIDE = "glide"
    TURN = "turn"
    CHASE = "chase"
    HOVER = "hover"


PLACES = tuple(Place)
TIMES = tuple(TimeOfDay)
WEATHERS = tuple(Weather)
THINGS = tuple(Thing)
COLOURS = tuple(Colour)
MOTIONS = tuple(Motion)

#: Nothing falls from the sky there.
SHELTERED = frozenset({Place.WATER, Place.COT})

#: How each viewer moves when nothing is said; the other sensible motions follow.
MOTIONS_OF: Mapping[Place, tuple[Motion, ...]] = MappingProxyType(
    {
        Place.ROOM: (Motion.WALK, Motion.GLIDE, Motion.TURN, Motion.CHASE, Motion.HOVER),
        Place.FIELDS: (Motion.GLIDE, Motion.TURN, Motion.CHASE, Motion.HOVER),
        Place.WATER: (Motion.GLIDE, Motion.TURN, Motion.CHASE, Motion.HOVER),
        Place.MEADOW: (Motion.WALK, Motion.GLIDE, Motion.TURN, Motion.CHASE, Motion.HOVER),
        Place.STREET: (Motion.WALK, Motion.GLIDE, Motion.TURN, Motion.CHASE, Motion.HOVER),
        Place.GARDEN: (Motion.HOVER, Motion.GLIDE, Motion.TURN, Motion.CHASE),
        Place.FOREST: (Motion.GLIDE, Motion.WALK, Motion.TURN, Motion.CHASE, Motion.HOVER),
        Place.COT: (Motion.HOVER, Motion.GLIDE, Motion.TURN),
    }
)

#: One combination in so many is never trained on.
KEPT_APART_ONE_IN = 10
#: Shares of clips: a fixed description's scene, the natural motion, day, clear sky, night in the forest.
DESCRIBED_SHARE = 0.06
NATURAL_MOTION_SHARE = 0.32
DAY_SHARE = 0.31
CLEAR_SHARE = 0.37
OWL_NIGHT_SHARE = 0.43


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Everything that decides the pixels of a clip, but its size and length."""

    #: Where, and who looks.
    place: Place
    #: Colour of the light.
    time_of_day: TimeOfDay
    #: What falls or hangs in the air.
    weather: Weather
    #: The main object.
    thing: Thing
    #: Its colour.
    colour: Colour
    #: How the viewer moves.
    motion: Motion
    #: Layout, paths, hues: all that no word describes.
    seed: int


def kept_apart(place: Place, thing: Thing, colour: Colour) -> bool:
    """Whether this combination is kept for evaluation; a fixed choice of about one in ten."""
    return zlib.crc32(f"{place}/{thing}/{colour}".encode()) % KEPT_APART_ONE_IN == 0


def natural_time(place: Place) -> TimeOfDay:
    """The time of day when nothing is said of it."""
    return TimeOfDay.NIGHT if place is Place.FOREST else TimeOfDay.DAY


def natural_motion(place: Place) -> Motion:
    """How the viewer moves when nothing is said of it."""
    return MOTIONS_OF[place][0]


def draw_place_and_light(rng: np.random.Generator, place: Place) -> tuple[TimeOfDay, Weather, Motion]:
    """Time, weather and motion that are sensible there, the natural ones more often."""
    natural = natural_time(place)
    share = OWL_NIGHT_SHARE if natural is TimeOfDay.NIGHT else DAY_SHARE
    time = natural if rng.random() < share else pick(rng, [t for t in TIMES if t is not natural])
    weather = Weather.CLEAR
    if place not in SHELTERED and rng.random() >= CLEAR_SHARE:
        weather = pick(rng, WEATHERS[1:])
    motions = MOTIONS_OF[place]
    motion = motions[0] if rng.random() < NATURAL_MOTION_SHARE else pick(rng, motions[1:])
    return time, weather, motion


def draw_scene(rng: np.random.Generator) -> Scene:
    """A scene for training: balanced, sensible, and never of a combination that is kept for evaluation."""
    from models.pocket.scenes.default_scenes import draw_described  # noqa: PLC0415 - it needs the values above

    while True:
        place = pick(rng, PLACES)
        time, weather, motion = draw_place_and_light(rng, place)
        scene = Scene(
            place=place,
            time_of_day=time,
            weather=weather,
            thing=pick(rng, THINGS),
            colour=pick(rng, COLOURS),
            motion=motion,
            seed=int(rng.integers(2**31)),
        )
        if rng.random() < DESCRIBED_SHARE:
            scene = draw_described(rng, scene)
        if not kept_apart(scene.place, scene.thing, scene.colour):
            return scene


def pick(rng: np.random.Generator, values: Sequence[Value]) -> Value:
    """One of the values, each as likely."""
    return values[int(rng.integers(len(values)))]
