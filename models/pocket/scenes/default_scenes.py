"""The catalogue's own scenes and themes, and what they mean for the picture. Leaves: attribute values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from models.pocket.scenes.attributes import (
    COLOURS,
    SHELTERED,
    THINGS,
    Colour,
    Motion,
    Place,
    Scene,
    Thing,
    TimeOfDay,
    Weather,
    natural_motion,
    natural_time,
    pick,
)
from shared.perspectives import perspectives

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

#: The perspective that sees each place; ids of the catalogue.
PERSPECTIVE_OF: Mapping[Place, str] = MappingProxyType(
    {
        Place.ROOM: "curious-cat",
        Place.FIELDS: "watchful-hawk",
        Place.WATER: "drifting-goldfish",
        Place.MEADOW: "garden-ant",
        Place.STREET: "loyal-dog",
        Place.GARDEN: "busy-bee",
        Place.FOREST: "night-owl",
        Place.COT: "newborn-child",
    }
)


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a fixed text says; None where it says nothing."""

    things: tuple[Thing, ...] | None = None
    colours: tuple[Colour, ...] | None = None
    time: TimeOfDay | None = None
    weather: Weather | None = None
    motion: Motion | None = None

    def fits(self, scene: Scene) -> bool:
        """Whether the scene shows everything that the text says."""
        return (
            (self.things is None or scene.thing in self.things)
            and (self.colours is None or scene.colour in self.colours)
            and self.time in (None, scene.time_of_day)
            and (self.weather in (None, scene.weather) or scene.place in SHELTERED)
            and self.motion in (None, scene.motion)
        )


PALE = (Colour.WHITE, Colour.YELLOW)
PETALS = (Colour.WHITE, Colour.RED, Colour.PURPLE, Colour.YELLOW)
ROUND = (Thing.BALL, Thing.BALLOON)
NOTHING = Meaning()

#: By the text of the scene.
SCENES: Mapping[str, Meaning] = MappingProxyType(
    {
        # busy bee
        "a garden in full flower, gliding from blossom to blossom": Meaning(
            things=(Thing.FLOWER,), motion=Motion.GLIDE
        ),
        "a field of lavender rushing past below": Meaning(
            things=(Thing.FLOWER,), colours=(Colour.PURPLE,), motion=Motion.GLIDE
        ),
        "the round opening of a hive with other bees landing": Meaning(
            things=(Thing.BUTTERFLY,), colours=(Colour.YELLOW,)
        ),
        "an apple tree in blossom against the sky": Meaning(things=(Thing.FLOWER,), colours=(Colour.WHITE,)),
        # curious cat
        "a sunlit living room with a ball of yarn rolling across the wooden floor": Meaning(
            things=(Thing.BALL,), weather=Weather.CLEAR
        ),
        "a kitchen seen from below, a moth circling the lamp": Meaning(things=(Thing.BUTTERFLY,), colours=PALE),
        "a garden path between tall flower pots, leaves drifting past": Meaning(things=(Thing.FLOWER,), colours=PETALS),
        "a windowsill with rain outside and a fly on the glass": Meaning(weather=Weather.RAIN),
        # drifting goldfish
        "water plants swaying over white pebbles in a fish tank": Meaning(things=(Thing.FISH,)),
        "a garden pond with lily pads seen from below": Meaning(things=(Thing.FLOWER,), colours=(Colour.WHITE,)),
        "a child's face looming behind the curved glass of a bowl": NOTHING,
        "bubbles rising past a small stone arch": Meaning(things=ROUND),
        # garden ant
        "a meadow like a forest of grass stems, dew drops hanging": NOTHING,
        "a trail over cracked earth with other ants ahead": NOTHING,
        "the underside of a mushroom in the morning light": Meaning(time=TimeOfDay.MORNING),
        "a fallen leaf to be climbed, its veins like roads": NOTHING,
        # loyal dog
        "a street with people's legs walking past and a lamppost ahead": NOTHING,
        "a park meadow with a ball bouncing away over the grass": Meaning(things=(Thing.BALL,)),
        "a beach with gulls taking off from the wet sand": Meaning(things=(Thing.BIRD,), colours=(Colour.WHITE,)),
        "a front door opening to a person coming home": NOTHING,
        # newborn child
        "a mobile of stars turning slowly above the cot": Meaning(things=(Thing.BALLOON, Thing.BALL, Thing.BIRD)),
        "a smiling face bending down, out of focus": NOTHING,
        "light and shadow from a curtain moving on the ceiling": NOTHING,
        "a hand with a rattle coming close": Meaning(things=(Thing.BALL,)),
        # night owl
        "a forest at night with tree trunks passing on both sides": Meaning(time=TimeOfDay.NIGHT),
        "a snowy clearing under a full moon": Meaning(time=TimeOfDay.NIGHT, weather=Weather.SNOW),
        "a barn roof and an old oak against the stars": Meaning(time=TimeOfDay.NIGHT),
        "a mouse moving between moonlit leaves on the forest floor": Meaning(
            things=(Thing.MOUSE,), time=TimeOfDay.NIGHT
        ),
        # watchful hawk
        "a patchwork of fields and hedges far below": NOTHING,
        "a river winding through autumn woods": NOTHING,
        "a mouse running across a mown meadow, seen from high above": Meaning(things=(Thing.MOUSE,)),
        "a village with red roofs in the morning sun": Meaning(time=TimeOfDay.MORNING, weather=Weather.CLEAR),
    }
)

#: By the id of the theme. One that says no time is of the place's natural one.
THEMES: Mapping[str, Meaning] = MappingProxyType(
    {
        "autumn-mist": Meaning(weather=Weather.FOG),
        "first-snow": Meaning(weather=Weather.SNOW),
        "golden-hour": Meaning(time=TimeOfDay.EVENING, weather=Weather.CLEAR),
        "rainy-night": Meaning(time=TimeOfDay.NIGHT, weather=Weather.RAIN),
        "spring-morning": Meaning(time=TimeOfDay.MORNING, weather=Weather.CLEAR),
        "thunderstorm": Meaning(weather=Weather.RAIN),
    }
)
#: How often a scene drawn for a fixed text is drawn for a theme too.
THEMED_SHARE = 0.6


def scenes_of(place: Place) -> tuple[str, ...]:
    """The default scenes of the perspective that sees this place."""
    return perspectives()[PERSPECTIVE_OF[place]].scenes


def meaning_of(place: Place, scene: Meaning, theme: Meaning = NOTHING) -> tuple[TimeOfDay, Weather, Motion]:
    """Time, weather and motion of a default scene in a theme; the theme is the caller's word and wins."""
    time = theme.time or scene.time or natural_time(place)
    weather = theme.weather or scene.weather or Weather.CLEAR
    if place in SHELTERED:
        weather = Weather.CLEAR
    return time, weather, scene.motion or natural_motion(place)


def draw_described(rng: np.random.Generator, drawn: Scene) -> Scene:
    """The scene, changed to one of the same place that a default text describes."""
    scene = SCENES[pick(rng, scenes_of(drawn.place))]
    theme = THEMES[pick(rng, tuple(THEMES))] if rng.random() < THEMED_SHARE else NOTHING
    time, weather, motion = meaning_of(drawn.place, scene, theme)
    return replace(
        drawn,
        thing=pick(rng, scene.things or THINGS),
        colour=pick(rng, scene.colours or COLOURS),
        time_of_day=time,
        weather=weather,
        motion=motion,
    )
