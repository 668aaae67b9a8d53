"""Drawing: clips of prompts by a pipeline, some at a time, as pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gpu_job.pocket.pipeline import PocketPipeline


def drawn(
    pipe: PocketPipeline, prompts: Sequence[str], *, seed: int, steps: int, guidance: float, at_once: int = 16
) -> NDArray[np.uint8]:
    """Clips ``(N, T, H, W, 3)`` of prompts."""
    generator = torch.Generator().manual_seed(seed)
    clips = []
    for start in range(0, len(prompts), at_once):
        frames = pipe(
            list(prompts[start : start + at_once]),
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=generator,
        ).frames
        clips.append((frames.permute(0, 1, 3, 4, 2) * 255).round().byte().cpu().numpy())
    return np.concatenate(clips)
