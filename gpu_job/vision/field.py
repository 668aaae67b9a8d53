"""Field of view: where in a picture an eye looks. Enters: frames of a rectilinear camera. Leaves: frames like them.

- `equal_angles`: a camera stretches its edges, an eye does not: the same angle takes the same space everywhere (the
  equidistant projection), as far as the frame reaches.
- `sideways`: eyes at the sides of a head see two pictures, which overlap in front by the binocular field.
- `vignette`: it grows dark where the creature's field ends.
"""

from __future__ import annotations

from functools import cache
from math import radians, tan

import torch
from torch.nn import functional as F  # noqa: N812 - its name everywhere

#: Part of the width between two pictures of eyes that look sideways: what lies behind the head.
SEAM = 0.02
#: Of a vignette: where it begins, in parts of the field.
EDGE = 0.85


def equal_angles(light: torch.Tensor, *, field_deg: float) -> torch.Tensor:
    """Frames ``(T, H, W, 3)`` whose columns and rows are angles.

    Args:
        light: linear.
        field_deg: that the frame spans horizontally, below 180.
    """
    grid = _equal_angles(light.shape[1], light.shape[2], field_deg)
    return _looked_up(light, grid)


def sideways(light: torch.Tensor, *, overlap: float) -> torch.Tensor:
    """Frames as two eyes at the sides of a head see them, the left eye's picture at the left.

    Args:
        light: ``(T, H, W, 3)``, linear.
        overlap: part of the frame, 0 to 1, that both see.
    """
    width = light.shape[2]
    grid = _sideways(light.shape[1], width, overlap)
    seen = _looked_up(light, grid)
    away = (torch.arange(width, device=light.device, dtype=light.dtype) + 0.5) / width - 0.5
    lit = (away.abs() / SEAM).clamp(max=1.0) ** 2
    return seen * lit.view(1, 1, -1, 1)


def vignette(light: torch.Tensor, *, field_deg: float, eye_deg: float) -> torch.Tensor:
    """Frames ``(T, H, W, 3)`` that end in the dark where an eye's field ``eye_deg`` does; wider ones change nothing."""
    if eye_deg >= field_deg:
        return light
    height, width = light.shape[1:3]
    across = torch.linspace(-1, 1, width, device=light.device, dtype=light.dtype) * width / height
    down = torch.linspace(-1, 1, height, device=light.device, dtype=light.dtype)
    away = (across.square() + down.unsqueeze(1).square()).sqrt() * height / width * field_deg / eye_deg
    lit = 1 - ((away - EDGE) / (1 - EDGE)).clamp(0, 1)
    return light * (lit * lit * (3 - 2 * lit)).view(1, height, width, 1)


def _looked_up(light: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    planes = light.permute(0, 3, 1, 2)
    grid = grid.to(light).expand(len(light), -1, -1, -1)
    found = F.grid_sample(planes, grid, mode="bilinear", padding_mode="border", align_corners=False)
    return found.permute(0, 2, 3, 1)


def _places(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the pixels, ``(H, W)`` each, -1 to 1."""
    down = (torch.arange(height) + 0.5) / height * 2 - 1
    across = (torch.arange(width) + 0.5) / width * 2 - 1
    return across.expand(height, width), down.unsqueeze(1).expand(height, width)


@cache
def _equal_angles(height: int, width: int, field_deg: float) -> torch.Tensor:
    """Where each pixel looks: ``(1, H, W, 2)`` as of `torch.nn.functional.grid_sample`."""
    across, down = _places(height, width)
    half = radians(field_deg) / 2
    down = down * height / width
    angle = (across.square() + down.square()).sqrt().clamp(min=1e-9) * half
    # beyond a right angle there is no picture; the corners of a wide frame are its border drawn out
    stretch = torch.tan(angle.clamp(max=1.5)) / angle * half / tan(half)
    return torch.stack([across * stretch, down * stretch * width / height], dim=-1).unsqueeze(0)


@cache
def _sideways(height: int, width: int, overlap: float) -> torch.Tensor:
    across, down = _places(height, width)
    # each half of the screen shows (1 + overlap) / 2 of the frame
    share = (1 + overlap) / 2
    left = (across + 1) * 2 * share - 1
    right = 1 - (1 - across) * 2 * share
    return torch.stack([torch.where(across < 0, left, right), down], dim=-1).unsqueeze(0)
