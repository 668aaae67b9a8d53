"""The denoiser: what learns together, transformer and text encoder, and what a step of learning is.

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
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel

from gpu_job.pocket.pipeline import shortened, states_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from models.pocket.recipe import Recipe

#: Of the scheduler: the transformer hears of times in [0, 1000].
TIMES = 1000
#: Errors of less noise than this weigh no more.
LEAST_TIME = 0.05
#: The first components spread four times as far as noise, and neighbours have much the same: what a clip shows can be
#: seen in it until there is nearly nothing but noise. Without this a denoiser read no captions in 500 steps: a wrong
#: one cost it 0.1 % at any time.
TIME_SHIFT = 10.0


class Denoiser(nn.Module):
    """Transformer and text encoder."""

    def __init__(self, *, recipe: Recipe, vocabulary: int) -> None:
        super().__init__()
        part = recipe.denoiser
        self.text_encoder = T5EncoderModel(
            T5Config(
                vocab_size=vocabulary,
                d_model=part.text_size,
                d_kv=32,
                d_ff=2 * part.text_size,
                num_layers=part.text_layers,
                num_heads=max(1, part.text_size // 32),
                dropout_rate=0.0,
                feed_forward_proj="gated-gelu",
                pad_token_id=0,
            )
        )
        self.transformer = WanTransformer3DModel(
            patch_size=(1, 1, 1),
            num_attention_heads=part.heads,
            attention_head_dim=part.head_size,
            in_channels=recipe.autoencoder.latent_channels,
            out_channels=recipe.autoencoder.latent_channels,
            text_dim=part.text_size,
            freq_dim=128,
            ffn_dim=part.feed_forward,
            num_layers=part.layers,
            rope_max_seq_len=64,
        )

    def clean(self, latents: torch.Tensor, times: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        """Noisy latents ``(N, C, t, h, w)`` of times ``(N,)`` in [0, 1] without their noise; tokens ``(N, L)``."""
        texts = states_of(self.text_encoder, ids, 0)
        said: torch.Tensor = self.transformer(
            hidden_states=latents, timestep=times * TIMES, encoder_hidden_states=texts, return_dict=False
        )[0]
        return said

    def loss(
        self, latents: torch.Tensor, ids: torch.Tensor, *, noise: torch.Tensor, times: torch.Tensor
    ) -> torch.Tensor:
        """Mean squared error of the velocity; close to no noise it is not weighed any more than at `LEAST_TIME`."""
        by_clip = times.view(-1, 1, 1, 1, 1)
        said = self.clean((1 - by_clip) * latents + by_clip * noise, times, ids)
        return ((said.float() - latents) / by_clip.clamp(min=LEAST_TIME)).square().mean()


def tokens_of(tokenizer: PreTrainedTokenizerFast, captions: Sequence[str], length: int) -> torch.Tensor:
    """Token ids ``(N, length)``, padded with 0."""
    ids = torch.zeros(len(captions), length, dtype=torch.long)
    for row, caption in zip(ids, captions, strict=True):
        tokens = shortened(tokenizer(caption).input_ids, length)
        row[: len(tokens)] = torch.tensor(tokens)
    return ids


def drawn_times(count: int, generator: torch.Generator) -> torch.Tensor:
    """Times ``(N,)`` in (0, 1), logit-normal and shifted towards noise as of Stable Diffusion 3 (Esser 2024)."""
    even = torch.sigmoid(torch.randn(count, generator=generator))
    return TIME_SHIFT * even / (1 + (TIME_SHIFT - 1) * even)


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
        matrices = [p for p in denoiser.parameters() if id(p) in is_matrix]
        others = [p for p in denoiser.parameters() if id(p) not in is_matrix]
        return cls(
            muon=torch.optim.Muon(matrices, lr=muon_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
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
