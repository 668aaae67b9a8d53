"""All that is not a solid: light, sky, ground, walls. Enters: a scene. Leaves: numbers for the drawing loops."""

from __future__ import annotations

from math import cos, radians, sin
from typing import TYPE_CHECKING, Final, NamedTuple

from models.pocket.scenes.attributes import Place, TimeOfDay, Weather
from models.pocket.scenes.grounds import GROUNDS, PATCHWORK
from models.pocket.scenes.light import (
    DENSITY,
    DIM,
    FOREST_AIR,
    LIGHTS,
    RAIN_DARKNESS,
    VEIL,
    WATERS,
    grey,
    times,
    tint,
    towards,
)

if TYPE_CHECKING:
    import numpy as np

    from models.pocket.scenes.camera import Path
    from models.pocket.scenes.shapes import Vector

#: Where rays end that hit no solid.
SKY: Final = 0
WATER: Final = 1
WALLS: Final = 2

#: Snow that lies outside only.
OUTSIDE: Final = -1.0


class Surroundings(NamedTuple):
    """Colours are display values 0 to 1, light may exceed them; lengths in scene units, a thing being about 2 high."""

    #: ``SKY``, ``WATER`` or ``WALLS``.
    backdrop: int
    #: What rays meet at height 0.
    ground: int
    zenith: Vector
    horizon: Vector
    #: What far things fade into, and how fast: a share of 1 - 1/e over ``1 / fog_density``.
    fog: Vector
    fog_density: float
    #: How much of the sky itself the fog hides.
    veil: float
    ambient: Vector
    sun: Vector
    #: Unit vector towards the light, for shading.
    towards_light: Vector
    #: Unit vector towards the disc in the sky.
    towards_disc: Vector
    disc: Vector
    #: Cosine of the disc's radius; above 1: no disc.
    disc_cosine: float
    #: Strength and narrowness of the halo.
    halo: float
    halo_narrowness: float
    #: The far line of trees or hedges: colour, height as a slope.
    ridge: Vector
    ridge_height: float
    #: Ground: two tones and a third (river, road, joints), size and turn of its pattern.
    ground_a: Vector
    ground_b: Vector
    ground_c: Vector
    ground_size: float
    #: Cosine and sine of its turn.
    ground_turn: tuple[float, float]
    #: Anything between 0 and 1, so that two grounds differ.
    ground_seed: float
    #: 0: bare; 1: all white; ``OUTSIDE``: white beyond the window.
    snow: float
    #: Walls: half width, height, depth ahead and behind.
    walls: tuple[float, float, float, float]
    #: The far wall's window: left, right, below, above; left >= right: none.
    window: tuple[float, float, float, float]
    wall: Vector
    ceiling: Vector
    #: Brightness of the light that falls through the window onto the floor.
    floor_light: float


def surround(  # noqa: C901, PLR0912, PLR0915 - one value after the other
    place: Place, time: TimeOfDay, weather: Weather, path: Path, rng: np.random.Generator
) -> tuple[Surroundings, float]:
    """The place in that light, and the sun's azimuth in degrees. The order of random draws is part of the picture."""
    light = LIGHTS[time]
    ground = GROUNDS[place]
    jitter = rng.uniform(0.95, 1.05, 3)
    azimuth = float(rng.uniform(8.0, 26.0) * rng.choice((-1.0, 1.0)))
    height = light.height + float(rng.uniform(-2.0, 2.0))
    if place is Place.FIELDS and time is not TimeOfDay.DAY:
        height = 5.0
    elif place is Place.FOREST and time is TimeOfDay.NIGHT:
        height += 3.0
    haze, dim = light.haze, DIM[weather] if time is not TimeOfDay.NIGHT else 1.0
    if weather is Weather.RAIN:
        haze = times(grey(haze, 0.45), RAIN_DARKNESS)
    elif weather is Weather.SNOW:
        haze = times(tint(haze, (0.80, 0.90, 1.0), 0.25 if time is not TimeOfDay.NIGHT else 0.06), 0.84)
    veil = VEIL[weather]
    zenith, horizon = tint(light.zenith, haze, veil), tint(light.horizon, haze, veil)
    fog = haze if weather is not Weather.CLEAR else tint(light.horizon, light.zenith, 0.25)
    density = DENSITY[weather] * (0.2 if place is Place.FIELDS else 1.0)
    ridge_mist = 0.25
    if place is Place.FOREST:
        # little sky is seen: the air between the trunks shows the time of day
        density = max(density, 0.04)
        if weather is Weather.CLEAR:
            fog, ridge_mist = FOREST_AIR[time], 0.6
    tones = tuple((t[0] * jitter[0], t[1] * jitter[1], t[2] * jitter[2]) for t in ground.tones)
    backdrop = SKY
    window = (1.0, -1.0, 0.0, 0.0)
    walls = (1.0, 1.0, 1.0, 1.0)
    wall: Vector = (0.80, 0.77, 0.70)
    ceiling: Vector = (0.92, 0.90, 0.86)
    ambient, sun = times(light.ambient, dim), times(light.sun, dim * (1.0 - 0.55 * veil))
    if weather is Weather.SNOW:
        # snow is whiter than what it covers, whatever the light
        ambient, sun = times(grey(ambient, 0.3), 1.12), grey(sun, 0.3)
    if place is Place.FOREST and time is TimeOfDay.NIGHT:
        ambient, sun = times(ambient, 1.3), times(sun, 1.3)
    if place is Place.WATER:
        backdrop = WATER
        fog, zenith = WATERS[time]
        horizon, density = fog, 0.075
        ambient = tint(ambient, tint(fog, zenith, 0.4), 0.55)
        height = 40.0
    elif place in (Place.ROOM, Place.COT):
        backdrop = WALLS
        deep = path.reach + (6.6 if place is Place.ROOM else 9.0)
        if place is Place.ROOM:
            walls = (0.62 * deep, 0.55 * deep, deep, 8.0)
            shift = float(rng.uniform(-0.06, 0.06)) * deep
            window = (shift - 0.40 * deep, shift + 0.40 * deep, 0.13 * deep, 0.50 * deep)
            wall = ((0.82, 0.80, 0.72), (0.70, 0.76, 0.76), (0.80, 0.74, 0.76))[int(rng.integers(3))]
            fog, density = haze, 0.03 if weather is Weather.FOG else 0.003
        else:
            walls = (7.5, deep, 9.0 + path.reach, 6.0)
            wall = ((0.84, 0.84, 0.80), (0.78, 0.82, 0.86), (0.86, 0.80, 0.80))[int(rng.integers(3))]
            window = (-3.4, 3.4, 0.18 * deep, 0.80 * deep)
            fog, density = ambient, 0.0
    if ground.ridge_height > 0.0 and weather is Weather.CLEAR:
        # the ground fades into the far ridge, not into the sky above it
        daylight = tuple(a + 0.4 * b for a, b in zip(ambient, sun, strict=True))
        ridge = (ground.ridge[0] * daylight[0], ground.ridge[1] * daylight[1], ground.ridge[2] * daylight[2])
        fog = tint(ridge, fog, ridge_mist)
    disc_cosine = (
        cos(radians(light.radius * (0.7 if place is Place.ROOM else 1.0))) if weather is Weather.CLEAR else 2.0
    )
    shade_height = max(height, 32.0)
    turn = float(rng.uniform(0.0, 1.2)) if ground.kind == PATCHWORK else 0.0
    turned = cos(turn), sin(turn)
    return Surroundings(
        backdrop=backdrop,
        ground=ground.kind,
        zenith=zenith,
        horizon=horizon,
        fog=fog,
        fog_density=density,
        veil=veil if weather is Weather.FOG else 0.0,
        ambient=ambient,
        sun=sun,
        towards_light=towards(180.0 - 2.2 * azimuth, shade_height) if place is not Place.WATER else (0.1, 0.99, -0.1),
        towards_disc=towards(azimuth, height),
        disc=light.disc,
        disc_cosine=disc_cosine,
        halo=light.halo * (1.0 - veil),
        halo_narrowness=14.0,
        ridge=ground.ridge,
        ridge_height=ground.ridge_height * float(rng.uniform(0.85, 1.15)),
        ground_a=tones[0],
        ground_b=tones[1],
        ground_c=tones[2],
        ground_size=ground.size * float(rng.uniform(0.85, 1.15)),
        ground_turn=turned,
        ground_seed=float(rng.random()),
        snow=0.0 if weather is not Weather.SNOW else (1.0 if place is not Place.ROOM else OUTSIDE),
        walls=walls,
        window=window,
        wall=wall,
        ceiling=ceiling,
        floor_light=0.0 if weather is not Weather.CLEAR else (0.55 if time is not TimeOfDay.NIGHT else 0.25),
    ), azimuth
