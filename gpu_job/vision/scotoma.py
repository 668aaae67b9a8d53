"""The scotoma: a blind spot in the middle, where one looks. Enters: frames. Leaves: frames."""

from __future__ import annotations

from functools import lru_cache

import torch

#: Of its edge, in parts of its radius.
SOFT = 0.5
#: Grey of it, linear: it is not black, since what is blind sees nothing.
GREY = 0.12


def blind(light: torch.Tensor, *, radius_deg: float, field_deg: float) -> torch.Tensor:
    """Frames ``(T, 3, H, W)``, linear, that span ``field_deg``, with a blind spot of that radius."""
    return light + _spot(*light.shape[2:], radius_deg, field_deg).to(light) * (GREY - light)


@lru_cache(maxsize=16)
def _spot(height: int, width: int, radius_deg: float, field_deg: float) -> torch.Tensor:
    """How blind each pixel is, ``(H, W)``."""
    x = (torch.arange(width) + 0.5 - width / 2) * field_deg / width
    y = (torch.arange(height) + 0.5 - height / 2) * field_deg / width
    away = (x.square() + y.unsqueeze(1).square()).sqrt() / radius_deg
    return (1 - ((away - (1 - SOFT)) / (2 * SOFT)).clamp(0, 1)).square()
