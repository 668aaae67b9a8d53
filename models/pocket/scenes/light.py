"""The light of each time of day and weather. Enters: nothing. Leaves: tables, and a few ways to mix colours."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians, sin
from types import MappingProxyType
from typing import TYPE_CHECKING

from models.pocket.scenes.attributes import TimeOfDay, Weather

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from models.pocket.scenes.shapes import Vector


@dataclass(frozen=True, kw_only=True)
class Light:
    """The light of one time of day."""

    ambient: Vector
    sun: Vector
    zenith: Vector
    horizon: Vector
    disc: Vector
    #: Degrees: height of the sun or moon, radius of its disc.
    height: float
    radius: float
    halo: float
    #: How long shadows are, in heights of what throws them.
    shadow: float
    #: The colour that far things fade into under a closed sky.
    haze: Vector


LIGHTS: Mapping[TimeOfDay, Light] = MappingProxyType(
    {
        TimeOfDay.MORNING: Light(
            ambient=(0.66, 0.54, 0.62),
            sun=(0.52, 0.40, 0.36),
            zenith=(0.70, 0.68, 0.90),
            horizon=(1.0, 0.74, 0.76),
            disc=(1.0, 0.96, 0.78),
            height=13.0,
            radius=5.0,
            halo=0.55,
            shadow=1.2,
            haze=(0.93, 0.76, 0.80),
        ),
        TimeOfDay.DAY: Light(
            ambient=(0.56, 0.60, 0.64),
            sun=(0.56, 0.54, 0.46),
            zenith=(0.22, 0.52, 0.95),
            horizon=(0.72, 0.89, 1.0),
            disc=(1.0, 1.0, 0.9),
            height=62.0,
            radius=4.0,
            halo=0.2,
            shadow=0.3,
            haze=(0.83, 0.88, 0.91),
        ),
        TimeOfDay.EVENING: Light(
            ambient=(0.50, 0.32, 0.27),
            sun=(0.68, 0.36, 0.12),
            zenith=(0.42, 0.24, 0.40),
            horizon=(1.0, 0.50, 0.08),
            disc=(1.0, 0.88, 0.40),
            height=8.0,
            radius=6.5,
            halo=0.7,
            shadow=2.2,
            haze=(0.82, 0.54, 0.33),
        ),
        TimeOfDay.NIGHT: Light(
            ambient=(0.17, 0.22, 0.40),
            sun=(0.23, 0.27, 0.41),
            zenith=(0.01, 0.02, 0.11),
            horizon=(0.10, 0.17, 0.42),
            disc=(0.96, 0.96, 0.86),
            height=20.0,
            radius=5.0,
            halo=0.22,
            shadow=0.8,
            haze=(0.14, 0.18, 0.36),
        ),
    }
)

#: Of the water between viewer and far things, and of the light from above.
WATERS: Mapping[TimeOfDay, tuple[Vector, Vector]] = MappingProxyType(
    {
        TimeOfDay.MORNING: ((0.44, 0.68, 0.70), (1.0, 0.82, 0.80)),
        TimeOfDay.DAY: ((0.08, 0.60, 0.62), (0.80, 1.0, 0.92)),
        TimeOfDay.EVENING: ((0.30, 0.42, 0.28), (1.0, 0.58, 0.14)),
        TimeOfDay.NIGHT: ((0.03, 0.12, 0.27), (0.28, 0.42, 0.76)),
    }
)

#: What far trunks fade into.
FOREST_AIR: Mapping[TimeOfDay, Vector] = MappingProxyType(
    {
        TimeOfDay.MORNING: (1.0, 0.78, 0.78),
        TimeOfDay.DAY: (0.66, 0.88, 0.60),
        TimeOfDay.EVENING: (1.0, 0.56, 0.20),
        TimeOfDay.NIGHT: (0.14, 0.20, 0.40),
    }
)

#: Grey of a closed rain cloud, as a share of the haze's brightness.
RAIN_DARKNESS = 0.66
#: Density by weather, per scene unit; the third of the thing's distance hides about half in fog.
DENSITY: Mapping[Weather, float] = MappingProxyType(
    {Weather.CLEAR: 0.006, Weather.RAIN: 0.035, Weather.SNOW: 0.035, Weather.FOG: 0.17}
)
#: Share of the haze in the sky.
VEIL: Mapping[Weather, float] = MappingProxyType(
    {Weather.CLEAR: 0.0, Weather.RAIN: 0.75, Weather.SNOW: 0.75, Weather.FOG: 0.93}
)
DIM: Mapping[Weather, float] = MappingProxyType(
    {Weather.CLEAR: 1.0, Weather.RAIN: 0.74, Weather.SNOW: 0.96, Weather.FOG: 0.95}
)


def tint(colour: Vector, towards: Vector, share: float) -> Vector:
    """A mix of two colours."""
    r, g, b = (a + (z - a) * share for a, z in zip(colour, towards, strict=True))
    return r, g, b


def times(colour: Vector, factor: float) -> Vector:
    """The colour, brighter or darker."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor


def grey(colour: Vector, share: float) -> Vector:
    """The colour with less saturation, as bright as before."""
    brightness = 0.3 * colour[0] + 0.59 * colour[1] + 0.11 * colour[2]
    return tint(colour, (brightness, brightness, brightness), share)


def towards(azimuth: float, height: float) -> Vector:
    """Unit vector; degrees to the right of z, degrees up."""
    a, h = radians(azimuth), radians(height)
    return sin(a) * cos(h), sin(h), cos(a) * cos(h)


def jittered(rng: np.random.Generator, colour: Vector, by: float = 0.08) -> Vector:
    """The colour, a little brighter or darker."""
    return times(colour, float(rng.uniform(1.0 - by, 1.0 + by)))
