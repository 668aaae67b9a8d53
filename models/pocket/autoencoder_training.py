"""Fitting of the autoencoder: clips are painted, and their principal components found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from gpu_job.pocket.autoencoder import PocketAutoencoder
from models.pocket.clips import as_video, painted, scene_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models.pocket.recipe import Recipe

#: Clips whose patches are in memory at once while components are found: some 50 MB each at 128x128.
FITTED_AT_ONCE = 25
#: Clips in a file of pixels.
SHARD_CLIPS = 200


def paint_pixels(
    folder: Path, *, recipe: Recipe, device: torch.device, is_over: Callable[[], bool]
) -> torch.Tensor | None:
    """The clips ``(N, T, H, W, 3) uint8``, on the device, that the autoencoder is fitted to.

    They are painted as far as they are not there yet. None: time was up before they all were.
    """
    part = recipe.autoencoder
    count = part.fit_clips
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"pixels-{start:06d}.npy" for start in range(0, count, SHARD_CLIPS)]
    for number, path in enumerate(paths):
        if path.exists():
            continue
        if is_over():
            return None
        start = number * SHARD_CLIPS
        scenes = [scene_of(recipe.seed, each) for each in range(start, min(count, start + SHARD_CLIPS))]
        draft = path.with_suffix(".draft.npy")
        np.save(draft, torch.stack(list(painted(scenes, recipe.clip, device))).cpu().numpy())
        draft.replace(path)
        print(f"pixels: {start + len(scenes)} of {count} clips painted", flush=True)
    return torch.from_numpy(np.concatenate([np.load(path, mmap_mode="r") for path in paths])).to(device)


def fitted(pixels: torch.Tensor, *, recipe: Recipe) -> PocketAutoencoder:
    """An autoencoder whose components are found."""
    part = recipe.autoencoder
    torch.manual_seed(recipe.seed)
    autoencoder: PocketAutoencoder = PocketAutoencoder(
        latent_channels=part.latent_channels,
        patch_size=part.patch_size,
        whitening=part.whitening,
    )
    autoencoder.to(pixels.device)
    autoencoder.fit(as_video(pixels[n : n + FITTED_AT_ONCE]) for n in range(0, part.fit_clips, FITTED_AT_ONCE))
    return autoencoder


@torch.no_grad()
def quality_db(autoencoder: PocketAutoencoder, clips: torch.Tensor) -> tuple[float, float]:
    """Peak signal-to-noise ratio in dB of clips ``(N, T, H, W, 3) uint8``: of the components alone; of the whole."""
    plain: list[float] = []
    whole: list[float] = []
    for clip in clips:
        video = as_video(clip[None].to(autoencoder.device))
        latents = autoencoder.encode(video)
        for errors, back in ((plain, autoencoder.project_back(latents)), (whole, autoencoder.decode(latents))):
            errors.append(float(((back.clamp(-1, 1) - video) / 2).square().mean()))
    return tuple(float(-10 * np.log10(np.mean(errors))) for errors in (plain, whole))  # type: ignore[return-value]
