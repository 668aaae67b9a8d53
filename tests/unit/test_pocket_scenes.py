"""Drawing the scenes that the pocket model learns from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.pocket.scenes.attributes import (
    COLOURS,
    MOTIONS,
    MOTIONS_OF,
    PLACES,
    SHELTERED,
    THINGS,
    TIMES,
    WEATHERS,
    Colour,
    Motion,
    Place,
    Scene,
    Thing,
    TimeOfDay,
    Weather,
    draw_scene,
)
from models.pocket.scenes.held_out import is_held_out
from models.pocket.scenes.painter import paint

if TYPE_CHECKING:
    from numpy.typing import NDArray

A_SCENE = Scene(
    place=Place.STREET,
    time_of_day=TimeOfDay.DAY,
    weather=Weather.CLEAR,
    thing=Thing.CAR,
    colour=Colour.RED,
    motion=Motion.GLIDE,
    seed=7,
)


def painted(scene: Scene, *, side: int = 32, frames: int = 3) -> NDArray[np.float64]:
    """A short clip, some of a second long; display values 0 to 255."""
    return paint(scene, width=side, height=side, frames=frames, fps=4).astype(np.float64)


def apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Mean difference of display values."""
    return float(np.abs(one - other).mean())


@pytest.mark.parametrize("place", PLACES)
def test_the_same_scene_gives_the_same_pixels_in_every_place(place: Place) -> None:
    scene = replace(A_SCENE, place=place, weather=Weather.CLEAR if place in SHELTERED else Weather.SNOW)
    assert np.array_equal(painted(scene), painted(scene))


def test_a_clip_has_the_size_that_was_asked_for() -> None:
    clip = paint(A_SCENE, width=48, height=28, frames=2, fps=16, supersampling=1)
    assert clip.shape == (2, 28, 48, 3)
    assert clip.dtype == np.uint8


def test_a_size_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="start at 1"):
        paint(A_SCENE, width=0, height=28, frames=2, fps=16)


@pytest.mark.parametrize("place", PLACES)
def test_a_larger_picture_shows_the_same_as_a_smaller_one(place: Place) -> None:
    scene = replace(A_SCENE, place=place)
    large = painted(scene, side=128, frames=1)
    shrunk = large.reshape(1, 64, 2, 64, 2, 3).mean(axis=(2, 4))
    assert apart(shrunk, painted(scene, side=64, frames=1)) < 3.0


@pytest.mark.parametrize("place", PLACES)
def test_every_attribute_changes_the_picture(place: Place) -> None:
    scene = replace(A_SCENE, place=place)
    clip = painted(scene)
    for time in set(TIMES) - {scene.time_of_day}:
        assert apart(clip, painted(replace(scene, time_of_day=time))) > 12.0
    for weather in set() if place in SHELTERED else set(WEATHERS) - {scene.weather}:
        assert apart(clip, painted(replace(scene, weather=weather))) > 4.0
    for motion in set(MOTIONS_OF[place]) - {scene.motion}:
        assert apart(clip, painted(replace(scene, motion=motion))) > 3.0


def test_every_place_looks_unlike_every_other() -> None:
    clips = [painted(replace(A_SCENE, place=place), frames=1) for place in PLACES]
    assert min(apart(a, b) for i, a in enumerate(clips) for b in clips[:i]) > 20.0


def test_every_thing_has_its_own_outline() -> None:
    clips = [painted(replace(A_SCENE, thing=thing), frames=1, side=64) for thing in THINGS]
    assert min(apart(a, b) for i, a in enumerate(clips) for b in clips[:i]) > 3.0


def test_a_thing_keeps_its_colour_in_every_light() -> None:
    strongest = {Colour.RED: 0, Colour.GREEN: 1, Colour.BLUE: 2}
    for colour, channel in strongest.items():
        for time in TIMES:
            scene = replace(A_SCENE, thing=Thing.BALLOON, colour=colour, time_of_day=time, motion=Motion.HOVER)
            clip = painted(scene, frames=1, side=64)
            others = np.delete(clip, channel, axis=-1).max(axis=-1)
            strong = (clip[..., channel] > 120.0) & (clip[..., channel] > 1.7 * others)
            assert strong.mean() > 0.02, (colour, time)


def test_the_viewer_of_every_motion_moves() -> None:
    for motion in MOTIONS:
        clip = painted(replace(A_SCENE, motion=motion))
        assert apart(clip[0], clip[-1]) > 4.0


def test_drawn_scenes_are_sensible_balanced_and_never_held_out() -> None:
    rng = np.random.default_rng(1)
    scenes = [draw_scene(rng) for _ in range(4000)]
    assert not any(is_held_out(scene) for scene in scenes)
    assert all(scene.motion in MOTIONS_OF[scene.place] for scene in scenes)
    assert all(scene.weather is Weather.CLEAR for scene in scenes if scene.place in SHELTERED)
    for name, values in (
        ("place", PLACES),
        ("time_of_day", TIMES),
        ("weather", WEATHERS),
        ("thing", THINGS),
        ("colour", COLOURS),
        ("motion", MOTIONS),
    ):
        for value in values:
            share = np.mean([getattr(scene, name) is value for scene in scenes])
            assert share > 0.55 / len(values), value


def test_a_drawn_scene_is_decided_by_its_generator() -> None:
    assert draw_scene(np.random.default_rng(5)) == draw_scene(np.random.default_rng(5))
