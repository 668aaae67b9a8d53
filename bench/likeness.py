"""How alike two clips are. Enter: frames ``(T, H, W, 3) float32 in [0, 1]``. Leave: PSNR and SSIM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import avg_pool2d

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Window of SSIM in pixels, and its constants (Wang et al. 2004, with a window of equal weights).
WINDOW = 7
C1, C2 = 0.01**2, 0.03**2
#: What is said of clips that are equal.
EQUAL_DB = float("inf")


def psnr(frames: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Peak signal to noise of the whole clip, in decibels. A step of one of 256 everywhere is 48 dB."""
    error = float(np.square(frames - others, dtype=np.float64).mean())
    return -10 * float(np.log10(error)) if error else EQUAL_DB


def ssim(frames: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    """Structural similarity of the greys, averaged over the frames; 1 is equal."""
    shares = []
    for frame, other in zip(frames, others, strict=True):  # one at a time: a clip of squares takes gigabytes
        x, y = (
            torch.from_numpy(np.ascontiguousarray(each)).double().mean(dim=-1)[None, None] for each in (frame, other)
        )
        mean_x, mean_y = avg_pool2d(x, WINDOW, 1), avg_pool2d(y, WINDOW, 1)
        var_x, var_y = avg_pool2d(x * x, WINDOW, 1) - mean_x**2, avg_pool2d(y * y, WINDOW, 1) - mean_y**2
        both = avg_pool2d(x * y, WINDOW, 1) - mean_x * mean_y
        share = (2 * mean_x * mean_y + C1) * (2 * both + C2) / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))
        shares.append(float(share.mean()))
    return float(np.mean(shares))
