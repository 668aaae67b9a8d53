"""Shards: what is painted once and learned from many times, in a folder, some clips a file.

A shard is there wholly or not at all, so whoever was interrupted goes on with the next one.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.pocket.clips import as_video, painted, read, scene_of, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gpu_job.pocket.autoencoder import PocketAutoencoder
    from models.pocket.recipe import Recipe
    from models.pocket.scenes.attributes import Scene

#: Clips in a file; with their mirror images 25 MB of latents of the CPU's recipe.
SHARD_CLIPS = 200
#: Clips encoded at once.
ENCODED_AT_ONCE = 16


def paint_shards(
    folder: Path, *, autoencoder: PocketAutoencoder, recipe: Recipe, device: torch.device, is_over: Callable[[], bool]
) -> None:
    """Paint and encode what the recipe's denoiser learns from, as far as it is not there yet.

    Each clip is kept as it was painted and as a mirror shows it: no caption tells left from right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clips = recipe.denoiser.clips
    shape = recipe.clip.model_copy(update={"supersampling": recipe.denoiser.supersampling})
    missing = {
        path: range(start, min(clips, start + SHARD_CLIPS))
        for start in range(0, clips, SHARD_CLIPS)
        if not (path := folder / f"shard-{start:06d}.npz").exists()
    }
    # One stream for all shards: the painting processes take ten seconds to start.
    stream = painted(
        [scene_of(recipe.seed, number) for numbers in missing.values() for number in numbers], shape, device
    )
    for path, numbers in missing.items():
        if is_over():
            return
        latents: list[torch.Tensor] = []
        mirrored: list[torch.Tensor] = []
        for batch in _batches(islice(stream, len(numbers)), ENCODED_AT_ONCE):
            video = as_video(torch.stack(batch))
            latents.append(autoencoder.encode(video).half().cpu())
            mirrored.append(autoencoder.encode(video.flip(-1)).half().cpu())
        draft = path.with_suffix(".draft.npz")
        lines = [written(scene_of(recipe.seed, number)) for number in numbers]
        np.savez(draft, latents=torch.cat(latents + mirrored).numpy(), scenes=np.array(lines + lines))
        draft.replace(path)
        print(f"latents: {numbers.stop} of {clips} clips painted", flush=True)


def read_shards(folder: Path) -> tuple[torch.Tensor, list[Scene]]:
    """All latents ``(N, C, t, h, w) float16`` and their scenes.

    Raises:
        FileNotFoundError: none is painted yet.
    """
    latents, scenes = [], []
    for path in sorted(folder.glob("shard-[0-9]*.npz")):
        if path.name.endswith(".draft.npz"):
            continue
        with np.load(path) as shard:
            latents.append(torch.from_numpy(shard["latents"]))
            scenes += [read(str(line)) for line in shard["scenes"]]
    if not latents:
        msg = f"{folder} holds no painted clips yet: train the part `paint` first."
        raise FileNotFoundError(msg)
    return torch.cat(latents), scenes


def _batches(stream: Iterator[torch.Tensor], size: int) -> Iterator[list[torch.Tensor]]:
    while batch := list(islice(stream, size)):
        yield batch
