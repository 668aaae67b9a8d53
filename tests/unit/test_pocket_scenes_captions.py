"""The English that the pocket model learns, and the prompts that it is asked."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

import numpy as np
import pytest

from models.pocket.scenes import held_out, templates
from models.pocket.scenes.attributes import PLACES, Place, Scene, Thing, TimeOfDay, Weather, draw_scene
from models.pocket.scenes.captions import caption
from models.pocket.scenes.default_scenes import PERSPECTIVE_OF, SCENES, THEMES, draw_described, meaning_of
from models.pocket.scenes.held_out import held_out_prompts, is_held_out
from models.pocket.scenes.words import GAITS, HOURS, MOVES, NOUNS, OUTSIDE, SKIES, TONES, VIEWERS, WHEN, WHERE
from shared.perspectives import perspectives
from shared.themes import themes

#: Prompts of perspectives hold words like night and dusk by themselves.
FIXED = [perspective.prompt.partition("{scene}") for perspective in perspectives().values()]


def words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9'-]+", text.lower()))


@cache
def trained() -> tuple[tuple[Scene, str], ...]:
    """Scenes as training draws them, with captions."""
    rng = np.random.default_rng(2)
    scenes = [draw_scene(rng) for _ in range(8000)]
    return tuple((scene, caption(scene, rng)) for scene in scenes)


def own_words(text: str) -> str:
    """The caption without what a perspective's template or a theme says by itself."""
    for before, _, behind in FIXED:
        text = text.replace(before, " ").replace(behind, " ")
    for theme in themes().values():
        text = text.replace(theme.words, " ")
    for scene in SCENES:
        text = text.replace(scene, " ")
    return text.lower()


def says_any(text: str, words: tuple[str, ...]) -> bool:
    return any(word.lower() in text for word in words)


def test_the_same_generator_gives_the_same_caption() -> None:
    scene = draw_scene(np.random.default_rng(3))
    assert caption(scene, np.random.default_rng(4)) == caption(scene, np.random.default_rng(4))


def test_captions_say_nothing_about_time_that_the_picture_does_not_show() -> None:
    for scene, text in trained()[:3000]:
        rest = own_words(text)
        for time in set(TimeOfDay) - {scene.time_of_day}:
            assert not says_any(rest, WHEN[time]), (scene, text)


def test_captions_name_no_other_colour() -> None:
    plain = ("red", "orange", "yellow", "green", "blue", "purple", "white")
    for scene, text in trained()[:3000]:
        named = {
            tone for tone in plain if re.search(rf"\b{tone} (?:{'|'.join(NOUNS[scene.thing])})\b", own_words(text))
        }
        assert named <= {scene.colour.value}, (scene, text)


def test_most_captions_say_each_attribute() -> None:
    said: Counter[str] = Counter()
    for scene, text in trained():
        low = text.lower()
        said["thing"] += says_any(low, NOUNS[scene.thing]) and says_any(low, TONES[scene.colour])
        said["time"] += says_any(low, WHEN[scene.time_of_day] + HOURS[scene.time_of_day]) or "golden hour" in low
        said["weather"] += says_any(low, OUTSIDE[scene.weather] + SKIES[scene.weather])
        said["motion"] += says_any(low, MOVES[scene.motion] + GAITS[scene.motion])
        said["place"] += says_any(low, WHERE[scene.place] + VIEWERS[scene.place]) or PERSPECTIVE_OF[scene.place] != ""
    shares = {attribute: count / len(trained()) for attribute, count in said.items()}
    assert 0.70 <= shares["thing"] <= 0.95
    assert 0.65 <= shares["time"] <= 0.90
    assert 0.60 <= shares["weather"] <= 0.90
    assert 0.55 <= shares["motion"] <= 0.90
    assert shares["place"] == 1.0


def test_an_unsaid_time_is_mostly_the_natural_one() -> None:
    natural: Counter[bool] = Counter()
    for scene, text in trained():
        low = text.lower()
        every = tuple(word for time in TimeOfDay for word in WHEN[time] + HOURS[time])
        theme = any(entry.words in text for entry in themes().values())
        if scene.place is not Place.FOREST and not theme and not says_any(low, every):
            natural[scene.time_of_day is TimeOfDay.DAY] += 1
    assert natural[True] > 4 * natural[False]


def test_captions_come_from_many_templates() -> None:
    assert len(templates.SENTENCES) + len(templates.KEYWORDS) >= 40
    assert len(held_out.TEMPLATES) >= 12
    known = set(templates.SENTENCES + templates.KEYWORDS + templates.PHRASES)
    assert not known & set(held_out.TEMPLATES)
    assert len({text for _, text in trained()}) > 0.97 * len(trained())


def test_two_in_five_captions_are_those_of_perspectives() -> None:
    starts = tuple(before[:24].lower() for before, _, _ in FIXED)
    share = np.mean([any(start in text.lower() for start in starts) for _, text in trained()])
    assert 0.35 < share < 0.45


def test_every_default_scene_of_those_that_are_painted_for_and_every_theme_has_a_meaning() -> None:
    painted_for = [perspectives()[each] for each in PERSPECTIVE_OF.values()]
    assert set(SCENES) == {scene for perspective in painted_for for scene in perspective.scenes}
    assert set(THEMES) == set(themes())
    assert len(painted_for) == len(set(PERSPECTIVE_OF.values())) == len(PLACES)


def test_those_that_are_not_painted_for_ask_for_what_training_knows() -> None:
    """Their frames around the scene hold words of their own; what is to be seen is said in words that were learned."""
    known = set().union(*(words_of(text) for _, text in trained()))
    others = [each for each in perspectives().values() if each.id not in PERSPECTIVE_OF.values()]
    assert others
    unknown = {each.id: [scene for scene in each.scenes if not words_of(scene) <= known] for each in others}
    assert not any(unknown.values()), unknown


@pytest.mark.parametrize("place", PLACES)
def test_every_prompt_of_the_catalogue_is_made_of_words_that_training_knows(place: Place) -> None:
    known = set().union(*(words_of(text) for _, text in trained()))
    perspective = perspectives()[PERSPECTIVE_OF[place]]
    for scene in perspective.scenes:
        for theme in themes().values():
            prompt = f"{perspective.prompt.format(scene=scene)}, {theme.words}"
            assert words_of(prompt) <= known


def test_default_scenes_are_captions_of_what_they_mean() -> None:
    rng = np.random.default_rng(6)
    seen = set()
    for drawn, _ in trained():
        scene = draw_described(rng, drawn)
        text = caption(scene, rng)
        seen |= {default for default in SCENES if default in text and SCENES[default].fits(scene)}
    assert seen == set(SCENES)


def test_a_theme_wins_over_the_time_of_a_scene() -> None:
    moonlit = SCENES["a snowy clearing under a full moon"]
    time, weather, _ = meaning_of(Place.FOREST, moonlit, THEMES["golden-hour"])
    assert (time, weather) == (TimeOfDay.EVENING, Weather.CLEAR)


def test_nothing_falls_from_the_sky_under_water() -> None:
    fish = SCENES["water plants swaying over white pebbles in a fish tank"]
    assert fish.things == (Thing.FISH,)
    assert meaning_of(Place.WATER, fish, THEMES["rainy-night"])[:2] == (TimeOfDay.NIGHT, Weather.CLEAR)


def test_held_out_prompts_say_everything_in_words_that_training_knows() -> None:
    known = set().union(*(words_of(text) for _, text in trained()))
    prompts = held_out_prompts(200, 1)
    assert prompts == held_out_prompts(200, 1)
    assert not {text for text, _ in prompts} & {text for _, text in trained()}
    assert 0.3 < np.mean([is_held_out(scene) for _, scene in prompts]) < 0.7
    for text, scene in prompts:
        low = text.lower()
        assert words_of(text) <= known
        assert says_any(low, NOUNS[scene.thing]), text
        assert says_any(low, TONES[scene.colour]), text
        assert says_any(low, WHEN[scene.time_of_day] + HOURS[scene.time_of_day]), text
        assert says_any(low, OUTSIDE[scene.weather] + SKIES[scene.weather]), text
        assert says_any(low, MOVES[scene.motion] + GAITS[scene.motion]), text
        assert says_any(low, VIEWERS[scene.place]), text
