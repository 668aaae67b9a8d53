"""Clips of scenes. Enters: a scene, a size. Leaves: frames, the same for the same scene; at every size the same view.

One thread; call it from one process a core. The first call in a process compiles for some seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from models.pocket.scenes.precipitation import precipitate
from models.pocket.scenes.rays import cast
from models.pocket.scenes.stage import staged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.pocket.scenes.attributes import Scene

#: Ways to furnish a place, where nothing else is said.
LAYOUTS = 4


def paint(
    scene: Scene, *, width: int, height: int, frames: int, fps: int, supersampling: int = 2, layouts: int = LAYOUTS
) -> NDArray[np.uint8]:
    """The clip, ``(frames, height, width, 3)``; ``supersampling`` squared rays a pixel. Sizes are in pixels.

    Each place is furnished in ``layouts`` ways, of which the seed picks one; who moves where is the seed's own. The
    fewer there are, the sooner a small model has learned them.

    Raises:
        ValueError: a size, number or rate below 1.
    """
    if min(width, height, frames, fps, supersampling, layouts) < 1:
        raise ValueError("sizes, frames, fps, supersampling and layouts start at 1")
    stage = staged(scene, width=width, height=height, frames=frames, fps=fps, layouts=layouts)
    pixels = np.empty((frames, height, width, 3), np.float32)
    openings = np.empty((frames, height, width), np.float32)
    cast(
        pixels,
        openings,
        stage.rows,
        stage.origins,
        stage.boxes,
        stage.nearest,
        stage.eyes,
        stage.views,
        stage.moments,
        stage.slope,
        stage.blobs,
        stage.shadows,
        stage.surroundings,
        supersampling,
    )
    precipitate(pixels, openings, stage.streaks, stage.streak_colour)
    return np.asarray(np.clip(pixels * 255.0 + 0.5, 0.0, 255.0), dtype=np.uint8)
