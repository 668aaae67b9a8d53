"""Prompts for evaluation, none of them trained on. Enters: a seed. Leaves: prompts and what their clips must show."""

from __future__ import annotations

import numpy as np

from models.pocket.scenes.attributes import (
    COLOURS,
    MOTIONS_OF,
    PLACES,
    SHELTERED,
    THINGS,
    TIMES,
    WEATHERS,
    Scene,
    Weather,
    kept_apart,
    pick,
)
from models.pocket.scenes.captions import name, with_article
from models.pocket.scenes.words import GAITS, HOURS, MOVES, OUTSIDE, SKIES, VIEWERS, WHEN, WHERE

#: None of them occurs in `templates`. Every attribute is said; weather only where there is any.
TEMPLATES = (
    "{viewer}, {moves} {where} {when} {outside}, with {thing} in view",
    "{where} {when} {outside}: {viewer} and {thing}, {moves}",
    "{thing}, {hour}, {outside}, {where}, as seen by {viewer} {moves}",
    "{when} {outside}, {moves} {where}, {viewer} looks at {thing}",
    "{viewer} {where} watches {thing} {when} {outside}, {moves}",
    "view of {viewer} {moves}: {where}, {thing}, {hour}, {sky}",
    "{hour}, {sky}, {where}, {noun}, {viewer}, {gait}",
    "{noun}, {viewer} {where}, {gait}, {sky}, {hour}",
    "the eyes of {viewer} {moves}, {thing} before it, {where}, {when}, {outside}",
    "{outside} {when} there is {thing} {where}; {viewer} is {moves}",
    "{moves}, {viewer} meets {thing} {where}; {hour}, {sky}",
    "a film by {viewer} {where}: {thing} {outside} {when}, {moves}",
    "in front of {viewer} {moves} {where}: {thing}, {when}, {outside}",
    "{gait}, {hour}, {where}, {thing} and {viewer}, {sky}",
)
#: Of the prompts; the others are of combinations that training knows, in other words.
NEW_COMBINATIONS = 0.5


def is_held_out(scene: Scene) -> bool:
    """Whether its place, thing and colour never occur together in training."""
    return kept_apart(scene.place, scene.thing, scene.colour)


def held_out_prompts(count: int, seed: int) -> list[tuple[str, Scene]]:
    """Prompts that say every attribute, with the scene they describe; every place about as often.

    ``count`` pairs; about half of them of combinations that training leaves out. Under water and in the cot it is
    always clear.
    """
    rng = np.random.default_rng((seed, 0x4E1D))
    prompts = []
    for number in range(count):
        scene = _draw(rng, number, held_out=rng.random() < NEW_COMBINATIONS)
        prompts.append((_prompt(scene, rng), scene))
    return prompts


def draw_any(rng: np.random.Generator, number: int) -> Scene:
    """A scene of the places in turn, every other attribute as likely as each other, held out or not."""
    place = PLACES[number % len(PLACES)]
    return Scene(
        place=place,
        time_of_day=pick(rng, TIMES),
        weather=Weather.CLEAR if place in SHELTERED else pick(rng, WEATHERS),
        thing=pick(rng, THINGS),
        colour=pick(rng, COLOURS),
        motion=pick(rng, MOTIONS_OF[place]),
        seed=int(rng.integers(2**31)),
    )


def _draw(rng: np.random.Generator, number: int, *, held_out: bool) -> Scene:
    while is_held_out(scene := draw_any(rng, number)) is not held_out:
        pass
    return scene


def _prompt(scene: Scene, rng: np.random.Generator) -> str:
    noun = name(scene, rng)
    said = {
        "viewer": pick(rng, VIEWERS[scene.place]),
        "where": pick(rng, WHERE[scene.place]),
        "noun": noun,
        "thing": with_article(noun),
        "when": pick(rng, WHEN[scene.time_of_day]),
        "hour": pick(rng, HOURS[scene.time_of_day]),
        "outside": pick(rng, OUTSIDE[scene.weather]),
        "sky": pick(rng, SKIES[scene.weather]),
        "moves": pick(rng, MOVES[scene.motion]),
        "gait": pick(rng, GAITS[scene.motion]),
    }
    return pick(rng, TEMPLATES).format_map(said)
