"""The cards of the page are what the code draws."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from local.cards import CAMERA, CARDS, card, names
from local.plate import HEIGHT, WIDTH

pytestmark = pytest.mark.render

#: Of 255, on average: what a WebP of this quality costs.
WEBP = 4.0
#: All of them are on one page.
MOST_BYTES = 30_000


def test_everybody_has_a_card_and_nobody_else() -> None:
    assert sorted(path.stem for path in CARDS.iterdir()) == sorted(names()), "run: make cards"


@pytest.mark.parametrize("name", names())
def test_a_card_is_a_small_picture(name: str) -> None:
    path = CARDS / f"{name}.webp"
    assert path.stat().st_size < MOST_BYTES
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == ("WEBP", (WIDTH, HEIGHT))


@pytest.mark.parametrize("name", [CAMERA, "curious-cat", "busy-bee", "heat-seeking-viper", "newborn-child"])
def test_a_card_shows_what_that_creature_sees(name: str) -> None:
    """Those who get the middle of the scene take long to paint, and are left to the eye."""
    with Image.open(CARDS / f"{name}.webp") as picture:
        shown = np.asarray(picture.convert("RGB"))

    assert np.abs(shown.astype(int) - card(name)).mean() < WEBP, "run: make cards"
