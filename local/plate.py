"""The plate: one picture as everybody in the catalogue sees it, for the documentation.

Run as ``python -m local.plate`` to write it; a test says when it is out of date. Enters: the catalogue. Leaves:
``docs/pictures/plate.jpg``. The picture is painted by the pocket model's painter, so that nobody else's is in it.

Each eye declares which angle its frame spans. Those that see far declare a narrow one, since blur can't show more than
a frame holds; of the picture, which spans `PICTURE_DEG`, they get the middle.
"""

from __future__ import annotations

import sys
from functools import cache
from math import radians, tan
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from gpu_job.vision.eye import see
from local.bundles import ROOT
from models.pocket.scenes.attributes import Colour, Motion, Place, Scene, Thing, TimeOfDay, Weather
from models.pocket.scenes.painter import paint
from shared.perspectives import perspectives

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.perspectives import Perspective

PLATE = ROOT / "docs/pictures/plate.jpg"
#: Red on green, purple, white and blue; a dark body before a bright sky.
SCENE = Scene(
    place=Place.GARDEN,
    time_of_day=TimeOfDay.DAY,
    weather=Weather.CLEAR,
    thing=Thing.BUTTERFLY,
    colour=Colour.RED,
    motion=Motion.HOVER,
    seed=3,
)
#: What eyes are taken to see of it that declare no narrower frame.
PICTURE_DEG = 60.0
WIDTH, HEIGHT = 400, 224
COLUMNS = 4
MARGIN_PX, CAPTION_PX = 6, 20
QUALITY = 85


def camera() -> NDArray[np.uint8]:
    """The picture itself, ``(HEIGHT, WIDTH, 3)``."""
    return _painted(1.0)


def tile(perspective: Perspective) -> tuple[str, NDArray[np.uint8]]:
    """The picture as somebody sees it, ``(HEIGHT, WIDTH, 3)``, and its caption."""
    frame_deg = perspective.optics.frame_deg
    share = min(1.0, tan(radians(frame_deg) / 2) / tan(radians(PICTURE_DEG) / 2))
    caption = perspective.name if share == 1 else f"{perspective.name}, the middle {frame_deg:.0f}°"
    frames = torch.from_numpy(_painted(share)[None].astype(np.float32) / 255)
    seen = see(frames, perspective.optics, fps=16)[0]
    return caption, np.rint(seen.numpy() * 255).astype(np.uint8)


@cache
def _painted(share: float) -> NDArray[np.uint8]:
    """The middle of the picture, as many pixels for any share of it."""
    width, height = (round(size / share / 2) * 2 for size in (WIDTH, HEIGHT))
    frame = paint(SCENE, width=width, height=height, frames=1, fps=16, supersampling=3 if share == 1 else 2)[0]
    left, top = (width - WIDTH) // 2, (height - HEIGHT) // 2
    return np.ascontiguousarray(frame[top : top + HEIGHT, left : left + WIDTH], dtype=np.uint8)


def place(number: int) -> tuple[int, int]:
    """Left and top, in pixels, of that tile and its caption."""
    row, column = divmod(number, COLUMNS)
    return MARGIN_PX + column * (WIDTH + MARGIN_PX), MARGIN_PX + row * (HEIGHT + CAPTION_PX + MARGIN_PX)


def plate() -> Image.Image:
    """All tiles, with their captions above."""
    shown = [("A camera", camera()), *map(tile, perspectives().values())]
    rows = -(-len(shown) // COLUMNS)
    sheet = Image.new("RGB", (place(COLUMNS - 1)[0] + WIDTH + MARGIN_PX, place(rows * COLUMNS)[1]), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for number, (caption, picture) in enumerate(shown):
        left, top = place(number)
        pen.text((left, top), caption, fill="black", font=font)
        sheet.paste(Image.fromarray(picture), (left, top + CAPTION_PX))
    return sheet


if __name__ == "__main__":
    PLATE.parent.mkdir(parents=True, exist_ok=True)
    plate().save(PLATE, quality=QUALITY, optimize=True, progressive=True)
    sys.stdout.write(f"{PLATE.relative_to(ROOT)}\n")
