"""Walks: the way from noise to a clip, step by step. Enters: noisy latents, times. Leaves: latents further on."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from gpu_job.pocket.pipeline import set_times
from models.pocket.denoiser import TIME_SHIFT
from models.pocket.learning import halves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from models.pocket.denoiser import Denoiser


def times_of(steps: int) -> torch.Tensor:
    """The times ``(steps + 1,)`` that drawing with so many steps visits, from all noise to none."""
    scheduler = FlowMatchEulerDiscreteScheduler(shift=TIME_SHIFT)
    set_times(scheduler, steps)
    times: torch.Tensor = scheduler.sigmas
    return times


def mixed(clips: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Clips with their part of noise at times ``(N,)``."""
    by_clip = times.view(-1, 1, 1, 1, 1)
    return (1 - by_clip) * clips + by_clip * noise


@torch.no_grad()
def walked(
    denoiser: Denoiser,
    noisy: torch.Tensor,
    said: tuple[torch.Tensor, torch.Tensor],
    *,
    guidance: float,
    times: Sequence[torch.Tensor],
) -> torch.Tensor:
    """Where a guided walk through ``times``, each ``(N,)``, leads from noisy latents."""
    ids, nothing = said
    for now, then in pairwise(times):
        with torch.autocast(noisy.device.type, torch.bfloat16, enabled=halves(noisy.device)):
            clean = denoiser.clean(noisy, now, ids).float()
            if guidance > 1:
                without = denoiser.clean(noisy, now, nothing).float()
                clean = without + guidance * (clean - without)
        noisy = noisy + ((then - now) / now).view(-1, 1, 1, 1, 1) * (noisy - clean)
    return noisy
