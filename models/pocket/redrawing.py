"""Redrawing: painted clips as the denoiser draws them. Enters: their pixels. Leaves: latents.

A painted clip gets so much noise that only its large shapes are left, and is drawn from there. It shows what it showed,
with the faults of what is drawn: tokens that disagree with their neighbours. From pairs of both a decoder learns to
mend them. One that had learned from painted clips alone left seams of 16 grey levels where tokens meet; painted clips
change by 5 there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from models.pocket.clips import as_video
from models.pocket.scenes.captions import caption
from models.pocket.text_training import tokens_of
from models.pocket.walks import mixed, times_of, walked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

    from gpu_job.pocket.autoencoder import PocketAutoencoder
    from models.pocket.denoiser import Denoiser
    from models.pocket.recipe import Recipe
    from models.pocket.scenes.attributes import Scene

#: Steps of a whole drawing, and those that are left out of it: after them a painted clip's noise takes over.
STEPS, LEFT_OUT = 8, 4
GUIDANCE = 3.0
#: Clips at once.
BATCH = 20
#: Of the random numbers: none that any training uses.
USE = 9


def redrawn_once(
    path: Path,
    pixels: torch.Tensor,
    scenes: Sequence[Scene],
    *,
    autoencoder: PocketAutoencoder,
    denoiser: Denoiser,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    device: torch.device,
) -> torch.Tensor:
    """Latents ``(N, C, t, h, w) float16`` of scenes, redrawn; kept in that file.

    Args:
        path: of the file; what is there is taken.
        pixels: of painted clips, ``(N, T, H, W, 3) uint8`` or more than are asked for.
        scenes: that they show.
        autoencoder: that makes latents of them.
        denoiser: that draws.
        tokenizer: of the captions.
        recipe: the numbers.
        device: to draw on.
    """
    if not path.exists():
        drawn = []
        for start in range(0, len(scenes), BATCH):
            rng = np.random.default_rng((recipe.seed, USE, start))
            said = [caption(scene, rng) for scene in scenes[start : start + BATCH]]
            clips = autoencoder.encode(as_video(pixels[start : start + len(said)].to(device)))
            drawn.append(_redrawn(clips, said, denoiser, tokenizer, recipe, seed=int(rng.integers(2**62))).half().cpu())
            print(f"redrawn: {start + len(clips)} of {len(scenes)} clips", flush=True)
        draft = path.with_suffix(".draft.npy")
        np.save(draft, torch.cat(drawn).numpy())
        draft.replace(path)
    return torch.from_numpy(np.load(path))


def _redrawn(
    clips: torch.Tensor,
    said: Sequence[str],
    denoiser: Denoiser,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    *,
    seed: int,
) -> torch.Tensor:
    device = clips.device
    noise = torch.randn(clips.shape, generator=torch.Generator().manual_seed(seed)).to(device)
    times = [time.expand(len(clips)).to(device) for time in times_of(STEPS)[LEFT_OUT:]]
    ids = tokens_of(tokenizer, said, recipe.text.length).to(device)
    nothing = tokens_of(tokenizer, [""] * len(said), recipe.text.length).to(device)
    return walked(denoiser, mixed(clips, noise, times[0]), (ids, nothing), guidance=GUIDANCE, times=times)
