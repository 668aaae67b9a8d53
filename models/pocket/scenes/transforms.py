"""Turns in space, as 3x3 matrices whose columns are where x, y and z go. Angles in radians; y is up."""

from __future__ import annotations

from math import cos, sin
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def about_x(angle: float) -> NDArray[np.float64]:
    """Turns y towards z."""
    c, s = cos(angle), sin(angle)
    return np.array(((1.0, 0.0, 0.0), (0.0, c, -s), (0.0, s, c)))


def about_y(angle: float) -> NDArray[np.float64]:
    """Turns x towards z: a thing that looks along x then looks away from a viewer who looks along z."""
    c, s = cos(angle), sin(angle)
    return np.array(((c, 0.0, -s), (0.0, 1.0, 0.0), (s, 0.0, c)))


def about_z(angle: float) -> NDArray[np.float64]:
    """Turns x towards y."""
    c, s = cos(angle), sin(angle)
    return np.array(((c, -s, 0.0), (s, c, 0.0), (0.0, 0.0, 1.0)))


def along(direction: tuple[float, float, float]) -> NDArray[np.float64]:
    """Turns y into the direction, which needs no unit length."""
    y = np.asarray(direction, dtype=np.float64)
    y = y / np.linalg.norm(y)
    other = np.array((0.0, 0.0, 1.0)) if abs(y[2]) < 0.9 else np.array((1.0, 0.0, 0.0))  # noqa: PLR2004 - any that is not y
    x = np.cross(y, other)
    x /= np.linalg.norm(x)
    return np.stack((x, y, np.cross(x, y)), axis=1)
