"""Low light: what an eye makes of the dark. Enters: frames. Leaves: frames.

An eye whose threshold is lower than a person's gathers more light: dark parts are raised by as much, bright ones
hardly, as photoreceptors respond (Naka & Rushton 1966, J. Physiol. 185:536). Where little light is, rods see it,
without colour; and photons come one by one: noise that grows with the root of the light.
"""

from __future__ import annotations

import torch

from gpu_job.vision.light import luminance

#: Luminance, of a display's white, at which a person's rods and cones weigh alike; an estimate.
MESOPIC = 0.02
#: Mean luminance, of a display's white, at which an eye gathers half of what it can; an estimate.
DUSK = 0.03
#: Standard deviation of the noise of a person's eye at that luminance, of a display's white; an estimate.
GRAIN = 0.006


def gather(light: torch.Tensor, *, threshold: float, adapted_to: float) -> torch.Tensor:
    """Frames ``(..., 3)`` as bright as an eye finds them.

    Args:
        light: linear.
        threshold: least light that it sees, in parts of a person's.
        adapted_to: mean luminance that the eye is used to: in bright light an eye gathers hardly more than another.
    """
    gain = 1 + (1 / threshold - 1) * DUSK / (DUSK + adapted_to)
    seen = luminance(light)
    return light * (gain / (1 + (gain - 1) * seen))


def pale(light: torch.Tensor, *, threshold: float) -> torch.Tensor:
    """Frames ``(..., 3)`` whose dark parts have lost their colour, from where the eye's rods take over."""
    seen = luminance(light)
    cones = seen / (seen + MESOPIC * threshold)
    return seen + cones * (light - seen)


def grain(light: torch.Tensor, *, threshold: float, first: int) -> torch.Tensor:
    """Frames ``(T, H, W, 3)`` with the noise of photons; ``first`` is the number of the first one, and decides it."""
    noisy = []
    for number, frame in enumerate(light):
        generator = torch.Generator().manual_seed(first + number)
        noise = torch.randn(frame.shape[:2], generator=generator).to(light).unsqueeze(-1)
        noisy.append(frame + GRAIN * threshold**0.5 * (frame / MESOPIC).clamp(0, 1).sqrt() * noise)
    return torch.stack(noisy).clamp(0, 1)
