"""Posters, frames and contact sheets, judged as pictures."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageFont

from gpu_job.encoder import converted, encode
from gpu_job.pictures import _drawable, _wrap, contact_sheet, poster, read_frames

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WIDTH, HEIGHT, FPS, FRAMES = 64, 48, 8, 16


@pytest.fixture(scope="module")
def greys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video that goes from dark to bright."""
    path = tmp_path_factory.mktemp("greys") / "video.mp4"
    light = np.linspace(0.1, 0.9, FRAMES, dtype=np.float32)[:, None, None, None]
    frames: NDArray[np.float32] = np.broadcast_to(light, (FRAMES, HEIGHT, WIDTH, 3))
    _encode(frames, path)
    return path


def _encode(frames: NDArray[np.float32], path: Path) -> None:
    pictures = converted([frames], width=WIDTH, height=HEIGHT, frames=len(frames))
    encode(pictures, path, width=WIDTH, height=HEIGHT, fps=FPS, frames=len(frames), metadata={}, watch=None)


def test_a_poster_is_a_progressive_jpeg_of_the_frame() -> None:
    across = np.linspace(0, 255, WIDTH)[None, :, None]
    frame = np.broadcast_to(across, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    with Image.open(io.BytesIO(poster(frame))) as picture:
        assert (picture.format, picture.size, picture.info.get("progressive")) == ("JPEG", (WIDTH, HEIGHT), 1)
        assert np.abs(np.asarray(picture).astype(int) - frame).mean() < 2


def test_the_frames_of_a_video_come_back_in_order(greys: Path) -> None:
    frames = read_frames(greys)
    assert frames.shape == (FRAMES, HEIGHT, WIDTH, 3)
    assert frames.dtype == np.uint8
    assert frames.mean(axis=(1, 2, 3)) / 255 == pytest.approx(np.linspace(0.1, 0.9, FRAMES), abs=0.02)


def test_a_contact_sheet_shows_first_and_last_frame_and_those_between(greys: Path, tmp_path: Path) -> None:
    contact_sheet(greys, tmp_path / "sheet.png", caption="from dark to bright", columns=3, rows=2)
    with Image.open(tmp_path / "sheet.png") as picture:
        sheet = np.asarray(picture.convert("RGB")).astype(int)
    height, width = sheet.shape[0], sheet.shape[1]
    row_height = (height - 32) // 2  # below the caption
    middles = [
        sheet[32 + row * row_height + row_height // 3, width // 3 * column + width // 6]
        for row in range(2)
        for column in range(3)
    ]
    levels = [middle.mean() / 255 for middle in middles]
    assert levels == pytest.approx(np.linspace(0.1, 0.9, 6), abs=0.05)


def test_tiny_frames_are_magnified_on_a_contact_sheet(greys: Path, tmp_path: Path) -> None:
    contact_sheet(greys, tmp_path / "sheet.png", caption="tiny", columns=2, rows=1)
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.width > 2 * 240


def test_a_contact_sheet_of_few_frames_has_no_empty_places(tmp_path: Path) -> None:
    frames = np.full((2, HEIGHT, WIDTH, 3), 0.5, np.float32)
    path = tmp_path / "short.mp4"
    _encode(frames, path)
    contact_sheet(path, tmp_path / "two.png", caption="two frames", columns=4, rows=3)
    contact_sheet(path, tmp_path / "exact.png", caption="two frames", columns=2, rows=1)
    assert (tmp_path / "two.png").read_bytes() == (tmp_path / "exact.png").read_bytes()


@pytest.mark.parametrize(
    ("caption", "lines"),
    [
        ("cat: asleep", 1),
        ("cat: " + "asleep in the sun " * 6, 2),
        ("cat: " + "asleep in the sun " * 50, 2),
        ("cat: " + "z" * 900, 2),
        ("cat:\nasleep\n\nin the sun", 1),
    ],
    ids=["short", "two lines", "far too long", "one endless word", "with line breaks"],
)
def test_a_caption_stays_on_its_contact_sheet(greys: Path, tmp_path: Path, caption: str, lines: int) -> None:
    contact_sheet(greys, tmp_path / "sheet.png", caption=caption, columns=2, rows=1)
    with Image.open(tmp_path / "sheet.png") as picture:
        sheet = np.asarray(picture.convert("L"))
    contact_sheet(greys, tmp_path / "bare.png", caption="", columns=2, rows=1)
    with Image.open(tmp_path / "bare.png") as picture:
        bare = np.asarray(picture.convert("L"))
    text_height = 16
    added = (lines - 1) * text_height
    assert sheet.shape == (bare.shape[0] + added, bare.shape[1])
    assert (sheet[32 + added :] == bare[32:]).all()
    written = sheet[: 32 + added] > 128
    assert not written[:, -8:].any()
    for line in range(lines):
        assert written[8 + line * text_height : 8 + (line + 1) * text_height].any()


def test_a_caption_that_is_cut_says_so() -> None:
    font = ImageFont.load_default(13)
    first, second = _wrap("cat: " + "asleep in the sun " * 50, font, width=400)
    assert first.endswith(("asleep", "in", "the", "sun"))
    assert second.endswith("…")
    assert max(font.getlength(first), font.getlength(second)) <= 400
    assert _wrap("cat: asleep", font, width=400) == ["cat: asleep"]


@pytest.mark.parametrize(
    ("caption", "drawn"),
    [
        ("Über dem Fluss \u2013 größer…", "Uber dem Fluss - grosser…"),
        ("cafe\u0301 à Łódź, “smørrebrød”", 'cafe a Lodz, "smorrebrod"'),
        ("½ ﬁsh\n\u00a0and ǿ", "1/2 fish\n and o"),
        ("кот 猫 🐈\ufe0f", "??? ? ?"),
    ],
)
def test_a_caption_is_spelled_in_letters_that_the_font_has(caption: str, drawn: str) -> None:
    assert _drawable(caption) == drawn
    font = ImageFont.load_default(13)
    box = bytes(font.getmask("\uffff"))
    assert all(bytes(font.getmask(sign)) != box for sign in _drawable(caption) if not sign.isspace())
