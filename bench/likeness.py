"""How alike two clips are. Enter: frames ``(T, H, W, 3)`` in [0, 1], where they lie. Leave: PSNR and SSIM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Window of SSIM in pixels, and its constants (Wang et al. 2004, with a window of equal weights).
WINDOW = 7
C1, C2 = 0.01**2, 0.03**2
#: What is said of clips that are equal.
EQUAL_DB = float("inf")


def psnr(frames: NDArray[np.float32] | torch.Tensor, others: NDArray[np.float32] | torch.Tensor) -> float:
    """Peak signal to noise of the whole clip, in decibels. A step of one of 256 everywhere is 48 dB."""
    errors = [float((x - y).square().mean()) for x, y in zip(_frames(frames), _frames(others), strict=True)]
    error = float(np.mean(errors))
    return -10 * float(np.log10(error)) if error else EQUAL_DB


def ssim(frames: NDArray[np.float32] | torch.Tensor, others: NDArray[np.float32] | torch.Tensor) -> float:
    """Structural similarity of the greys, averaged over the frames; 1 is equal."""
    shares = []
    for frame, other in zip(_frames(frames), _frames(others), strict=True):
        x, y = (each.mean(dim=-1)[None, None] for each in (frame, other))
        mean_x, mean_y = avg_pool2d(x, WINDOW, 1), avg_pool2d(y, WINDOW, 1)
        var_x, var_y = avg_pool2d(x * x, WINDOW, 1) - mean_x**2, avg_pool2d(y * y, WINDOW, 1) - mean_y**2
        both = avg_pool2d(x * y, WINDOW, 1) - mean_x * mean_y
        share = (2 * mean_x * mean_y + C1) * (2 * both + C2) / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))
        shares.append(float(share.mean()))
    return float(np.mean(shares))


def _frames(clip: NDArray[np.float32] | torch.Tensor) -> Iterator[torch.Tensor]:
    """One at a time in double precision: a clip of squares takes gigabytes."""
    tensor = clip if isinstance(clip, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(clip))
    return (frame.double() for frame in tensor)
