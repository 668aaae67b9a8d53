"""Still pictures of a video. Enters: a frame or a video file. Leaves: a poster, the frames, a contact sheet.

Pictures that go out say that a machine made them, in XMP, for readers that know no Content Credentials and where nobody
signs. Method: Digital Source Type of the IPTC Photo Metadata Standard 2025.1, https://iptc.org/std/photometadata.
"""

from __future__ import annotations

import io
import unicodedata
from bisect import bisect_right
from math import ceil
from typing import TYPE_CHECKING

import av
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from shared.receipts import DIGITAL_SOURCE_TYPE

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

#: A poster of 832x480 takes 14 ms and 44 kB; no block shows at this quality.
POSTER_QUALITY = 88
#: An XMP packet (ISO 16684-1).
MADE_BY_AI = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    f'Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPE}"/>'
    '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
).encode()
#: Frames narrower than this are magnified on a contact sheet, by whole pixels.
READABLE_WIDTH = 240
#: A longer caption ends with an ellipsis; a prompt may have a thousand characters.
CAPTION_LINES = 2
#: Pillow's own font has these; nearly all else is a box in it.
DRAWN = frozenset(map(chr, range(ord(" "), ord("~") + 1))) | {"…"}
#: Signs that are more than a letter with an accent, but can be spelled.
SPELLINGS = {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"} | dict(
    zip("øØłŁđĐı‐–—‘’“”„«»⁄", 'oOlLdDi---\'\'"""""/', strict=True)  # noqa: RUF001 - they are what it is about
)
GAP = 8
TEXT_HEIGHT = 16
PAPER, INK = (24, 24, 24), (235, 235, 235)


def poster(frame: NDArray[np.uint8]) -> bytes:
    """A frame ``(H, W, 3)``, display sRGB, as a progressive JPEG."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=POSTER_QUALITY, progressive=True, optimize=True, xmp=MADE_BY_AI)
    return file.getvalue()


def read_frames(path: Path) -> NDArray[np.uint8]:
    """All the frames of a video, ``(T, H, W, 3)``, display sRGB."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def contact_sheet(path_mp4: Path, path_png: Path, *, caption: str, columns: int = 4, rows: int = 2) -> None:
    """Draw evenly spaced frames, the first and the last among them, each with its time in seconds, under a caption."""
    with av.open(str(path_mp4)) as container:
        times_s = [frame.time or 0.0 for frame in container.decode(video=0)]
    frames = read_frames(path_mp4)
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(columns * rows, len(frames))).round().astype(int))
    _, height, width, _ = frames.shape
    scale = max(1, -(-READABLE_WIDTH // width))
    cell_width, cell_height = width * scale + GAP, height * scale + TEXT_HEIGHT + GAP
    columns = min(columns, len(chosen))
    rows = -(-len(chosen) // columns)
    font = ImageFont.load_default(TEXT_HEIGHT - 3)
    lines = _wrap(_drawable(caption), font, width=columns * cell_width - GAP)
    top = len(lines) * TEXT_HEIGHT + 2 * GAP
    sheet = Image.new("RGB", (columns * cell_width + GAP, top + rows * cell_height), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((GAP, GAP + number * TEXT_HEIGHT), line, INK, font)
    for place, index in enumerate(chosen):
        left = GAP + place % columns * cell_width
        upper = top + place // columns * cell_height
        picture = Image.fromarray(frames[index]).resize((width * scale, height * scale), Image.Resampling.NEAREST)
        sheet.paste(picture, (left, upper))
        draw.text((left, upper + height * scale), f"{times_s[index]:.2f} s", INK, font)
    sheet.save(path_png)


def _drawable(text: str) -> str:
    """The text as Pillow's own font can draw it: without accents, and with a ``?`` for what has no Latin spelling."""

    def spelled(sign: str) -> str:
        if sign in DRAWN or sign.isspace():
            return sign
        if unicodedata.category(sign) in {"Mn", "Me", "Cf"}:  # accents, and what joins emoji
            return ""
        return SPELLINGS.get(sign, "?")

    parts = (sign if sign in DRAWN else unicodedata.normalize("NFKD", sign) for sign in text)
    return "".join(spelled(sign) for part in parts for sign in part)


def _wrap(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, *, width: int) -> list[str]:
    """Break between words, or inside a word that is wider than the sheet; ``width`` in pixels."""

    def count_fitting(text: str, *, end: str = "") -> int:
        return bisect_right(range(len(text) + 1), width, key=lambda count: ceil(font.getlength(text[:count] + end))) - 1

    rest = " ".join(text.split())
    lines: list[str] = []
    while (count := count_fitting(rest)) < len(rest) and len(lines) < CAPTION_LINES - 1:
        space = rest.rfind(" ", 0, count + 1)
        lines.append(rest[: space if space > 0 else count])
        rest = rest[len(lines[-1]) :].lstrip()
    if count < len(rest):
        rest = rest[: count_fitting(rest, end="…")].rstrip() + "…"
    return [*lines, rest]
