"""``lifeasnotme see``: one's own pictures, judged by what comes back out of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, ImageCms

pytest.importorskip("torch")

from cli import own_files, own_pictures
from tests.render.own_files import HEIGHT, WIDTH, a_picture, command, names_in, pixels_of, seen_by

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.render


def test_a_picture_becomes_a_picture_as_the_creature_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(a_picture()).save("garden.png")

    done = command("curious-cat", "garden.png")

    assert (done.exit_code, done.output) == (0, "Saved garden-curious-cat.png\n")
    before, after = a_picture().astype(int), pixels_of(tmp_path / "garden-curious-cat.png").astype(int)
    assert after.shape == before.shape
    red, green = after[20, 20], after[20, 76]
    assert abs(red[0] - red[1]) < 30 > abs(green[0] - green[1]), "a cat tells red from green by brightness alone"
    assert names_in(tmp_path) == ["garden-curious-cat.png", "garden.png"]


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.png", "PNG"), ("a.webp", "WEBP")])
def test_a_picture_is_written_as_what_its_name_says(tmp_path: Path, name: str, kind: str) -> None:
    Image.fromarray(a_picture()).save(tmp_path / "own.png")

    assert command("loyal-dog", tmp_path / "own.png", "--out", tmp_path / name).exit_code == 0

    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == (kind, (WIDTH, HEIGHT))


def test_a_photo_is_seen_as_the_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(np.rot90(a_picture())).save(tmp_path / "turned.jpg", exif=exif, quality=100, subsampling=0)
    Image.fromarray(a_picture()).save(tmp_path / "upright.jpg", quality=100, subsampling=0)

    for name in ("turned", "upright"):
        seen_by("colour-deficient-walker", tmp_path / f"{name}.jpg", tmp_path / f"{name}.png")

    turned, upright = (pixels_of(tmp_path / f"{name}.png").astype(int) for name in ("turned", "upright"))
    assert turned.shape == upright.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(turned - upright).mean() < 3


def test_what_is_transparent_is_seen_as_white(tmp_path: Path) -> None:
    clear = np.dstack([a_picture(), np.zeros((HEIGHT, WIDTH), np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")

    seen_by("colour-deficient-walker", tmp_path / "clear.png", tmp_path / "seen.png")

    assert pixels_of(tmp_path / "seen.png").min() >= 254


def test_deep_greys_keep_their_steps(tmp_path: Path) -> None:
    grey = np.broadcast_to(np.linspace(0, 65535, WIDTH).astype(np.uint16), (HEIGHT, WIDTH))
    Image.fromarray(grey.copy()).save(tmp_path / "deep.png")

    seen_by("colour-deficient-walker", tmp_path / "deep.png", tmp_path / "seen.png")

    assert pixels_of(tmp_path / "seen.png")[0, WIDTH // 2].mean() == pytest.approx(128, abs=3)


def test_colours_of_another_space_become_those_of_srgb_before_they_are_seen(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.fromarray(a_picture()).save(tmp_path / "own.png", icc_profile=profile.tobytes())
    Image.fromarray(a_picture()).save(tmp_path / "plain.png")

    for name in ("own", "plain"):
        seen_by("colour-deficient-walker", tmp_path / f"{name}.png", tmp_path / f"{name}-seen.png")

    own, plain = (pixels_of(tmp_path / f"{name}-seen.png").astype(int) for name in ("own", "plain"))
    assert np.abs(own - plain).max() <= 2


def test_a_large_picture_is_seen_smaller_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (own_files, own_pictures):
        monkeypatch.setattr(module, "MAX_EDGE", 48)
    Image.fromarray(a_picture()).save(tmp_path / "large.png")

    said = seen_by("curious-cat", tmp_path / "large.png", tmp_path / "seen.png")

    assert said == ["Seen at 48x32, not 96x64: an edge has 48 pixels at most."]
    assert pixels_of(tmp_path / "seen.png").shape == (32, 48, 3)


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(a_picture()).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)

    done = command("curious-cat", tmp_path / "bomb.png")

    assert done.exit_code == 1
    assert done.output == f"Error: {tmp_path / 'bomb.png'} has more than 0 million pixels; make it smaller first.\n"


def test_an_upright_picture_spans_along_its_longer_edge_what_the_eye_declares_of_the_width(tmp_path: Path) -> None:
    for name, picture in {"flat": a_picture(96, 48), "upright": np.rot90(a_picture(96, 48))}.items():
        Image.fromarray(np.ascontiguousarray(picture)).save(tmp_path / f"{name}.png")
        seen_by("clouded-grandmother", tmp_path / f"{name}.png", tmp_path / f"{name}-seen.png")

    flat, upright = (pixels_of(tmp_path / f"{name}-seen.png").astype(int) for name in ("flat", "upright"))
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(np.rot90(flat)[inner] - upright[inner]).mean() < 8
