"""Fused norms: each norm of Wan's decoder and the SiLU after it as one kernel. Enters: a decoder. Leaves: the same.

diffusers runs them one by one in single precision, so each reads and writes all pixels some six times: a quarter of
decoding on an H200 (docs/performance.md). The kernels are torch's own compiler's.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import WanResidualBlock
from torch.nn.functional import normalize, silu

from gpu_job.memory import memory_ran_out

if TYPE_CHECKING:
    from collections.abc import Callable

#: A norm has as many graphs as there are numbers of channels, in two layouts.
GRAPHS = 64


def fuse_norms(decoder: torch.nn.Module, *, taken_off: Callable[[Exception], None]) -> int:
    """Fuse the norms of a decoder's residual blocks.

    Args:
        decoder: changed in place.
        taken_off: told of what failed while decoding. The decoder is as it was by then, and goes on.

    Returns:
        How many norms; 0 where it has none of Wan's.
    """
    blocks = [
        (block, block.nonlinearity)
        for block in decoder.modules()
        if isinstance(block, WanResidualBlock) and isinstance(block.nonlinearity, torch.nn.SiLU)
    ]
    torch._dynamo.config.recompile_limit = GRAPHS  # noqa: SLF001 - there is no other way to say it

    def take_off() -> None:
        for block, activation in blocks:
            block.nonlinearity = activation
            for norm in (block.norm1, block.norm2):
                norm.__dict__.pop("forward", None)

    def normed(norm: Any, x: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 - diffusers has no types
        try:
            return _normed(x, norm.gamma)
        except Exception as exc:
            if memory_ran_out(exc):
                raise
            take_off()
            taken_off(exc)
            plain: torch.Tensor = norm(x)  # its block applies the SiLU again
            return plain

    for block, _ in blocks:
        for norm in (block.norm1, block.norm2):
            norm.forward = functools.partial(normed, norm)
        block.nonlinearity = torch.nn.Identity()
    return 2 * len(blocks)


def _normed(x: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    """Of one clip ``(1, C, T, H, W)``: laid flat, so that lengths and sizes need no graphs of their own."""
    clips, channels, *size = x.shape
    if clips != 1:
        msg = "norms are fused for one clip at a time"
        raise ValueError(msg)
    weight = gamma.flatten()
    if x.is_contiguous(memory_format=torch.channels_last_3d):
        rows = x.permute(0, 2, 3, 4, 1).reshape(-1, channels)
        torch._dynamo.mark_static(rows, 1)  # noqa: SLF001 - few numbers, and what is summed over
        return _compiled(_rows)(rows, weight).view(1, *size, channels).permute(0, 4, 1, 2, 3)
    planes = x.reshape(channels, -1)
    torch._dynamo.mark_static(planes, 0)  # noqa: SLF001
    return _compiled(_planes)(planes, weight).view(x.shape)


def _rows(rows: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    scale = rows.shape[1] ** 0.5
    return silu(normalize(rows.float(), dim=1) * (weight.float() * scale)).to(rows.dtype)


def _planes(planes: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    scale = planes.shape[0] ** 0.5
    return silu(normalize(planes.float(), dim=0) * (weight.float() * scale)[:, None]).to(planes.dtype)


@functools.cache
def _compiled(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Once for all autoencoders, and not before it is needed."""
    return torch.compile(function, dynamic=True)
