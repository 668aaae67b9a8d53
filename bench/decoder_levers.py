"""Levers of Wan's decoder that no recipe has yet. Enters: an autoencoder. Leaves: the same, faster perhaps, once tried.

They are measured before anything is built on them: see docs/performance.md.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import CACHE_T, WanResidualBlock
from torch.nn.functional import normalize, silu

if TYPE_CHECKING:
    from collections.abc import Callable

    from diffusers import AutoencoderKLWan

#: A norm has as many graphs as there are kinds of shapes.
GRAPHS = 64


def fuse_norms(vae: AutoencoderKLWan) -> None:
    """Make one kernel of each norm and the SiLU after it, which diffusers runs one by one, in single precision."""
    torch._dynamo.config.recompile_limit = GRAPHS  # noqa: SLF001 - there is no other way to say it
    for block in vae.decoder.modules():
        if isinstance(block, WanResidualBlock):
            for norm in (block.norm1, block.norm2):
                norm.forward = functools.partial(_normed, (norm.gamma * norm.scale).float().detach().flatten())
            block.nonlinearity = torch.nn.Identity()


def _fused_rows(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return silu(normalize(rows.float(), dim=1) * weight).to(rows.dtype)


def _fused_planes(planes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return silu(normalize(planes.float(), dim=0) * weight[:, None]).to(planes.dtype)


@functools.cache
def _compiled(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Once for all autoencoders, and not before it is needed."""
    return torch.compile(function, dynamic=True)


def _normed(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Of one clip ``(1, C, T, H, W)``: laid flat, so that lengths and sizes need no graphs of their own."""
    _, channels, *size = x.shape
    if x.is_contiguous(memory_format=torch.channels_last_3d):
        rows = x.permute(0, 2, 3, 4, 1).reshape(-1, channels)
        torch._dynamo.mark_static(rows, 1)  # noqa: SLF001 - few numbers, and what is summed over
        return _compiled(_fused_rows)(rows, weight).view(1, *size, channels).permute(0, 4, 1, 2, 3)
    planes = x.reshape(channels, -1)
    torch._dynamo.mark_static(planes, 0)  # noqa: SLF001
    return _compiled(_fused_planes)(planes, weight).view(x.shape)


class SteadyDecoder(torch.nn.Module):
    """A decoder whose steps from the third group on are one graph: from there on all shapes stay as they are.

    torch before 2.13 refuses: diffusers compares tensors with a word.
    """

    def __init__(self, decoder: Any) -> None:  # noqa: ANN401 - diffusers has no types
        super().__init__()
        self.decoder = decoder
        self.step = torch.compile(self._step, fullgraph=True, dynamic=False)

    def _step(self, z: torch.Tensor, *remembered: torch.Tensor) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        cache = list(remembered)
        frames = self.decoder(z, feat_cache=cache, feat_idx=[0])
        return frames, tuple(cache)

    def forward(
        self, z: torch.Tensor, feat_cache: list[Any], feat_idx: list[int], *, first_chunk: bool = False
    ) -> torch.Tensor:
        """As the decoder's own."""
        # Shortcuts have a place in the cache too, at its end, and leave it empty.
        remembered = [each for each in feat_cache if each is not None]
        if not remembered or remembered[0].shape[2] < CACHE_T:
            frames: torch.Tensor = self.decoder(z, feat_cache=feat_cache, feat_idx=feat_idx, first_chunk=first_chunk)
            return frames
        frames, kept = self.step(z, *remembered)
        feat_cache[: len(kept)] = kept
        return frames
