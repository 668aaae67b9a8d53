"""Light and display values. Enters: one. Leaves: the other. Source: IEC 61966-2-1 (sRGB).

Powers would take half of an eye's time, so they are looked up in a table, 64 values to a step of 8 bits: no display
value is off by more than 8e-5 there and back, where such a step is 4e-3.
"""

from __future__ import annotations

from functools import cache

import torch

#: Luminance of linear sRGB, of its primaries and white (ITU-R BT.709).
LUMINANCE = (0.2126, 0.7152, 0.0722)
#: Where sRGB's straight line ends, as a display value and as light, and how steep it is.
STRAIGHT_DISPLAY, STRAIGHT_LIGHT, SLOPE = 0.04045, 0.0031308, 12.92
#: Of the tables: values from 0 to 1 in so many steps. Those of 8 bits are among them; a cache holds them all.
STEPS = 64 * 255


def to_linear(display: torch.Tensor) -> torch.Tensor:
    """Display values in [0, 1] as light in [0, 1]; any shape."""
    return _looked_up(display, _light(display.device))


def to_display(light: torch.Tensor) -> torch.Tensor:
    """Light as display values in [0, 1]; what is darker or brighter than a display can show is cut off; any shape."""
    return _looked_up(light.clamp(0, 1).sqrt_(), _display(light.device))


def luminance(light: torch.Tensor) -> torch.Tensor:
    """``(T, 3, H, W)`` to ``(T, 1, H, W)``."""
    red, green, blue = torch.split(light, 1, dim=1)
    return (LUMINANCE[0] * red).add_(green, alpha=LUMINANCE[1]).add_(blue, alpha=LUMINANCE[2])


def recoloured(light: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """``(T, 3, H, W)`` times a matrix ``(3, 3)``; what a display can't show is cut off."""
    return (by.to(light) @ light.flatten(2)).view_as(light).clamp_(0, 1)


def _looked_up(values: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    places = torch.add(torch.tensor(0.5), values, alpha=STEPS).int()
    return table.index_select(0, places.flatten()).view(values.shape)


@cache
def _light(device: torch.device) -> torch.Tensor:
    """Of display values from 0 to 1."""
    display = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64)
    light = torch.where(display <= STRAIGHT_DISPLAY, display / SLOPE, ((display + 0.055) / 1.055) ** 2.4)
    return light.float().to(device)


@cache
def _display(device: torch.device) -> torch.Tensor:
    """Of the roots of light, from 0 to 1: they are about as fine as display values."""
    light = torch.linspace(0, 1, STEPS + 1, dtype=torch.float64).square()
    display = torch.where(light <= STRAIGHT_LIGHT, light * SLOPE, 1.055 * light ** (1 / 2.4) - 0.055)
    return display.float().to(device)


def saturated(light: torch.Tensor, saturation: float) -> torch.Tensor:
    """Light ``(T, 3, H, W)`` with colours so many times as strong, as bright as before."""
    grey = torch.tensor(LUMINANCE).expand(3, 3)
    return recoloured(light, torch.lerp(grey, torch.eye(3), saturation))
