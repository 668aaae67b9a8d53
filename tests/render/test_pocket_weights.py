"""The pocket model as it ships: what it draws is what the words say, as far as a test can see."""

from __future__ import annotations

import json
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from cli.here import MODELS_DIR  # noqa: E402
from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: E402
from models.pocket.recipe import WEIGHTS  # noqa: E402
from models.pocket.scenes.default_scenes import PERSPECTIVE_OF  # noqa: E402
from shared.models import models  # noqa: E402
from shared.testing import a_spec  # noqa: E402
from tests.unit.renderer_world import drawn  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.render

ODD_PROMPTS = ["", "🐈🐈🐈", "Eine rote Kugel im Wald bei Nacht", "红色的球", "ball " * 400, "?!…", "zebra xylophone"]


@pytest.fixture(scope="module")
def renderer() -> DiffusersRenderer:
    return DiffusersRenderer(MODELS_DIR, device="cpu", threads=2)


@cache
def clip_of(
    renderer: DiffusersRenderer, words: str = "a red ball", *, seed: int = 1, **wish: Any
) -> NDArray[np.float32]:
    """``(T, H, W, 3)`` in [0, 1] of a perspective's full prompt; drawn once."""
    return drawn(renderer, a_spec(prompt=words, seed=seed, **wish))


def apart(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).mean())


def share_like(clip: NDArray[np.float32], colour: tuple[float, float, float]) -> float:
    """Part of the pixels that are near a colour."""
    return float((np.abs(clip - np.array(colour)).max(axis=-1) < 0.25).mean())


def test_the_weights_are_small_and_in_pieces() -> None:
    sizes = [path.stat().st_size for path in WEIGHTS.rglob("*.safetensors")]
    assert sum(sizes) <= 60e6
    assert max(sizes) <= 15e6


def test_the_catalogue_says_what_the_model_was_made_for() -> None:
    entry = models()["pocket"]
    made_for = json.loads((WEIGHTS / "model_index.json").read_text(encoding="utf-8"))
    assert [(each.width, each.height) for each in entry.sizes] == [(made_for["width"], made_for["height"])]
    assert [each.frames for each in entry.lengths] == [made_for["num_frames"]]


def test_the_same_wish_gives_the_same_frames_and_another_seed_visibly_others(renderer: DiffusersRenderer) -> None:
    assert np.array_equal(clip_of(renderer), drawn(renderer, a_spec(prompt="a red ball", seed=1)))
    assert apart(clip_of(renderer), clip_of(renderer, seed=2)) > 0.02


def test_every_perspective_with_a_place_of_its_own_is_a_world_of_its_own(renderer: DiffusersRenderer) -> None:
    clips = {each: clip_of(renderer, perspective=each) for each in PERSPECTIVE_OF.values()}
    assert min(apart(clips[a], clips[b]) for a, b in combinations(clips, 2)) > 0.08


@pytest.mark.parametrize(
    ("word", "colour"),
    [("red", (0.9, 0.1, 0.1)), ("yellow", (1.0, 0.9, 0.1)), ("green", (0.1, 0.7, 0.2)), ("blue", (0.1, 0.35, 1.0))],
)
def test_a_thing_has_the_colour_that_was_asked_for(
    renderer: DiffusersRenderer, word: str, colour: tuple[float, float, float]
) -> None:
    others = {"red", "yellow", "green", "blue"} - {word}
    place = "in a living room during the day, hovering in place"
    asked = share_like(clip_of(renderer, f"a {word} ball {place}"), colour)
    assert asked > 0.02
    assert all(asked > 4 * share_like(clip_of(renderer, f"a {other} ball {place}"), colour) for other in others)


def test_night_is_darker_than_day_and_evening_warmer(renderer: DiffusersRenderer) -> None:
    day, night, evening = (
        clip_of(renderer, f"a white car in the town, {when}", perspective="loyal-dog")
        for when in ("at noon", "at night", "at sunset")
    )
    assert night.mean() < 0.7 * day.mean()  # the car in the middle is white, and shines
    assert evening[..., 0].mean() / evening[..., 2].mean() > 1.3 * day[..., 0].mean() / day[..., 2].mean()


def test_what_moves_moves(renderer: DiffusersRenderer) -> None:
    turn = clip_of(renderer, "turning around, a blue flower", perspective="loyal-dog")
    hover = clip_of(renderer, "a blue flower, hovering in place", perspective="loyal-dog")
    assert (
        np.abs(turn[-1] - turn[0]).mean() > 1.3 * np.abs(hover[-1] - hover[0]).mean()
    )  # who hovers bobs, and comes back
    assert np.abs(np.diff(hover, axis=0)).mean() > 0.001


@pytest.mark.parametrize("words", ODD_PROMPTS)
def test_any_words_give_a_clip_of_the_creatures_world(renderer: DiffusersRenderer, words: str) -> None:
    usual = [clip_of(renderer, perspective=each).mean(axis=0) for each in ("curious-cat", "drifting-goldfish")]
    spec = a_spec(perspective="drifting-goldfish", prompt="…")
    whole = spec.prompt.replace("…", words)
    clip = drawn(renderer, spec.model_copy(update={"prompt": whole})).mean(axis=0)
    assert apart(clip, usual[1]) < apart(clip, usual[0])


def test_no_words_at_all_give_a_clip_too(renderer: DiffusersRenderer) -> None:
    clip = drawn(renderer, a_spec().model_copy(update={"prompt": ""}))
    assert clip.std() > 0.05
