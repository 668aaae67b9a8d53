"""Pictures for people who want to see what the scenes look like. Enters: a seed. Leaves: labelled PNG sheets."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from models.pocket.scenes.attributes import (
    COLOURS,
    MOTIONS_OF,
    PLACES,
    SHELTERED,
    THINGS,
    TIMES,
    WEATHERS,
    Colour,
    Motion,
    Scene,
    Thing,
    TimeOfDay,
    Weather,
    draw_scene,
    pick,
)
from models.pocket.scenes.captions import caption
from models.pocket.scenes.painter import paint

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SIDE = 128
SHOWN = 176
LABEL = 58
FRAMES, FPS = 17, 16
STRIP = (0, 2, 4, 6, 8, 10, 12, 14, 16)


def cell(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], label: str) -> Image.Image:
    """A frame, enlarged, with its label below."""
    image = Image.new("RGB", (SHOWN + 4, SHOWN + LABEL), "white")
    image.paste(Image.fromarray(pixels).resize((SHOWN, SHOWN), Image.Resampling.BICUBIC), (2, 2))
    lines = textwrap.wrap(label, 31)[:5]
    ImageDraw.Draw(image).multiline_text((4, SHOWN + 4), "\n".join(lines), fill="black", spacing=0, font_size=10)
    return image


def sheet(rows: Sequence[Sequence[Image.Image]]) -> Image.Image:
    """Cells side by side, rows below each other."""
    wide = max(len(row) for row in rows)
    image = Image.new("RGB", (wide * (SHOWN + 4), len(rows) * (SHOWN + LABEL)), "white")
    for y, row in enumerate(rows):
        for x, each in enumerate(row):
            image.paste(each, (x * (SHOWN + 4), y * (SHOWN + LABEL)))
    return image


def a_frame(scene: Scene, at: int = FRAMES // 2) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One frame of the clip, the whole clip being planned as usual."""
    frames: np.ndarray[tuple[int, ...], np.dtype[np.uint8]] = paint(
        scene, width=SIDE, height=SIDE, frames=FRAMES, fps=FPS
    )[at]
    return frames


def places_sheet(rng: np.random.Generator) -> Image.Image:
    """A row a place: the four times, then the weathers at other times, each with a caption."""
    rows = []
    for place in PLACES:
        row = []
        skies = [Weather.CLEAR] if place in SHELTERED else WEATHERS[1:]
        for time, weather in [(time, Weather.CLEAR) for time in TIMES] + [
            (pick(rng, TIMES), weather) for weather in skies for _ in range(2 if place not in SHELTERED else 6)
        ]:
            scene = Scene(
                place=place,
                time_of_day=time,
                weather=weather,
                thing=pick(rng, THINGS),
                colour=pick(rng, COLOURS),
                motion=pick(rng, MOTIONS_OF[place]),
                seed=int(rng.integers(2**31)),
            )
            row.append(cell(a_frame(scene), caption(scene, rng)))
        rows.append(row)
    return sheet(rows)


def things_sheet(rng: np.random.Generator) -> Image.Image:
    """A row a thing, a column a colour, in places and light that vary."""
    rows = []
    for thing in THINGS:
        row = []
        for colour in COLOURS:
            place = pick(rng, PLACES)
            scene = Scene(
                place=place,
                time_of_day=pick(rng, TIMES),
                weather=Weather.CLEAR if place in SHELTERED else pick(rng, WEATHERS),
                thing=thing,
                colour=colour,
                motion=Motion.HOVER,
                seed=int(rng.integers(2**31)),
            )
            row.append(cell(a_frame(scene), f"{colour} {thing}, {scene.place}, {scene.time_of_day}, {scene.weather}"))
        rows.append(row)
    return sheet(rows)


def motions_sheet(rng: np.random.Generator) -> Image.Image:
    """A row a motion: every second frame."""
    rows = []
    for motion in Motion:
        place = pick(rng, [place for place in PLACES if motion in MOTIONS_OF[place]])
        scene = Scene(
            place=place,
            time_of_day=TimeOfDay.DAY,
            weather=Weather.CLEAR,
            thing=pick(rng, (Thing.BIRD, Thing.BALL, Thing.CAR, Thing.FISH)),
            colour=Colour.RED,
            motion=motion,
            seed=int(rng.integers(2**31)),
        )
        clip = paint(scene, width=SIDE, height=SIDE, frames=FRAMES, fps=FPS)
        rows.append([cell(clip[at], f"{place}, {motion}, frame {at}") for at in STRIP])
    return sheet(rows)


def random_sheet(rng: np.random.Generator) -> Image.Image:
    """Scenes as training draws them, with captions."""
    scenes = [draw_scene(rng) for _ in range(40)]
    cells = [cell(a_frame(scene), caption(scene, rng)) for scene in scenes]
    return sheet([cells[start : start + 8] for start in range(0, len(cells), 8)])


def draw_sheets(folder: Path, seed: int) -> list[Path]:
    """Write all sheets; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, (name, draw) in enumerate(
        (("places", places_sheet), ("things", things_sheet), ("motions", motions_sheet), ("random", random_sheet))
    ):
        path = folder / f"{name}.png"
        draw(np.random.default_rng((seed, number))).save(path)
        paths.append(path)
    return paths
