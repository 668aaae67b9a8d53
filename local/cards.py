"""The cards: one scene through everybody's eyes, a picture each, for the page.

Run as ``python -m local.cards`` to write them; a test says when they are out of date. Enters: the scene of the plate
and the catalogue. Leaves: ``frontend/public/cards/{perspective}.webp``, and ``camera.webp``, the scene as it is.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from PIL import Image

from local.bundles import ROOT
from local.plate import camera, tile
from shared.perspectives import perspectives

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CARDS = ROOT / "frontend/public/cards"
CAMERA = "camera"
#: Of WebP: below it the facets of insects begin to smear.
QUALITY = 80


def card(name: str) -> NDArray[np.uint8]:
    """The scene as that perspective sees it, or as the camera does, ``(HEIGHT, WIDTH, 3) uint8``."""
    return camera() if name == CAMERA else tile(perspectives()[name])[1]


def names() -> list[str]:
    """Of all cards."""
    return [CAMERA, *perspectives()]


if __name__ == "__main__":
    CARDS.mkdir(parents=True, exist_ok=True)
    for path in CARDS.glob("*.webp"):
        path.unlink()
    for name in names():
        Image.fromarray(card(name)).save(CARDS / f"{name}.webp", quality=QUALITY, method=6)
        sys.stdout.write(f"{(CARDS / name).relative_to(ROOT)}.webp\n")
