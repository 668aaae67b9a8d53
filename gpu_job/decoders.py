"""Decoding of latents some frames at a time. Enters: a pipeline, and its latents. Leaves: frames, from the first on.

Only where an autoencoder allows it without changing a pixel: those that are causal in time remember what came before
(Wan, CogVideoX), those of pictures know no time at all (ModelScope, Zeroscope), and the pocket model's groups know
nothing of each other. What looks ahead in time, as LTX's decoder does, is decoded at once, and so is what is decoded in
tiles to save memory.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLCogVideoX,
    CogVideoXPipeline,
    TextToVideoSDPipeline,
)

from gpu_job.pocket.pipeline import PocketPipeline, as_frames
from gpu_job.wan_decoder import decodes_by_group, wan_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from diffusers import DiffusionPipeline

    #: Takes latents as pipelines return them, of one clip. Gives groups of frames ``(n, 3, H, W)`` in [0, 1].
    Decoder = Callable[[torch.Tensor], Iterator[torch.Tensor]]

#: Pictures decoded at a time by autoencoders that know no time.
PICTURES = 4


def decoder_of(pipe: DiffusionPipeline, frames: int) -> Decoder | None:
    """What decodes a clip of so many frames for this pipeline; None where it must be decoded at once."""
    if decodes_by_group(pipe):
        return lambda latents: wan_groups(pipe, latents)
    vae = getattr(pipe, "vae", None)
    if getattr(vae, "use_tiling", False):
        return None
    if isinstance(pipe, CogVideoXPipeline) and isinstance(vae, AutoencoderKLCogVideoX):
        return lambda latents: _cogvideox_groups(pipe, latents, frames)
    if isinstance(pipe, TextToVideoSDPipeline) and isinstance(vae, AutoencoderKL):
        return lambda latents: _pictures(pipe, latents)
    if isinstance(pipe, PocketPipeline):
        return lambda latents: _pocket_groups(pipe, latents)
    return None


def _cogvideox_groups(pipe: CogVideoXPipeline, latents: torch.Tensor, frames: int) -> Iterator[torch.Tensor]:
    """Latents ``(T, C, h, w)``, two at a time, as `AutoencoderKLCogVideoX._decode` does it.

    None before two groups are decoded, the first and the first that remembers: then memory suffices for all.
    """
    vae = pipe.vae
    count = (frames - 1) // pipe.vae_scale_factor_temporal + 1
    # CogVideoX 1.5 draws more, so that they can be cut into patches; those in front are no part of the clip.
    z = (1 / pipe.vae_scaling_factor_image * latents[-count:]).transpose(0, 1)[None]  # (1, C, T, h, w)
    size = vae.num_latent_frames_batch_size
    first = size + count % size if count > size else count
    memory = None

    @torch.no_grad()
    def decoded(part: torch.Tensor) -> torch.Tensor:
        nonlocal memory
        if vae.post_quant_conv is not None:
            part = vae.post_quant_conv(part)
        sample, memory = vae.decoder(part, conv_cache=memory)
        video: torch.Tensor = pipe.video_processor.postprocess_video(sample, output_type="pt")
        return video[0]

    parts = [z[:, :, :first], *z[:, :, first:].split(size, dim=2)] if count > first else [z]
    groups = (decoded(part) for part in parts)
    yield from list(islice(groups, 2))
    yield from groups


def _pictures(pipe: TextToVideoSDPipeline, latents: torch.Tensor) -> Iterator[torch.Tensor]:
    """Latents ``(C, T, h, w)``, as `TextToVideoSDPipeline.decode_latents` does it."""
    vae = pipe.vae

    @torch.no_grad()
    def decoded(part: torch.Tensor) -> torch.Tensor:
        pictures = vae.decode(part).sample.float()
        finished: torch.Tensor = pipe.video_processor.postprocess(pictures, output_type="pt")
        return finished

    scaled = (1 / vae.config.scaling_factor * latents).transpose(0, 1)  # (T, C, h, w)
    return (decoded(part) for part in scaled.split(PICTURES))


def _pocket_groups(pipe: PocketPipeline, latents: torch.Tensor) -> Iterator[torch.Tensor]:
    """Latents ``(C, T, h, w)``, as `PocketPipeline` ends; none before the second group, the largest there is."""
    groups = pipe.vae.decode_by_group(latents[None].to(pipe.vae.dtype))

    @torch.no_grad()  # not around the whole: a generator would leak it to whoever reads the frames
    def decoded() -> torch.Tensor | None:
        group = next(groups, None)
        return None if group is None else as_frames(group)[0]

    frames = iter(decoded, None)
    yield from list(islice(frames, 2))
    yield from frames
