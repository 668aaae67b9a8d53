"""A lever of Wan's decoder that no recipe has yet. Enters: a decoder. Leaves: the same in a graph, faster perhaps.

It is measured before anything is built on it: see docs/performance.md.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import CACHE_T


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
