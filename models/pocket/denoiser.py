"""The denoiser: a transformer over a text encoder that has learned already, and what a step of learning is.

Rectified flow: between a clip's latents ``x`` and noise ``n`` lies ``z = (1 - t) x + t n``. The transformer says ``x``
from there, having read the caption; the velocity ``n - x`` is ``(z - x) / t``, and its error is the loss. What a patch
looks like has few dimensions, what noise looks like has all of them: a narrow transformer that had to say the velocity
left its own noise in every patch (Li & He 2025, "Back to Basics: Let Denoising Generative Models Denoise").
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from diffusers import WanTransformer3DModel
from torch import nn

from gpu_job.pocket.pipeline import PLACE_CHANNELS, placed, states_of
from models.pocket.labels import ATTRIBUTES
from models.pocket.muon import Muon

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import T5EncoderModel

    from models.pocket.recipe import Recipe

#: Of the scheduler: the transformer hears of times in [0, 1000].
TIMES = 1000
#: Errors of less noise than this weigh no more. Drawing in sixteen steps never comes below 0.4, and the few clips there
#: would else decide what a step learns.
LEAST_TIME = 0.5
#: Of the scheduler that draws: most of its steps lie where there is little but noise. The first components spread four
#: times as far as noise, and neighbours have much the same: that is where a clip's contents are decided.
TIME_SHIFT = 10.0
#: Deviation of the logarithm of signal to noise that training draws. With 15 000 numbers a clip, what it shows can be
#: told from one part of signal in a hundred of noise: a denoiser that hardly saw less learned no captions, since a
#: wrong one cost it 0.1 % at any time. So the mean is low at first (-2.6); details come after that, at -1.6.
LOG_RATIO_DEVIATION = 1.6
#: Errors in the middle of the picture, a quarter of it, weigh so many times as much as others: the thing is there, and
#: half of what a caption says is about it.
MIDDLE = 3.0
#: Part of the clips that are nothing but noise: where drawing begins.
ALL_NOISE = 0.06


class Denoiser(nn.Module):
    """Transformer and text encoder.

    Args:
        recipe: the numbers.
        text_encoder: stays as it is.
    """

    def __init__(self, *, recipe: Recipe, text_encoder: T5EncoderModel) -> None:
        super().__init__()
        part = recipe.denoiser
        self.text_encoder = text_encoder.requires_grad_(requires_grad=False)
        self.transformer = WanTransformer3DModel(
            patch_size=(1, part.patch_size, part.patch_size),
            num_attention_heads=part.heads,
            attention_head_dim=part.head_size,
            in_channels=recipe.autoencoder.latent_channels + PLACE_CHANNELS,
            out_channels=recipe.autoencoder.latent_channels,
            text_dim=recipe.text.size,
            freq_dim=128,
            ffn_dim=part.feed_forward,
            num_layers=part.layers,
            rope_max_seq_len=64,
        )

    def clean(self, latents: torch.Tensor, times: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Noisy latents ``(N, C, t, h, w)`` of times ``(N,)`` in [0, 1] without their noise; tokens ``(N, L)``."""
        with torch.no_grad():
            texts = states_of(self.text_encoder, ids, pad_token_id=0, count=len(ATTRIBUTES))
        said: torch.Tensor = self.transformer(
            hidden_states=placed(latents), timestep=times * TIMES, encoder_hidden_states=texts, return_dict=False
        )[0]
        return said

    def loss(
        self, latents: torch.Tensor, ids: torch.Tensor, *, noise: torch.Tensor, times: torch.Tensor
    ) -> torch.Tensor:
        """Mean squared error of the velocity; close to no noise it is not weighed any more than at `LEAST_TIME`."""
        by_clip = times.view(-1, 1, 1, 1, 1)
        said = self.clean((1 - by_clip) * latents + by_clip * noise, times, ids)
        errors = ((said.float() - latents) / by_clip.clamp(min=LEAST_TIME)).square()
        return (errors * _weights(latents)).mean()


def drawn_times(count: int, generator: torch.Generator, *, log_ratio: float) -> torch.Tensor:
    """Times ``(N,)`` in (0, 1], on the generator's device; ``log_ratio`` is the mean: see `LOG_RATIO_DEVIATION`."""
    device = generator.device
    times = torch.sigmoid(-(log_ratio + LOG_RATIO_DEVIATION * torch.randn(count, generator=generator, device=device)))
    return torch.where(torch.rand(count, generator=generator, device=device) < ALL_NOISE, 1.0, times)


def _weights(latents: torch.Tensor) -> torch.Tensor:
    """Of errors, ``(h, w)``, 1 on average: see `MIDDLE`."""
    height, width = latents.shape[-2:]
    weights = torch.ones(height, width, device=latents.device)
    weights[height // 4 : height - height // 4, width // 4 : width - width // 4] = MIDDLE
    return weights / weights.mean()


@dataclass(frozen=True, kw_only=True)
class Optimizers:
    """Muon for the matrices inside the blocks, which beat AdamW clearly at equal time; AdamW for everything else."""

    muon: torch.optim.Optimizer
    adam: torch.optim.Optimizer
    #: What each learns at, at most.
    rates: tuple[float, float]

    @classmethod
    def of(cls, denoiser: Denoiser, *, muon_rate: float, adam_rate: float) -> Optimizers:
        """For all weights of a denoiser."""
        is_matrix = {
            id(layer.weight) for layer in denoiser.transformer.blocks.modules() if isinstance(layer, nn.Linear)
        }
        learning = [p for p in denoiser.parameters() if p.requires_grad]
        matrices = [p for p in learning if id(p) in is_matrix]
        others = [p for p in learning if id(p) not in is_matrix]
        return cls(
            muon=Muon(matrices, lr=muon_rate),
            adam=torch.optim.AdamW(others, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0),
            rates=(muon_rate, adam_rate),
        )

    def step(self, loss: torch.Tensor, denoiser: Denoiser, *, factor: float) -> None:
        """Learn from a loss, at a part of the highest rates."""
        for optimizer, rate in zip((self.muon, self.adam), self.rates, strict=True):
            optimizer.zero_grad(set_to_none=True)
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
        loss.backward()
        nn.utils.clip_grad_norm_(denoiser.parameters(), 1.0)
        self.muon.step()
        self.adam.step()

    def state_dict(self) -> dict[str, object]:
        """For a checkpoint."""
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, state: dict[str, dict[str, object]]) -> None:
        """From a checkpoint."""
        self.muon.load_state_dict(state["muon"])
        self.adam.load_state_dict(state["adam"])


class Average:
    """The running average of a denoiser's weights: what is kept in the end."""

    def __init__(self, denoiser: Denoiser, decay: float) -> None:
        self.denoiser = copy.deepcopy(denoiser).eval().requires_grad_(requires_grad=False)
        self._decay = decay

    @torch.no_grad()
    def follow(self, denoiser: Denoiser, step: int) -> None:
        """One step more was learned; the first ones weigh less, since they know nothing."""
        decay = min(self._decay, (1 + step) / (10 + step))
        mine: Iterable[torch.Tensor] = self.denoiser.parameters()
        torch._foreach_lerp_(list(mine), list(denoiser.parameters()), 1 - decay)
