"""Training of the denoiser: latents and captions in, checkpoints out, with a sheet of samples now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import WanTransformer3DModel

from models.pocket.denoiser import Denoiser, Optimizers, drawn_times
from models.pocket.learning import learn, rate_factor
from models.pocket.text_training import SAYINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from transformers import T5EncoderModel

    from models.pocket.learning import Batch
    from models.pocket.recipe import Recipe


def train_denoiser(
    latents: torch.Tensor,
    sayings: torch.Tensor,
    *,
    text_encoder: T5EncoderModel,
    beginning: Path,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    is_over: Callable[[], bool],
    sampled: Callable[[Denoiser, int], None],
) -> Denoiser:
    """Train, on from the last checkpoint.

    Args:
        latents: ``(N, C, t, h, w) float16``, best on the device.
        sayings: what they are said to show: see `models.pocket.text_training.sayings_of`.
        text_encoder: that has learned to read them.
        beginning: folder of a transformer whose weights to begin with, where there is one.
        recipe: the numbers.
        folder: of the checkpoints and the log.
        device: to train on.
        is_over: whether time is up.
        sampled: looks at the average of the weights, now and then.

    Returns:
        The average of the weights.
    """
    part = recipe.denoiser
    torch.manual_seed(recipe.seed)
    denoiser = Denoiser(recipe=recipe, text_encoder=text_encoder).to(device)
    if beginning.exists():
        begun = WanTransformer3DModel.from_pretrained(beginning, dtype=torch.float32)
        denoiser.transformer.load_state_dict(begun.state_dict())

    def batch(step: int) -> Batch:
        rng = np.random.default_rng((recipe.seed, step))
        generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
        chosen = torch.from_numpy(rng.integers(len(latents), size=part.batch))
        ids = sayings[chosen, torch.from_numpy(rng.integers(SAYINGS, size=part.batch))]
        clips = latents[chosen.to(latents.device)].to(device).float()
        noise = torch.randn(clips.shape, generator=generator, device=device)
        return clips, ids, noise, drawn_times(part.batch, generator, log_ratio=part.log_ratio)

    return learn(
        denoiser,
        name="denoiser",
        steps=part.steps,
        optimizers=Optimizers.of(denoiser, muon_rate=part.muon_learning_rate, adam_rate=part.adam_learning_rate),
        average_decay=part.average,
        rate=lambda step: rate_factor(step, part.steps, part.warm_up_steps, part.decay_from),
        batch=batch,
        folder=folder,
        device=device,
        is_over=is_over,
        looked=sampled,
    )
