"""Acuity: what is finer than an eye resolves is lost. Enters: frames, an acuity. Leaves: frames.

The spectrum of the picture is multiplied by ``MTF(f) = exp(-3.56 (MRA f)²)``, f in cycles per degree and MRA = 1 /
acuity in degrees: Caves & Johnsen 2018, "AcuityView" (Methods Ecol. Evol. 9:793). That is a Gaussian, so it is applied
to rows and columns one after the other: as weights of neighbours where it is narrow, on the lowest cosines alone where
it is wide. Beyond its edges a picture goes on as its mirror image.
"""

from __future__ import annotations

from functools import cache
from math import ceil, log, pi, sqrt

import torch

#: Of the formula.
FALL = 3.56
#: Weights are cut off so many standard deviations from the middle: 5e-7 of the whole is lost.
REACH = 5.0
#: A Gaussian narrower than a pixel has weights that fall but slowly.
LEAST_REACH = 12
#: Wider than this, in pixels, the cosines are faster.
WIDE_PX = 4.0
#: Contrast below which a cosine is left out.
NOTHING = 1e-5


def blur(light: torch.Tensor, *, acuity_cpd: float, field_deg: float) -> torch.Tensor:
    """Frames as an eye of that acuity sees them.

    Args:
        light: ``(T, H, W, 3)``, linear.
        acuity_cpd: cycles per degree.
        field_deg: that the frame spans horizontally.

    Raises:
        ValueError: an acuity or a field that is not above 0.
    """
    if acuity_cpd <= 0 or field_deg <= 0:
        msg = f"Acuity ({acuity_cpd}) and field ({field_deg}) must be above 0."
        raise ValueError(msg)
    sigma_px = sqrt(FALL / 2) / pi / acuity_cpd * light.shape[2] / field_deg
    return gaussian(light, sigma_px=sigma_px)


def gaussian(light: torch.Tensor, *, sigma_px: float) -> torch.Tensor:
    """Frames ``(T, H, W, 3)`` blurred by a Gaussian of that standard deviation."""
    frames, height, width, channels = light.shape
    if sigma_px >= WIDE_PX:
        rows = _wide(height, sigma_px, light)
        columns = _wide(width, sigma_px, light)
        low = torch.einsum("kh,thwc->tkwc", rows[1], light)
        low = torch.einsum("lw,tkwc->tklc", columns[1], low)
        back = torch.einsum("wl,tklc->tkwc", columns[0], low)
        return torch.einsum("hk,tkwc->thwc", rows[0], back)
    weights = _weights(sigma_px, light)
    if len(weights) == 1:
        return light
    planes = light.permute(0, 3, 1, 2).reshape(frames * channels, 1, height, width)
    for axis, size in ((2, height), (3, width)):
        reach = len(weights) // 2
        padded = planes.index_select(axis, _mirrored(size, reach, light.device))
        shape = (1, 1, len(weights), 1) if axis == 2 else (1, 1, 1, len(weights))  # noqa: PLR2004 - rows
        planes = torch.nn.functional.conv2d(padded, weights.view(shape))
    return planes.view(frames, channels, height, width).permute(0, 2, 3, 1)


def _weights(sigma_px: float, like: torch.Tensor) -> torch.Tensor:
    """Of neighbours, ``(2 n + 1,)``: the transform of the MTF itself.

    A wave of any frequency keeps exactly the Gaussian's part of its contrast. It would not by sampled weights: narrower
    than a pixel, they miss what lies between.
    """
    reach = max(ceil(REACH * sigma_px), LEAST_REACH) if sigma_px > 0.05 else 0  # noqa: PLR2004 - no pixel would change
    if not reach:
        return torch.ones(1, dtype=like.dtype, device=like.device)
    size = 8 * reach + 1
    frequencies = torch.arange(size, dtype=torch.float64)
    frequencies = torch.minimum(frequencies, size - frequencies) / size
    whole = torch.fft.ifft(torch.exp(-2 * (pi * sigma_px * frequencies) ** 2)).real
    weights = torch.cat([whole[-reach:], whole[: reach + 1]])
    return (weights / weights.sum()).to(like)


def _mirrored(size: int, reach: int, device: torch.device) -> torch.Tensor:
    """Indices of a row with its mirror image beyond both ends."""
    index = torch.arange(-reach, size + reach, device=device) % (2 * size)
    return torch.where(index < size, index, 2 * size - 1 - index)


def _wide(size: int, sigma_px: float, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Matrices from the lowest cosines to pixels ``(size, K)`` and, contrast taken off, back ``(K, size)``."""
    to_pixels, to_cosines = _cosines(size, sigma_px)
    return to_pixels.to(like), to_cosines.to(like)


@cache
def _cosines(size: int, sigma_px: float) -> tuple[torch.Tensor, torch.Tensor]:
    # cosine k of a row of n pixels has k / 2n cycles a pixel
    count = min(size, ceil(2 * size * sqrt(-log(NOTHING) / 2) / pi / sigma_px) + 1)
    order = torch.arange(count, dtype=torch.float64)
    middles = torch.arange(size, dtype=torch.float64) + 0.5
    waves = torch.cos(pi * middles[:, None] * order / size) * (2 / size) ** 0.5
    waves[:, 0] /= sqrt(2)
    kept = torch.exp(-2 * (pi * sigma_px * order / (2 * size)) ** 2)
    return waves, kept[:, None] * waves.T
