"""Facets: the raster of a compound eye. Enters: frames. Leaves: frames in which every facet shows one colour.

Facets stand in a hexagonal raster, one an interommatidial angle from the next (Land 1997, Annu. Rev. Entomol. 42:147).
Each shows what falls into it: the mean over its angle of acceptance, taken as a Gaussian of that width at half its
height. That is all of such an eye's acuity; what is too fine for the raster becomes coarser waves, as in the eye.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, log, sqrt

import torch

#: A Gaussian's width at half its height, in standard deviations.
HALF_WIDTHS = 2 * sqrt(2 * log(2))
#: Brightness at the edge of a facet: the pigment between two of them shows faintly.
EDGE = 0.82


def raster(light: torch.Tensor, *, angle_deg: float, field_deg: float) -> torch.Tensor:
    """Frames ``(T, 3, H, W)`` in facets.

    Args:
        light: linear.
        angle_deg: between the axes of two neighbouring facets; their angle of acceptance is taken as the same.
        field_deg: that the frame spans horizontally.

    Raises:
        ValueError: facets so small that a frame can't show them.
    """
    height, width = light.shape[2:]
    pitch_px = angle_deg * width / field_deg
    if pitch_px < 1:
        msg = f"Facets of {angle_deg} degrees are smaller than a pixel of a frame {width} wide and {field_deg} degrees."
        raise ValueError(msg)
    numbers, lit = _raster(height, width, pitch_px)
    down, across = _shares(height, width, pitch_px)
    facets = down.to(light) @ light @ across.to(light).T  # (T, 3, rows, columns)
    seen = facets.view(-1, facets.shape[2] * facets.shape[3]).index_select(1, numbers.to(light.device)).view_as(light)
    return seen.mul_(lit.to(light))


def facet_count(height: int, width: int, *, angle_deg: float, field_deg: float) -> int:
    """How many facets look at a frame of that size."""
    numbers, _ = _raster(height, width, angle_deg * width / field_deg)
    return len(set(numbers.tolist()))


def _axes(height: int, width: int, pitch_px: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Where rows of facets are, and columns, of which each row uses every other one."""
    rows = torch.arange(ceil(height / pitch_px * 2 / sqrt(3)) + 1, dtype=torch.float64) * pitch_px * sqrt(3) / 2
    columns = torch.arange(2 * ceil(width / pitch_px) + 2, dtype=torch.float64) * pitch_px / 2
    return rows, columns


@lru_cache(maxsize=16)
def _raster(height: int, width: int, pitch_px: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The number of each pixel's facet ``(H W,)``, row by row of `_axes`, and each pixel's brightness ``(H, W)``."""
    rows, columns = _axes(height, width, pitch_px)
    y = torch.arange(height, dtype=torch.float64).unsqueeze(1) + 0.5
    x = torch.arange(width, dtype=torch.float64) + 0.5
    above = torch.floor(y / rows[1]).long()
    away, numbers = [], []
    for row in (above, above + 1):
        odd = row % 2
        column = 2 * torch.round(x / pitch_px - odd / 2).long() + odd  # (H, W)
        away.append((x - columns[column]).square() + (y - rows[row]).square())
        numbers.append(row * len(columns) + column)
    nearest = torch.where(away[0] <= away[1], numbers[0], numbers[1]).flatten()
    rim = (torch.minimum(*away).sqrt() / (pitch_px / 2)).clamp(max=1.0)
    return nearest, (1 - (1 - EDGE) * rim**6).float()


@lru_cache(maxsize=16)
def _shares(height: int, width: int, pitch_px: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The parts that rows ``(rows, H)`` and columns ``(columns, W)`` of a picture have in what a facet shows."""
    rows, columns = _axes(height, width, pitch_px)
    return _bells(rows, height, pitch_px / HALF_WIDTHS), _bells(columns, width, pitch_px / HALF_WIDTHS)


def _bells(places: torch.Tensor, size: int, sigma_px: float) -> torch.Tensor:
    """Gaussians around places, over the pixels of a row that is mirrored at both ends."""
    middles = torch.arange(size, dtype=torch.float64) + 0.5
    bells = torch.zeros(len(places), size, dtype=torch.float64)
    for pixels in (middles, -middles, 2 * size - middles):
        bells += torch.exp(-0.5 * ((places[:, None] - pixels) / sigma_px) ** 2)
    return (bells / bells.sum(dim=1, keepdim=True)).float()
