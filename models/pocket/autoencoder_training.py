"""Training of the autoencoder: principal components first, at once; then the decoder, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - its name everywhere

from gpu_job.pocket.autoencoder import GROUP_FRAMES, PocketAutoencoder
from gpu_job.pocket.deblocking import deblocked
from models.pocket.clips import as_video, painted, scene_of
from models.pocket.learning import halves
from models.pocket.lessons import take_lessons

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
    """The clips ``(N, T, H, W, 3) uint8``, on the device, that the autoencoder learns from.

    They are painted as far as they are not there yet. None: time was up before they all were.
    """
    part = recipe.autoencoder
    count = max(part.fit_clips, part.train_clips)
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
    """An autoencoder whose components are found, and whose decoder knows nothing yet."""
    part = recipe.autoencoder
    torch.manual_seed(recipe.seed)
    autoencoder: PocketAutoencoder = PocketAutoencoder(
        latent_channels=part.latent_channels,
        patch_size=part.patch_size,
        widths=part.widths,
        whitening=part.whitening,
    )
    autoencoder.to(pixels.device)
    autoencoder.fit(as_video(pixels[n : n + FITTED_AT_ONCE]) for n in range(0, part.fit_clips, FITTED_AT_ONCE))
    return autoencoder


def with_decoder(autoencoder: PocketAutoencoder, *, recipe: Recipe) -> PocketAutoencoder:
    """The same with a decoder to train, which knows nothing yet, where it has none."""
    if autoencoder.decoder is not None:
        return autoencoder
    torch.manual_seed(recipe.seed)
    whole: PocketAutoencoder = PocketAutoencoder(**{**autoencoder.config, "widths": recipe.autoencoder.widths})
    whole.load_state_dict(autoencoder.state_dict(), strict=False)
    return whole


def train_decoder(
    autoencoder: PocketAutoencoder,
    pixels: torch.Tensor,
    redrawn: torch.Tensor,
    *,
    recipe: Recipe,
    folder: Path,
    device: torch.device,
    is_over: Callable[[], bool],
) -> None:
    """Train the decoder, on from the last checkpoint: every other step from painted clips, from redrawn ones.

    ``redrawn`` are latents ``(N, C, t, h, w)`` of the first of the ``pixels``; see `models.pocket.redrawing`.
    """
    part = recipe.autoencoder
    autoencoder.to(device)
    redrawn = redrawn.to(device)
    decoder = autoencoder.decoder
    assert decoder is not None
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=part.learning_rate, weight_decay=1e-4)

    def loss_at(step: int) -> torch.Tensor:
        rng = np.random.default_rng((recipe.seed, step))
        if step % 2:
            latents, video = _redrawn_crops(pixels, redrawn, rng, recipe)
        else:
            video = as_video(_crops(pixels, rng, recipe))
            latents = autoencoder.encode(video)
            generator = torch.Generator(device).manual_seed(int(rng.integers(2**62)))
            strength = torch.rand((len(latents), 1, 1, 1, 1), generator=generator, device=device)
            noise = torch.randn(latents.shape, generator=generator, device=device)
            latents = latents + part.noise * strength * noise
        plain = deblocked(autoencoder.project_back(latents), part.patch_size)
        with torch.autocast(device.type, torch.bfloat16, enabled=halves(device)):
            added = decoder(latents)
        drawn = plain + added.float()
        return F.l1_loss(drawn, video) + 0.5 * _edge_loss(drawn, video)

    take_lessons(
        decoder,
        optimizer,
        key="decoder",
        path=folder / "decoder",
        steps=part.steps,
        rate=lambda step: part.learning_rate * _warm_up_and_decay(step / part.steps),
        loss_at=loss_at,
        is_over=is_over,
        longest_gradient=1.0,
    )


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


def _crops(pixels: torch.Tensor, rng: np.random.Generator, recipe: Recipe) -> torch.Tensor:
    part, clip = recipe.autoencoder, recipe.clip
    crops = []
    for _ in range(part.batch):
        top = part.patch_size * int(rng.integers((clip.height - part.crop) // part.patch_size + 1))
        left = part.patch_size * int(rng.integers((clip.width - part.crop) // part.patch_size + 1))
        # Some frames, not all: neighbours in time matter less than other pictures.
        begin = GROUP_FRAMES * int(rng.integers(max(1, (clip.frames - 1) // GROUP_FRAMES - 1)))
        crop = pixels[int(rng.integers(part.train_clips)), begin : begin + 2 * GROUP_FRAMES + 1]
        crop = crop[:, top : top + part.crop, left : left + part.crop]
        crops.append(crop.flip(2) if rng.integers(2) else crop)
    return torch.stack(crops)


def _redrawn_crops(
    pixels: torch.Tensor, redrawn: torch.Tensor, rng: np.random.Generator, recipe: Recipe
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents and video of the same squares; whole in time, so half as many."""
    part, clip = recipe.autoencoder, recipe.clip
    size, cells = part.patch_size, part.crop // part.patch_size
    latents, videos = [], []
    for _ in range(max(1, part.batch // 2)):
        number = int(rng.integers(len(redrawn)))
        row = int(rng.integers((clip.height - part.crop) // size + 1))
        column = int(rng.integers((clip.width - part.crop) // size + 1))
        latents.append(redrawn[number, :, :, row : row + cells, column : column + cells])
        top, left = row * size, column * size
        videos.append(pixels[number, :, top : top + part.crop, left : left + part.crop])
    return torch.stack(latents).float(), as_video(torch.stack(videos))


def _edge_loss(drawn: torch.Tensor, video: torch.Tensor) -> torch.Tensor:
    """Difference of the differences between neighbours: blurred edges and blocks cost more than their pixels say."""
    loss = torch.zeros((), device=drawn.device)
    for axis in (2, 3, 4):
        loss = loss + F.l1_loss(drawn.diff(dim=axis), video.diff(dim=axis))
    return loss


def _warm_up_and_decay(done: float) -> float:
    return min(1.0, done / 0.02 + 1e-3) * (0.5 + 0.5 * float(np.cos(np.pi * done)))
