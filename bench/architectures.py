"""Pipelines to measure: Wan's architectures at toy and full size. Their weights are random: they draw noise.

What weights say decides nothing about speed, but for a cache of steps: how often it hits is a trained model's affair.
The numbers are those of the config files of Wan-AI/Wan2.1-T2V-1.3B-Diffusers and Wan-AI/Wan2.2-TI2V-5B-Diffusers.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel
from transformers import ByT5Tokenizer, UMT5Config, UMT5EncoderModel

if TYPE_CHECKING:
    from collections.abc import Iterator

#: umT5-XXL, which all of them read with.
UMT5_XXL: Final = {
    "vocab_size": 256384,
    "d_model": 4096,
    "d_kv": 64,
    "d_ff": 10240,
    "num_layers": 24,
    "num_heads": 64,
    "feed_forward_proj": "gated-gelu",
    "dropout_rate": 0.0,
}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A pipeline's parts by their configs, and the clip that is drawn with it."""

    name: str
    width: int
    height: int
    frames: int
    fps: int
    #: Of few-step distillation; without guidance.
    steps: int
    dtype: torch.dtype
    text_encoder: dict[str, Any]
    transformer: dict[str, Any]
    vae: dict[str, Any]
    pipeline: dict[str, Any] = field(default_factory=dict)

    def reader(self, device: str) -> UMT5EncoderModel:
        """The text encoder with random weights, made on the device (``meta``: no weights at all)."""
        with _making(self.dtype, device):
            return UMT5EncoderModel(UMT5Config(**self.text_encoder)).eval()

    def denoiser(self, device: str) -> WanTransformer3DModel:
        """The transformer with random weights, the same at each call, some of them in single precision as if loaded."""
        with _making(self.dtype, device):
            transformer = WanTransformer3DModel(**self.transformer).eval()
        exact = set(transformer._keep_in_fp32_modules)  # noqa: SLF001 - what loading reads
        for name, weight in transformer.named_parameters():
            if exact.intersection(name.split(".")):
                weight.data = weight.data.float()
        return transformer

    def autoencoder(self, device: str) -> AutoencoderKLWan:
        """The autoencoder with random weights, the same at each call."""
        with _making(self.dtype, device):
            return AutoencoderKLWan(**self.vae).eval()

    def pipeline_without_reader(self, device: str) -> WanPipeline:
        """All the rest: the text encoder is most of the bytes, and no lever is about it."""
        return WanPipeline(
            tokenizer=ByT5Tokenizer(extra_ids=0),
            text_encoder=None,
            transformer=self.denoiser(device),
            vae=self.autoencoder(device),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            **self.pipeline,
        )


@contextmanager
def _making(dtype: torch.dtype, device: str) -> Iterator[None]:
    """Where modules are made in this dtype on this device, always the same."""
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(default)


TINY: Final = Architecture(
    name="tiny Wan, random weights",
    width=128,
    height=80,
    frames=17,
    fps=16,
    steps=8,
    dtype=torch.float32,
    text_encoder={"vocab_size": 259, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4},
    transformer={
        "num_attention_heads": 4,
        "attention_head_dim": 32,
        "text_dim": 32,
        "freq_dim": 32,
        "ffn_dim": 256,
        "num_layers": 4,
    },
    vae={"base_dim": 8, "num_res_blocks": 1},
)
TINY_5B: Final = replace(
    TINY,
    name="tiny Wan 2.2, random weights",
    height=96,
    fps=24,
    steps=3,
    transformer=TINY.transformer | {"in_channels": 12, "out_channels": 12},
    vae={
        "base_dim": 8,
        "decoder_base_dim": 8,
        "num_res_blocks": 1,
        "z_dim": 12,
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_spatial": 16,
        "latents_mean": [0.0] * 12,
        "latents_std": [1.0] * 12,
    },
    pipeline={"expand_timesteps": True},
)
WAN_1_3B: Final = Architecture(
    name="Wan 2.1 1.3B, random weights",
    width=832,
    height=480,
    frames=81,
    fps=16,
    steps=4,
    dtype=torch.bfloat16,
    text_encoder=UMT5_XXL,
    transformer={"num_attention_heads": 12, "attention_head_dim": 128, "ffn_dim": 8960, "num_layers": 30},
    vae={},
)
WAN_5B: Final = Architecture(
    name="Wan 2.2 5B, random weights",
    width=1280,
    height=704,
    frames=121,
    fps=24,
    steps=3,
    dtype=torch.bfloat16,
    text_encoder=UMT5_XXL,
    transformer={
        "num_attention_heads": 24,
        "attention_head_dim": 128,
        "in_channels": 48,
        "out_channels": 48,
        "ffn_dim": 14336,
        "num_layers": 30,
    },
    vae={
        "base_dim": 160,
        "decoder_base_dim": 256,
        "z_dim": 48,
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_spatial": 16,
        "latents_mean": [0.0] * 48,
        "latents_std": [1.0] * 48,
    },
    pipeline={"expand_timesteps": True},
)
