"""Facets: the raster of a compound eye. Enters: frames. Leaves: frames in which every facet shows one colour.

Facets stand in a hexagonal raster, one an interommatidial angle from the next (Land 1997, Annu. Rev. Entomol. 42:147).
Each shows what falls into it: the mean over its angle of acceptance, taken as a Gaussian of that width at half its
height.
"""

from __future__ import annotations

from functools import cache
from math import log, sqrt

import torch

from gpu_job.vision.acuity import gaussian

#: A Gaussian's width at half its height, in standard deviations.
HALF_WIDTHS = 2 * sqrt(2 * log(2))
#: Brightness at the edge of a facet: the pigment between two of them shows faintly.
EDGE = 0.82


def raster(light: torch.Tensor, *, angle_deg: float, field_deg: float) -> torch.Tensor:
    """Frames ``(T, H, W, 3)`` in facets.

    Args:
        light: linear.
        angle_deg: between the axes of two neighbouring facets; their angle of acceptance is taken as the same.
        field_deg: that the frame spans horizontally.

    Raises:
        ValueError: facets so small that a frame can't show them.
    """
    height, width = light.shape[1:3]
    pitch_px = angle_deg * width / field_deg
    if pitch_px < 1:
        msg = f"Facets of {angle_deg} degrees are smaller than a pixel of a frame {width} wide and {field_deg} degrees."
        raise ValueError(msg)
    middles, lit = _raster(height, width, pitch_px)
    mean = gaussian(light, sigma_px=pitch_px / HALF_WIDTHS)
    seen = mean.flatten(1, 2).index_select(1, middles.flatten().to(light.device))
    return seen.view_as(light) * lit.to(light).view(1, height, width, 1)


def facet_count(height: int, width: int, *, angle_deg: float, field_deg: float) -> int:
    """How many facets look at a frame of that size."""
    middles, _ = _raster(height, width, angle_deg * width / field_deg)
    return len(middles.unique())


@cache
def _raster(height: int, width: int, pitch_px: float) -> tuple[torch.Tensor, torch.Tensor]:
    """For each pixel ``(H, W)``: the index of the pixel in the middle of its facet, and its brightness."""
    down, across = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    row_px = pitch_px * sqrt(3) / 2
    nearest: tuple[torch.Tensor, ...] | None = None
    row = torch.floor(down / row_px)
    for above in (0, 1):
        number = row + above
        shift = (number % 2) * pitch_px / 2
        column = torch.round((across - shift) / pitch_px)
        x, y = column * pitch_px + shift, number * row_px
        away = (across - x).square() + (down - y).square()
        found = (away, x, y)
        if nearest is None:
            nearest = found
        else:
            closer = away < nearest[0]
            nearest = tuple(torch.where(closer, one, other) for one, other in zip(found, nearest, strict=True))
    assert nearest is not None
    away, x, y = nearest
    middle = y.clamp(0, height - 1).long() * width + x.clamp(0, width - 1).long()
    rim = (away.sqrt() / (pitch_px / 2)).clamp(max=1.0)
    return middle, 1 - (1 - EDGE) * rim**6
