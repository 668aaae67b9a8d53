"""Field of view: where in a picture an eye looks. Enters: frames of a rectilinear camera. Leaves: frames like them.

- `equal_angles`: a camera stretches its edges, an eye does not: the same angle takes the same space everywhere (the
  equidistant projection). Corners of a wide frame look beyond the camera's picture, which goes on as its mirror image.
- `sideways`: eyes at the sides of a head see two pictures, which overlap in front. Both are there, side by side, each
  as high as the frame and half as wide: angles across are squeezed.
- `vignette`: it grows dark where the creature's field ends.

A frame shows no more than the camera did: a horse sees 357 degrees, of which these are some.
"""

from __future__ import annotations

from functools import lru_cache
from math import radians, tan

import torch
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from gpu_job.vision.bands import Bands, across, banded

#: Part of the width between two pictures of eyes that look sideways: what lies behind the head.
SEAM = 0.02
#: Of a vignette: where it begins, in parts of the field.
EDGE = 0.85


def equal_angles(light: torch.Tensor, *, field_deg: float) -> torch.Tensor:
    """Frames ``(T, 3, H, W)`` whose columns and rows are angles.

    Args:
        light: linear.
        field_deg: that the frame spans horizontally, below 180.
    """
    frames, _, height, width = light.shape
    grid = _equal_angles(height, width, field_deg).to(light).expand(frames, -1, -1, -1)
    return F.grid_sample(light, grid, mode="bilinear", padding_mode="border", align_corners=False).contiguous()


def sideways(light: torch.Tensor, *, overlap: float) -> torch.Tensor:
    """Frames as two eyes at the sides of a head see them, the left eye's picture at the left.

    Args:
        light: ``(T, 3, H, W)``, linear.
        overlap: part of the frame, 0 to 1, that both see.
    """
    return across(light, _sideways(light.shape[3], overlap))


def vignette(light: torch.Tensor, *, field_deg: float, eye_deg: float) -> torch.Tensor:
    """Frames ``(T, 3, H, W)`` that end in the dark where an eye's field ``eye_deg`` does; wider ones change nothing."""
    if eye_deg >= field_deg:
        return light
    height, width = light.shape[2:]
    x, y = (places.to(light) for places in _places(height, width))
    away = (x.square() + (y * height / width).square()).sqrt() * field_deg / eye_deg
    lit = 1 - ((away - EDGE) / (1 - EDGE)).clamp(0, 1)
    return light * (lit * lit * (3 - 2 * lit))


def _places(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the middles of pixels, ``(H, W)`` each, -1 to 1 across and down."""
    y = (torch.arange(height) + 0.5) / height * 2 - 1
    x = (torch.arange(width) + 0.5) / width * 2 - 1
    return x.expand(height, width), y.unsqueeze(1).expand(height, width)


@lru_cache(maxsize=16)
def _equal_angles(height: int, width: int, field_deg: float) -> torch.Tensor:
    """Where each pixel looks: ``(1, H, W, 2)`` as of `torch.nn.functional.grid_sample`."""
    x, y = _places(height, width)
    half = radians(field_deg) / 2
    angle = (x.square() + (y * height / width).square()).sqrt().clamp(min=1e-9) * half
    # beyond a right angle there is no picture
    stretch = torch.tan(angle.clamp(max=1.5)) / angle * half / tan(half)
    looks = torch.stack([x * stretch, y * stretch], dim=-1)
    return (1 - ((looks + 1) % 4 - 2).abs()).unsqueeze(0)  # what is beyond -1 and 1 is mirrored there


@lru_cache(maxsize=16)
def _sideways(width: int, overlap: float) -> Bands:
    """Each half of the screen shows ``(1 + overlap) / 2`` of the frame."""
    squeezed = 1 + overlap  # pixels of the frame in one of the screen
    middles = torch.arange(width, dtype=torch.float64) + 0.5
    looks = torch.where(middles < width / 2, middles * squeezed, width - (width - middles) * squeezed)
    weights = (1 - (looks[:, None] - middles).abs() / squeezed).clamp(min=0)
    lit = ((middles / width - 0.5).abs() / SEAM).clamp(max=1.0).square()
    return banded(weights / weights.sum(dim=1, keepdim=True) * lit[:, None])
