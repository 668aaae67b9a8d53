"""Light and display values. Enters: one. Leaves: the other. Source: IEC 61966-2-1 (sRGB)."""

from __future__ import annotations

import torch

#: Luminance of linear sRGB, of its primaries and white (ITU-R BT.709).
LUMINANCE = (0.2126, 0.7152, 0.0722)
#: Where sRGB's straight line ends, as a display value and as light.
STRAIGHT_DISPLAY, STRAIGHT_LIGHT = 0.04045, 0.0031308


def to_linear(display: torch.Tensor) -> torch.Tensor:
    """Display values in [0, 1] as light in [0, 1]; any shape."""
    return torch.where(display <= STRAIGHT_DISPLAY, display / 12.92, ((display + 0.055) / 1.055).clamp(min=0) ** 2.4)


def to_display(light: torch.Tensor) -> torch.Tensor:
    """Light as display values in [0, 1]; what is darker or brighter than a display can show is cut off."""
    light = light.clamp(0, 1)
    return torch.where(light <= STRAIGHT_LIGHT, light * 12.92, 1.055 * light.clamp(min=1e-9) ** (1 / 2.4) - 0.055)


def luminance(light: torch.Tensor) -> torch.Tensor:
    """``(..., 3)`` to ``(..., 1)``."""
    return light @ torch.tensor(LUMINANCE, dtype=light.dtype, device=light.device).unsqueeze(1)
