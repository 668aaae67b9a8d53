"""Heat: what an organ for warmth might see. No picture holds warmth: it is guessed, and shown in false colour.

Enters: frames. Leaves: warmth, and its colours.
"""

from __future__ import annotations

import torch

from gpu_job.vision.acuity import blur
from gpu_job.vision.light import luminance

#: False colours from cold to hot, linear light.
COLD_TO_HOT = ((0.01, 0.01, 0.10), (0.20, 0.01, 0.30), (0.80, 0.10, 0.05), (1.0, 0.70, 0.10))


def warmth(light: torch.Tensor, *, acuity_cpd: float, field_deg: float) -> torch.Tensor:
    """How warm each pixel is taken to be, ``(T, 1, H, W)``, 0 to 1: what is bright and red is warm.

    Args:
        light: ``(T, 3, H, W)``, linear.
        acuity_cpd: that the organ resolves, in cycles per degree.
        field_deg: that the frame spans horizontally.
    """
    red, blue = light[:, :1], light[:, 2:]
    warm = luminance(light).mul_(0.35).add_((red - 0.5 * blue).clamp_(min=0), alpha=0.65).clamp_(0, 1).sqrt_()
    return blur(warm, acuity_cpd=acuity_cpd, field_deg=field_deg).clamp(0, 1)


def false_colour(warm: torch.Tensor) -> torch.Tensor:
    """Warmth ``(T, 1, H, W)``, 0 to 1, as colours of light ``(T, 3, H, W)``."""
    scale = torch.tensor(COLD_TO_HOT, dtype=warm.dtype, device=warm.device)
    steps = torch.arange(len(scale) - 1, dtype=warm.dtype, device=warm.device).view(-1, 1, 1)
    climbed = (warm * (len(scale) - 1) - steps).clamp_(0, 1)  # (T, steps, H, W): how far each has been gone
    frames, _, height, width = warm.shape
    return (scale.diff(dim=0).T @ climbed.flatten(2)).view(frames, 3, height, width) + scale[0].view(3, 1, 1)
