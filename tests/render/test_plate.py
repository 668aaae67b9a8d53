"""The plate of the documentation is what the code draws."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from local.plate import CAPTION_PX, HEIGHT, PLATE, WIDTH, camera, place, tile
from shared.perspectives import perspectives

pytestmark = pytest.mark.render

#: Of 255, on average: what a JPEG of this quality costs.
JPEG = 4.0


@pytest.mark.parametrize(
    "who", [None, "curious-cat", "restless-fly", "homing-pigeon", "heat-seeking-viper", "newborn-child"]
)
def test_the_plate_shows_what_everybody_sees(who: str | None) -> None:
    """Those who get the middle take long to paint, and are left to the eye."""
    drawn = tile(perspectives()[who])[1] if who else camera()
    left, top = place([None, *perspectives()].index(who))

    with Image.open(PLATE) as plate:
        shown = np.asarray(plate.crop((left, top + CAPTION_PX, left + WIDTH, top + CAPTION_PX + HEIGHT)))

    assert np.abs(shown.astype(int) - drawn).mean() < JPEG, "run: make plate"
