"""Training of the denoiser: latents and captions in, checkpoints out, with a sheet of samples now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.pocket.checkpoints import Progress, load, save
from models.pocket.denoiser import Average, Denoiser, Optimizers, drawn_times, tokens_of
from models.pocket.scenes.captions import caption, keywords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

    from models.pocket.recipe import Recipe
    from models.pocket.scenes.attributes import Scene

#: Steps between two checkpoints.
SAVE_EVERY = 100


def train_denoiser(
    latents: torch.Tensor,
    scenes: Sequence[Scene],
    *,
    tokenizer: PreTrainedTokenizerFast,
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
    denoiser = Denoiser(recipe=recipe, vocabulary=len(tokenizer)).to(device)
    average = Average(denoiser, part.average)
    optimizers = Optimizers.of(denoiser, muon_rate=part.muon_learning_rate, adam_rate=part.adam_learning_rate)
    path, step = folder / "denoiser.pt", 0
    if state := load(path):
        denoiser.load_state_dict(state["denoiser"])
        average.denoiser.load_state_dict(state["average"])
        optimizers.load_state_dict(state["optimizers"])
        step = state["step"]
    progress = Progress(folder / "denoiser.jsonl", steps=part.steps)
    denoiser.train()
    while step < part.steps and not is_over():
        # Every step draws from its own seed: whoever goes on after a break goes on as if there had been none.
        rng = np.random.default_rng((recipe.seed, step))
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        chosen = rng.integers(len(scenes), size=part.batch)
        captions = [_caption(scenes[each], rng, recipe) for each in chosen]
        ids = tokens_of(tokenizer, captions, part.text_length)
        clips = latents[torch.from_numpy(chosen)].float()
        noise, times = torch.randn(clips.shape, generator=generator), drawn_times(part.batch, generator)
        with torch.autocast(device.type, torch.bfloat16):
            loss = denoiser.loss(clips.to(device), ids.to(device), noise=noise.to(device), times=times.to(device))
        optimizers.step(loss, denoiser, factor=rate_factor(step, part.steps, part.warm_up_steps, part.decay_from))
        average.follow(denoiser, step)
        step += 1
        progress.heard(step, loss.item())
        if step % SAVE_EVERY == 0 or step == part.steps:
            save(
                path,
                {
                    "denoiser": denoiser.state_dict(),
                    "average": average.denoiser.state_dict(),
                    "optimizers": optimizers.state_dict(),
                    "step": step,
                },
            )
            sampled(average.denoiser, step)
    return average.denoiser


def _caption(scene: Scene, rng: np.random.Generator, recipe: Recipe) -> str:
    """What the clip is said to show; now and then nothing, or a list of keywords."""
    if rng.random() < recipe.denoiser.empty_captions:
        return ""
    return keywords(scene, rng) if rng.random() < recipe.denoiser.keyword_captions else caption(scene, rng)


def rate_factor(step: int, steps: int, warm_up_steps: int, decay_from: float) -> float:
    """Part of the highest learning rate: up at the start, down to nothing at the end."""
    left = (steps - step) / (steps * (1 - decay_from))
    return min(1.0, (step + 1) / warm_up_steps, max(0.0, left))
