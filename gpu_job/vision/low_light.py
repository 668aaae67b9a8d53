"""Low light: what an eye makes of the dark. Enters: frames. Leaves: frames.

An eye whose threshold is lower than a person's gathers more light: dark parts are raised by as much, bright ones
hardly, as photoreceptors respond (Naka & Rushton 1966, J. Physiol. 185:536). Where little light is, rods see it,
without colour; and photons come one by one: noise that grows with the root of the light, as long as rods see it.

The shapes are theirs; how bright a display is for an eye nobody can know, so all three levels below are estimates.
"""

from __future__ import annotations

import torch

from gpu_job.vision.light import luminance

#: Luminance, of a display's white, at which a person's rods and cones weigh alike; an estimate.
MESOPIC = 0.02
#: Mean luminance, of a display's white, at which an eye gathers half of what it can; an estimate.
DUSK = 0.03
#: Standard deviation of the noise of a person's eye at `MESOPIC`, of a display's white; an estimate.
GRAIN = 0.006


def gather(light: torch.Tensor, *, threshold: float, adapted_to: float) -> torch.Tensor:
    """Frames ``(T, 3, H, W)`` as bright as an eye finds them.

    Args:
        light: linear.
        threshold: least light that it sees, in parts of a person's.
        adapted_to: mean luminance that the eye is used to: in bright light an eye gathers hardly more than another.
    """
    gain = 1 + (1 / threshold - 1) * DUSK / (DUSK + adapted_to)
    damped = luminance(light).mul_((gain - 1) / gain).add_(1 / gain)
    return light / damped


def pale(light: torch.Tensor, *, threshold: float) -> torch.Tensor:
    """Frames ``(T, 3, H, W)`` whose dark parts have lost their colour, from where the eye's rods take over."""
    seen = luminance(light)
    cones = seen / (seen + MESOPIC * threshold)
    return torch.lerp(seen.expand_as(light), light, cones)


def grain(light: torch.Tensor, *, threshold: float, first: int) -> torch.Tensor:
    """Frames ``(T, 3, H, W)`` with the noise of photons; ``first`` is the number of the first one, and decides it.

    Noise has no colour: it makes a pixel brighter or darker as a whole, and black stays black.
    """
    seen = light.amax(dim=1, keepdim=True)
    by = seen.clamp(0, MESOPIC).div_(MESOPIC).sqrt_().div_(seen.clamp_(min=1e-6)).mul_(GRAIN * threshold**0.5)
    return torch.addcmul(light, light, by.mul_(_noise(light, first))).clamp_(0, 1)


def _noise(light: torch.Tensor, first: int) -> torch.Tensor:
    """``(T, 1, H, W)``, normal; the same on every device, and for a frame whatever comes before it."""
    drawn = torch.empty(len(light), 1, *light.shape[2:])
    for number, frame in enumerate(drawn, start=first):
        frame.normal_(generator=torch.Generator().manual_seed(number))
    return drawn.to(light)
