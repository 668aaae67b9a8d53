"""The pocket model's video autoencoder: principal components going in, and coming out, without seams.

A clip of ``1 + 4n`` frames is cut into patches of, say, 16x16 pixels: of the first frame alone, then of four each. The
encoder projects every patch onto its principal components, which are fixed before anything is trained. Going back, the
seams between patches are smoothed. Loaded by diffusers like any other model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils.accelerate_utils import apply_forward_hook

from gpu_job.pocket.deblocking import deblocked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Frames of every group but the first, which is one frame.
GROUP_FRAMES = 4
#: Of a patch's latents together. How much noise hides a clip depends on it, not on how many components are kept.
TOTAL_VARIANCE = 48.0
#: That are found beside those that are kept, which are the more exact for it.
MORE_COMPONENTS = 64


class PocketAutoencoder(ModelMixin, ConfigMixin):
    """See the module.

    Args:
        latent_channels: components kept of each patch.
        patch_size: edge of a patch in pixels.
        whitening: how far the components' different spreads are evened out in the latents: 0 not at all, 1 wholly.
            In between, what matters most for the picture still weighs most for whoever learns to draw latents.
    """

    @register_to_config
    def __init__(
        self,
        *,
        latent_channels: int = 48,
        patch_size: int = 16,
        whitening: float = 0.5,  # noqa: ARG002 - kept in the config, which `fit` reads
    ) -> None:
        super().__init__()
        still, moving = 3 * patch_size**2, 3 * GROUP_FRAMES * patch_size**2
        for name, size in (("first", still), ("group", moving)):
            self.register_buffer(f"{name}_mean", torch.zeros(size))
            self.register_buffer(f"{name}_components", torch.zeros(size, latent_channels))
            #: What a component is divided by to become a latent.
            self.register_buffer(f"{name}_scale", torch.ones(latent_channels))

    @torch.no_grad()
    def fit(self, videos: Iterable[torch.Tensor]) -> None:
        """Find the principal components of videos ``(N, 3, T, H, W)`` in [-1, 1], taken one by one."""
        moments: dict[str, _Moments] = {}
        for video in videos:
            for name, patches in zip(("first", "group"), self._patches(video), strict=True):
                flat = patches.flatten(0, -2)
                moments.setdefault(name, _Moments(flat.shape[1], flat.device)).add(flat)
        for name, each in moments.items():
            kept = self.config.latent_channels
            covariance = each.covariance()
            width = min(len(covariance), kept + MORE_COMPONENTS)
            components, spread, _ = torch.svd_lowrank(covariance, q=width, niter=8)  # Halko 2011; all take minutes
            deviation = spread[:kept].clamp(min=1e-8).sqrt()
            scale = deviation**self.config.whitening
            scale *= ((deviation / scale).square().sum() / TOTAL_VARIANCE).sqrt()
            getattr(self, f"{name}_mean").copy_(each.mean())
            getattr(self, f"{name}_components").copy_(components[:, :kept])
            getattr(self, f"{name}_scale").copy_(scale)

    @apply_forward_hook
    def encode(self, video: torch.Tensor) -> torch.Tensor:
        """The latents ``(N, C, 1 + (T - 1) / 4, h, w)`` of a video ``(N, 3, T, H, W)`` in [-1, 1]."""
        first, groups = self._patches(video)
        latents = [
            ((patches - getattr(self, f"{name}_mean")) @ getattr(self, f"{name}_components"))
            / getattr(self, f"{name}_scale")
            for name, patches in (("first", first), ("group", groups))
        ]
        return torch.cat(latents, dim=1).permute(0, 4, 1, 2, 3)

    def project_back(self, latents: torch.Tensor) -> torch.Tensor:
        """The video ``(N, 3, T, H, W)`` that the components alone make of latents: blocks show."""
        return torch.cat(list(self._projected_back(latents)), dim=2)

    @apply_forward_hook
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """The video ``(N, 3, T, H, W)``, near [-1, 1], of latents ``(N, C, 1 + (T - 1) / 4, h, w)``."""
        return torch.cat(list(self.decode_by_group(latents)), dim=2)

    def decode_by_group(self, latents: torch.Tensor) -> Iterator[torch.Tensor]:
        """The same, of the first frame, then of four at a time: no group needs another."""
        return (deblocked(group, self.config.patch_size) for group in self._projected_back(latents))

    def _projected_back(self, latents: torch.Tensor) -> Iterator[torch.Tensor]:
        size = self.config.patch_size
        for number, each in enumerate(latents.permute(2, 0, 3, 4, 1)):  # (N, h, w, C)
            name, frames = ("group", GROUP_FRAMES) if number else ("first", 1)
            scaled = each * getattr(self, f"{name}_scale")
            patches = scaled @ getattr(self, f"{name}_components").T + getattr(self, f"{name}_mean")
            n, rows, columns, _ = patches.shape
            patches = patches.view(n, rows, columns, 3, frames, size, size)
            yield patches.permute(0, 3, 4, 1, 5, 2, 6).reshape(n, 3, frames, rows * size, columns * size)

    def forward(self, video: torch.Tensor) -> torch.Tensor:
        """There and back."""
        back: torch.Tensor = self.decode(self.encode(video))
        return back

    def _patches(self, video: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches of the first frame ``(N, 1, h, w, 3 size²)``, and of groups of four ``(N, n, h, w, 12 size²)``."""
        size = self.config.patch_size
        parts = []
        for frames, each in ((1, video[:, :, :1]), (GROUP_FRAMES, video[:, :, 1:])):
            n, channels, length, height, width = each.shape
            cut = each.reshape(n, channels, length // frames, frames, height // size, size, width // size, size)
            parts.append(cut.permute(0, 2, 4, 6, 1, 3, 5, 7).flatten(4))
        first, groups = parts
        return first, groups


class _Moments:
    """Mean and covariance of vectors that come some at a time."""

    def __init__(self, size: int, device: torch.device) -> None:
        self._count = 0
        self._sum = torch.zeros(size, dtype=torch.float64, device=device)
        self._products = torch.zeros(size, size, dtype=torch.float64, device=device)

    def add(self, vectors: torch.Tensor) -> None:
        self._count += len(vectors)
        self._sum += vectors.sum(dim=0, dtype=torch.float64)
        self._products += (vectors.T @ vectors).double()

    def mean(self) -> torch.Tensor:
        return self._sum / self._count

    def covariance(self) -> torch.Tensor:
        return self._products / self._count - torch.outer(self.mean(), self.mean())
