"""Clips of scenes on a GPU: the same loops as on a CPU, a thread a pixel. Enters: stages. Leaves: frames on the GPU.

Needs the package ``numba-cuda``, which at 0.30 needs a numpy before 2.5. The first call compiles for some seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import cuda, float64, int64

from models.pocket.scenes.precipitation import STRENGTH, cover_of
from models.pocket.scenes.rays import fill_seen, pixel_of

if TYPE_CHECKING:
    import torch

    from models.pocket.scenes.stage import Stage

#: Side of a block of threads.
BLOCK = 16
#: Solids that a clip may have; a place and its thing have 90 at most.
MOST_SOLIDS = 160
#: Rays a pixel, at most.
MOST_SAMPLES = 16


@cuda.jit(fastmath=True)
def _draw(  # type: ignore[no-untyped-def]  # noqa: ANN202, PLR0917 - compiled for numbers one by one
    frames,  # noqa: ANN001
    rows,  # noqa: ANN001
    origins,  # noqa: ANN001
    boxes,  # noqa: ANN001
    nearest,  # noqa: ANN001
    eyes,  # noqa: ANN001
    views,  # noqa: ANN001
    moments,  # noqa: ANN001
    slope,  # noqa: ANN001
    blobs,  # noqa: ANN001
    shadows,  # noqa: ANN001
    s,  # noqa: ANN001
    streaks,  # noqa: ANN001
    tone,  # noqa: ANN001
    samples,  # noqa: ANN001
):
    """Fill ``frames (T, H, W, 3) uint8``."""
    px, py, f = cuda.grid(3)  # type: ignore[attr-defined]
    height, width = frames.shape[1], frames.shape[2]
    if px >= width or py >= height:
        return
    seen = cuda.local.array(MOST_SOLIDS, int64)  # type: ignore[attr-defined]
    ids = cuda.local.array(MOST_SAMPLES, int64)  # type: ignore[attr-defined]
    colours = cuda.local.array((MOST_SAMPLES, 3), float64)  # type: ignore[attr-defined]
    visible = fill_seen(seen, boxes[f], px, px + 1, py, py + 1)
    eye = (eyes[f, 0], eyes[f, 1], eyes[f, 2])
    red, green, blue, opening = pixel_of(
        px,
        py,
        width,
        height,
        rows[f],
        origins[f],
        nearest[f],
        seen,
        visible,
        eye,
        views[f],
        moments[f],
        slope,
        blobs,
        shadows[f],
        s,
        samples,
        ids,
        colours,
    )
    for k in range(streaks.shape[1]):
        if streaks[f, k, STRENGTH] > 0.0:
            cover = cover_of(streaks[f, k], px, py) * opening
            red += cover * (tone[0] - red)
            green += cover * (tone[1] - green)
            blue += cover * (tone[2] - blue)
    frames[f, py, px, 0] = min(max(red * 255.0 + 0.5, 0.0), 255.0)
    frames[f, py, px, 1] = min(max(green * 255.0 + 0.5, 0.0), 255.0)
    frames[f, py, px, 2] = min(max(blue * 255.0 + 0.5, 0.0), 255.0)


def paint_on_gpu(stage: Stage, frames: torch.Tensor, *, supersampling: int) -> None:
    """Fill the frames ``(T, H, W, 3) uint8``, a tensor on the GPU.

    Raises:
        ValueError: more solids or rays a pixel than there is room for.
    """
    if stage.rows.shape[1] > MOST_SOLIDS or supersampling**2 > MOST_SAMPLES:
        msg = f"{stage.rows.shape[1]} solids, {supersampling}² rays: more than {MOST_SOLIDS} and {MOST_SAMPLES}"
        raise ValueError(msg)
    length, height, width, _ = frames.shape
    arrays = (stage.rows, stage.origins, stage.boxes, stage.nearest, stage.eyes, stage.views, stage.moments)
    rows, origins, boxes, nearest, eyes, views, moments = (_there(each) for each in arrays)
    grid = (-(-width // BLOCK), -(-height // BLOCK), length)
    _draw[grid, (BLOCK, BLOCK, 1)](
        cuda.as_cuda_array(frames),
        rows,
        origins,
        boxes,
        nearest,
        eyes,
        views,
        moments,
        stage.slope,
        _there(stage.blobs),
        _there(stage.shadows),
        stage.surroundings,
        _there(stage.streaks),
        stage.streak_colour,
        supersampling,
    )


def _there(array: np.ndarray) -> object:
    return cuda.to_device(np.ascontiguousarray(array))
