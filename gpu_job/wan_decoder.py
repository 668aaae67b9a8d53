"""Decoding of Wan's clips group by group. Enters: latents. Leaves: frames, from the first seconds of decoding on.

The autoencoder is causal in time: a group of frames needs what is remembered of those before it, and nothing of those
after it. The steps are those of the end of `WanPipeline.__call__` and of `AutoencoderKLWan._decode`, so the frames are
the same.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderKLWan, WanPipeline
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

if TYPE_CHECKING:
    from collections.abc import Iterator

    from diffusers import DiffusionPipeline

#: Groups after which decoding takes no more memory: the first makes one frame, the second remembers two frames a layer,
#: as every later one does, and the third is the first to begin with all of that.
STEADY_GROUPS = 3


def decodes_by_group(pipe: DiffusionPipeline) -> bool:
    """Whether `wan_groups` can decode for this pipeline. What is decoded in tiles is decoded at once."""
    return isinstance(pipe, WanPipeline) and isinstance(pipe.vae, AutoencoderKLWan) and not pipe.vae.use_tiling


def wan_groups(pipe: WanPipeline, latents: torch.Tensor) -> Iterator[torch.Tensor]:
    """Decode latents ``(C, T, H, W)`` one by one: the first becomes one frame, every other one four.

    Returns:
        Groups ``(n, 3, H, W)`` in [0, 1]. None before `STEADY_GROUPS` are decoded: where memory does not suffice, it
        runs out before anybody has seen a frame.
    """
    vae = pipe.vae
    vae.clear_cache()
    cache = list(vae._feat_map)  # noqa: SLF001 - ours alone, so that a render may be left in the middle

    # Not around the whole: a generator would leak it to whoever reads the frames.
    @torch.no_grad()
    def denormalised() -> torch.Tensor:
        z = latents[None].to(vae.device, vae.dtype)
        mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1).to(z)
        inverse_std = 1.0 / torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1).to(z)
        scaled: torch.Tensor = vae.post_quant_conv(z / inverse_std + mean)
        return scaled

    @torch.no_grad()
    def decoded(z: torch.Tensor, *, is_first: bool) -> torch.Tensor:
        frames = vae.decoder(z, feat_cache=cache, feat_idx=[0], first_chunk=is_first)
        if vae.config.patch_size is not None:
            frames = unpatchify(frames, patch_size=vae.config.patch_size)
        video: torch.Tensor = pipe.video_processor.postprocess_video(frames.clamp(-1, 1), output_type="pt")
        return video[0]

    groups = (decoded(z, is_first=index == 0) for index, z in enumerate(torch.split(denormalised(), 1, dim=2)))
    yield from list(islice(groups, STEADY_GROUPS))
    yield from groups
