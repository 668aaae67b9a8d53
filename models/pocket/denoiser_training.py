"""Training of the denoiser: latents and captions in, checkpoints out, with a sheet of samples now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers import WanTransformer3DModel

from models.pocket.denoiser import Denoiser, Optimizers, drawn_times
from models.pocket.learning import learn, rate_factor
from models.pocket.text_training import said_of, tokens_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast, T5EncoderModel

    from models.pocket.learning import Batch
    from models.pocket.recipe import Recipe
    from models.pocket.scenes.attributes import Scene


def train_denoiser(
    latents: torch.Tensor,
    scenes: Sequence[Scene],
    *,
    tokenizer: PreTrainedTokenizerFast,
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
        latents: ``(N, C, t, h, w) float16``.
        scenes: that they show.
        tokenizer: of the captions.
        text_encoder: that has learned to read them.
        beginning: folder of a transformer whose weights to begin with, where there is one.
        recipe: the numbers.
        folder: of the checkpoints and the log.
        device: to train on.
        is_over: whether time is up.
        sampled: looks at the average of the weights, with each checkpoint.

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
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        chosen = rng.integers(len(scenes), size=part.batch)
        captions = [said_of(scenes[each], rng, recipe) for each in chosen]
        ids = tokens_of(tokenizer, captions, recipe.text.length)
        clips = latents[torch.from_numpy(chosen)].float()
        return clips, ids, torch.randn(clips.shape, generator=generator), drawn_times(part.batch, generator)

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
        saved=sampled,
    )
