"""The lens: a cloudy one lets part of the light through, and scatters part of that. Enters: frames. Leaves: frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gpu_job.vision.acuity import gaussian

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Of the veil: so blurred, in degrees, that no shape is left.
VEIL_DEG = 12.0


def cloud(light: torch.Tensor, *, passes: Sequence[float], veil: float, field_deg: float) -> torch.Tensor:
    """Frames as seen through a cloudy lens.

    Args:
        light: ``(T, 3, H, W)``, linear.
        passes: parts of red, green and blue that get through, 0 to 1.
        veil: part of what gets through that is scattered over the field, 0 to 1.
        field_deg: that the frame spans horizontally.
    """
    passed = light * torch.tensor(passes, dtype=light.dtype, device=light.device).view(3, 1, 1)
    if not veil:
        return passed
    return torch.lerp(passed, gaussian(passed, sigma_px=VEIL_DEG * light.shape[3] / field_deg), veil)
