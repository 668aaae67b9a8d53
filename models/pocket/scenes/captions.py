"""English for scenes. Enters: a scene. Leaves: one of very many captions, true of it.

What is left out is mostly what one would expect anyway, so that a short prompt means the natural picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.pocket.scenes.attributes import SHELTERED, Place, Scene, Weather, natural_motion, natural_time, pick
from models.pocket.scenes.default_scenes import NOTHING, PERSPECTIVE_OF, SCENES, THEMES, Meaning, meaning_of, scenes_of
from models.pocket.scenes.templates import KEYWORDS, PHRASES, SENTENCES, fill
from models.pocket.scenes.words import (
    ACTS,
    GAITS,
    HOURS,
    MOVES,
    NOUNS,
    OUTSIDE,
    SIZES,
    SKIES,
    STYLES,
    TONES,
    VIEWERS,
    WHEN,
    WHERE,
)
from shared.perspectives import perspectives
from shared.themes import themes

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

#: Shares of captions.
OF_PERSPECTIVES = 0.40
TERSE = 0.20
UNNAMED_THING = 0.12
DISTRACTED = 0.12
#: Of a perspective's captions: by a default scene that says the thing, when there is one; by another.
BY_DEFAULT_SCENE = (0.60, 0.22)
#: Of those whose time and weather a theme means: by that theme's words.
BY_THEME = 0.65
#: A theme's weather where there is none, in a tank or a nursery.
VAIN_WEATHER = 0.3

#: How often something is left out when it is what one expects, and when it is not.
LEFT_OUT_TIME = (0.50, 0.05)
LEFT_OUT_WEATHER = (0.38, 0.04)
LEFT_OUT_WEATHER_SHELTERED = 0.75
LEFT_OUT_MOTION = (0.62, 0.13)
LEFT_OUT_PLACE = 0.35
NEVER_SAID_OTHERWISE = 0.03


def caption(scene: Scene, rng: np.random.Generator) -> str:
    """A caption; lower and upper case, length and completeness vary."""
    text = _by_perspective(scene, rng) if rng.random() < OF_PERSPECTIVES else _free(scene, rng)
    if rng.random() < DISTRACTED:
        extra = pick(rng, STYLES)
        text = f"{text}, {extra}" if rng.random() < 0.6 else f"{extra}, {text}"  # noqa: PLR2004 - more often behind
    look = rng.random()
    if look < 0.35:  # noqa: PLR2004 - a share
        text = text[0].upper() + text[1:]
    if look < 0.2:  # noqa: PLR2004 - a share
        text += "."
    return text


def name(scene: Scene, rng: np.random.Generator, *, tone: str | None = None, noun: str | None = None) -> str:
    """Colour and thing, sometimes with an empty adjective, no article."""
    words = [tone or pick(rng, TONES[scene.colour]), noun or pick(rng, NOUNS[scene.thing])]
    if rng.random() < 0.15:  # noqa: PLR2004 - a share
        words.insert(0, pick(rng, SIZES))
    return " ".join(words)


def with_article(noun: str, *, definite: bool = False) -> str:
    """A or an, by the first letter, or the."""
    if definite:
        return f"the {noun}"
    return f"{'an' if noun[0] in 'aeio' or noun.startswith('ultra') else 'a'} {noun}"


def _free(scene: Scene, rng: np.random.Generator) -> str:
    expected = scene.time_of_day is natural_time(scene.place), scene.motion is natural_motion(scene.place)
    wanted = {"viewer"}
    if rng.random() >= UNNAMED_THING:
        wanted.add("thing")
    if rng.random() >= LEFT_OUT_TIME[0 if expected[0] else 1]:
        wanted.add("time")
    if rng.random() >= _left_out_weather(scene):
        wanted.add("weather")
    if rng.random() >= LEFT_OUT_MOTION[0 if expected[1] else 1]:
        wanted.add("motion")
    if rng.random() >= LEFT_OUT_PLACE:
        wanted.add("place")
    templates = KEYWORDS if rng.random() < TERSE else SENTENCES
    return _compose(scene, rng, templates, wanted, required={"thing", "time", "weather", "motion"})


def _compose(
    scene: Scene, rng: np.random.Generator, templates: tuple[str, ...], wanted: set[str], required: Iterable[str]
) -> str:
    """A template filled so that every required attribute that is wanted is said."""
    said = _fillings(scene, rng, wanted)
    must = [attribute for attribute in required if attribute in wanted]
    best, text = -1, ""
    for _ in range(24):
        template = pick(rng, templates)
        filled = fill(template, said)
        if filled is None:
            continue
        score = sum(any(said[gap] in filled for gap in GAPS[attribute] if gap in said) for attribute in must)
        if score > best:
            best, text = score, filled
        if score == len(must):
            break
    if not text:
        text = ", ".join(said[gap] for gap in ("viewer", "noun", "when", "outside", "moves") if gap in said)
    return text


GAPS = {
    "thing": ("thing", "noun"),
    "time": ("when", "hour"),
    "weather": ("outside", "sky"),
    "motion": ("moves", "gait"),
    "place": ("where",),
    "viewer": ("viewer",),
}


def _fillings(scene: Scene, rng: np.random.Generator, wanted: set[str]) -> dict[str, str]:
    said: dict[str, str] = {}
    if "viewer" in wanted:
        said["viewer"] = pick(rng, VIEWERS[scene.place])
    if "place" in wanted or rng.random() < 0.2:  # noqa: PLR2004 - where the template asks for it
        said["where"] = pick(rng, WHERE[scene.place])
    if "thing" in wanted:
        said["noun"] = name(scene, rng)
        said["thing"] = with_article(said["noun"], definite=rng.random() < 0.15)  # noqa: PLR2004 - a share
        if rng.random() < 0.5:  # noqa: PLR2004 - a share
            said["act"] = pick(rng, ACTS[scene.thing])
    if "time" in wanted:
        said["when"], said["hour"] = pick(rng, WHEN[scene.time_of_day]), pick(rng, HOURS[scene.time_of_day])
    if "weather" in wanted:
        said["outside"], said["sky"] = pick(rng, OUTSIDE[scene.weather]), pick(rng, SKIES[scene.weather])
    if "motion" in wanted:
        said["moves"], said["gait"] = pick(rng, MOVES[scene.motion]), pick(rng, GAITS[scene.motion])
    return said


def _left_out_weather(scene: Scene) -> float:
    if scene.place in SHELTERED:
        return LEFT_OUT_WEATHER_SHELTERED
    return LEFT_OUT_WEATHER[0 if scene.weather is Weather.CLEAR else 1]


def _theme_for(scene: Scene, default: Meaning, rng: np.random.Generator) -> str | None:
    """A theme under which the default scene means exactly what the scene shows, if any."""
    fitting = []
    for theme, meaning in THEMES.items():
        time, weather, _ = meaning_of(scene.place, default, meaning)
        vain = scene.place in SHELTERED and meaning.time is None and rng.random() >= VAIN_WEATHER
        if time is scene.time_of_day and weather is scene.weather and not vain:
            fitting.append(theme)
    return pick(rng, fitting) if fitting and rng.random() < BY_THEME else None


def _by_perspective(scene: Scene, rng: np.random.Generator) -> str:
    perspective = perspectives()[PERSPECTIVE_OF[scene.place]]
    defaults = [text for text in scenes_of(scene.place) if SCENES[text].fits(scene)]
    telling = [text for text in defaults if SCENES[text].things is not None and SCENES[text].colours is not None]
    naming = telling or [text for text in defaults if SCENES[text].things is not None]
    text, default = "", NOTHING
    if naming and rng.random() < BY_DEFAULT_SCENE[0]:
        text = pick(rng, naming)
    elif defaults and rng.random() < BY_DEFAULT_SCENE[1]:
        text = pick(rng, defaults)
    if text:
        default = SCENES[text]
    theme = _theme_for(scene, default, rng)
    wanted = set()
    usual_time, usual_weather, usual_motion = meaning_of(scene.place, default, THEMES[theme] if theme else NOTHING)
    # an owl's prompt says night by itself: another time is always said
    owl = NEVER_SAID_OTHERWISE if scene.place is Place.FOREST else LEFT_OUT_TIME[1]
    if theme is None:
        if rng.random() >= (LEFT_OUT_TIME[0] if scene.time_of_day is usual_time else owl):
            wanted.add("time")
        usual = scene.weather is usual_weather
        if rng.random() >= (
            LEFT_OUT_WEATHER_SHELTERED if scene.place in SHELTERED else LEFT_OUT_WEATHER[0 if usual else 1]
        ):
            wanted.add("weather")
    if rng.random() >= (0.8 if scene.motion is usual_motion else 0.06):
        wanted.add("motion")
    if text:
        said = _fillings(scene, rng, wanted)
        text = ", ".join([text, *(said[gap] for gap in ("moves", "when", "outside") if gap in said)])
    else:
        wanted.add("thing")
        if rng.random() < LEFT_OUT_PLACE:
            wanted.add("place")
        text = _compose(scene, rng, PHRASES, wanted, required=("thing", "time", "weather", "motion"))
    prompt = perspective.prompt.format(scene=text)
    return f"{prompt}, {themes()[theme].words}" if theme else prompt


def keywords(scene: Scene, rng: np.random.Generator) -> str:
    """All that can be named, each by its plain name, in any order."""
    words = [scene.place, scene.time_of_day, scene.weather, f"{scene.colour} {scene.thing}", scene.motion]
    return ", ".join(words[number] for number in rng.permutation(len(words)))
