"""Contact sheets: pictures of clips, for people who would rather look than read numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

MARGIN_PX = 6
CAPTION_PX = 16


def write_sheet(
    path: Path, rows: Sequence[tuple[str, NDArray[np.uint8]]], *, frames: int = 5, title: str | None = None
) -> None:
    """Write a sheet: a row a clip, some frames of it side by side, its caption above.

    Args:
        path: of a PNG or JPEG.
        rows: captions and clips ``(T, H, W, 3)`` of one size.
        frames: shown of each.
        title: stands above all.
    """
    height, width = rows[0][1].shape[1:3]
    head = CAPTION_PX + MARGIN_PX if title else 0
    size = (
        frames * (width + MARGIN_PX) + MARGIN_PX,
        head + len(rows) * (height + CAPTION_PX + MARGIN_PX) + MARGIN_PX,
    )
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    if title:
        pen.text((MARGIN_PX, MARGIN_PX), title, fill="black", font=font)
    for number, (caption, clip) in enumerate(rows):
        top = head + MARGIN_PX + number * (height + CAPTION_PX + MARGIN_PX)
        pen.text((MARGIN_PX, top), _cut(caption, size[0] - 2 * MARGIN_PX, font), fill="black", font=font)
        for column, frame in enumerate(np.linspace(0, len(clip) - 1, frames).round().astype(int)):
            place = (MARGIN_PX + column * (width + MARGIN_PX), top + CAPTION_PX)
            sheet.paste(Image.fromarray(clip[frame]), place)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _cut(text: str, width_px: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    plain = text.encode("latin-1", "replace").decode("latin-1")
    if font.getlength(plain) <= width_px:
        return plain
    while font.getlength(f"{plain} ...") > width_px:
        plain = plain[:-1].rstrip()
    return f"{plain} ..."
