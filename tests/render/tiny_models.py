"""Every model of the catalogue at toy size: its real pipeline class, random weights, built offline in a second or two.

They lie in a folder under the names that the catalogue has for the hub, where a worker looks first.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import diffusers
import torch
from safetensors.torch import save_file
from transformers import (
    ByT5Tokenizer,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    UMT5Config,
    UMT5EncoderModel,
)

from tests.render import untrained_wan

if TYPE_CHECKING:
    from pathlib import Path

    from shared.models import Adapter, Model

#: Latent channels of the autoencoder that is tiny in the way of Wan 2.2.
CHANNELS = 8
RANK = 2


def write(model: Model, models_dir: Path) -> None:
    """A folder that stands in for the model, and those of its adapters."""
    folder = models_dir / model.source
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        pipe = _pipeline(model)
        pipe.save_pretrained(folder)
        for adapter in model.adapters:
            _write_adapter(adapter, getattr(pipe, adapter.part), models_dir)
    if model.id.startswith("fastwan"):  # as its makers published it: diffusers knows no such class
        index = folder / "model_index.json"
        told = json.loads(index.read_text())
        del told["expand_timesteps"]
        index.write_text(json.dumps(told | {"_class_name": "WanDMDPipeline"}))


def _pipeline(model: Model) -> Any:
    if model.pipeline_class == "TextToVideoSDPipeline":
        return text_to_video_sd()
    assert model.pipeline_class == "WanPipeline", "and for others there must be a tiny one here"
    if model.pipeline_config.get("expand_timesteps"):
        return wan_2_2()
    return wan_of_two() if any(each.part == "transformer_2" for each in model.adapters) else untrained_wan.pipeline()


def wan_2_2() -> diffusers.WanPipeline:
    """One time step for each token, and an autoencoder that makes four pixels of one."""
    tokenizer = ByT5Tokenizer(extra_ids=0)
    text = UMT5Config(vocab_size=259, d_model=32, d_kv=8, d_ff=64, num_layers=1, num_heads=4, dropout_rate=0.0)
    return diffusers.WanPipeline(
        tokenizer=tokenizer,
        text_encoder=UMT5EncoderModel(text).eval(),
        transformer=wan_transformer(CHANNELS),
        vae=diffusers.AutoencoderKLWan(
            base_dim=4,
            decoder_base_dim=4,
            z_dim=CHANNELS,
            dim_mult=[1, 2, 4, 4],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            is_residual=True,
            in_channels=12,
            out_channels=12,
            patch_size=2,
            scale_factor_spatial=16,
            latents_mean=[0.0] * CHANNELS,
            latents_std=[1.0] * CHANNELS,
        ).eval(),
        scheduler=diffusers.UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0
        ),
        expand_timesteps=True,
    )


def wan_of_two() -> diffusers.WanPipeline:
    """Two transformers: one for much noise, one for little."""
    one = untrained_wan.pipeline()
    two = wan_transformer(untrained_wan.LATENT_CHANNELS)
    return diffusers.WanPipeline(**one.components | {"transformer_2": two}, boundary_ratio=0.875)


def wan_transformer(channels: int) -> diffusers.WanTransformer3DModel:
    return diffusers.WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=4,
        attention_head_dim=16,
        in_channels=channels,
        out_channels=channels,
        text_dim=32,
        freq_dim=32,
        ffn_dim=64,
        num_layers=2,
        rope_max_seq_len=256,
    ).eval()


def _write_adapter(adapter: Adapter, part: torch.nn.Module, models_dir: Path) -> None:
    """Named as Wan's own code names the layers, which is how trainers publish them."""
    weights = {}
    for ours, theirs in (("attn1.to_q", "self_attn.q"), ("attn2.to_out.0", "cross_attn.o"), ("ffn.net.2", "ffn.2")):
        for block in range(2):
            layer = cast("torch.nn.Linear", part.get_submodule(f"blocks.{block}.{ours}"))
            name = f"diffusion_model.blocks.{block}.{theirs}"
            weights[f"{name}.lora_down.weight"] = torch.randn(RANK, layer.in_features)
            weights[f"{name}.lora_up.weight"] = torch.randn(layer.out_features, RANK)
            weights[f"{name}.alpha"] = torch.tensor(float(RANK))
    file = models_dir / adapter.source / adapter.file
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, file)


def cogvideox() -> diffusers.CogVideoXPipeline:
    text = T5Config(vocab_size=259, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4, dropout_rate=0.0)
    return diffusers.CogVideoXPipeline(
        tokenizer=ByT5Tokenizer(extra_ids=0),
        text_encoder=T5EncoderModel(text).eval(),
        transformer=diffusers.CogVideoXTransformer3DModel(
            num_attention_heads=4,
            attention_head_dim=8,
            in_channels=4,
            out_channels=4,
            time_embed_dim=2,
            text_embed_dim=32,
            num_layers=1,
            sample_width=16,
            sample_height=16,
            sample_frames=9,
            patch_size=2,
            temporal_compression_ratio=4,
            max_text_seq_length=226,
        ).eval(),
        vae=diffusers.AutoencoderKLCogVideoX(
            down_block_types=("CogVideoXDownBlock3D",) * 4,
            up_block_types=("CogVideoXUpBlock3D",) * 4,
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            temporal_compression_ratio=4,
        ).eval(),
        scheduler=diffusers.CogVideoXDDIMScheduler(),
    )


def text_to_video_sd() -> diffusers.TextToVideoSDPipeline:
    """The class behind ModelScope and Zeroscope: it has no ``callback_on_step_end``."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    text = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=1,
        num_attention_heads=4,
        bos_token_id=len(words) - 2,
        eos_token_id=len(words) - 1,
        pad_token_id=len(words) - 1,
    )
    return diffusers.TextToVideoSDPipeline(
        tokenizer=CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
        text_encoder=CLIPTextModel(text).eval(),
        unet=diffusers.UNet3DConditionModel(
            block_out_channels=(8, 8),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
            cross_attention_dim=32,
            attention_head_dim=4,
            norm_num_groups=2,
        ).eval(),
        vae=diffusers.AutoencoderKL(
            block_out_channels=(8,) * 4,
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            norm_num_groups=2,
        ).eval(),
        scheduler=diffusers.DDIMScheduler(),
    )


def ltx() -> diffusers.LTXPipeline:
    text = T5Config(vocab_size=259, d_model=32, d_kv=8, d_ff=37, num_layers=1, num_heads=4, dropout_rate=0.0)
    return diffusers.LTXPipeline(
        tokenizer=ByT5Tokenizer(extra_ids=0),
        text_encoder=T5EncoderModel(text).eval(),
        transformer=diffusers.LTXVideoTransformer3DModel(
            in_channels=8,
            out_channels=8,
            patch_size=1,
            patch_size_t=1,
            num_attention_heads=4,
            attention_head_dim=8,
            cross_attention_dim=32,
            num_layers=1,
            caption_channels=32,
        ).eval(),
        vae=diffusers.AutoencoderKLLTXVideo(
            in_channels=3,
            out_channels=3,
            latent_channels=8,
            block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            layers_per_block=(1, 1, 1, 1, 1),
            decoder_layers_per_block=(1, 1, 1, 1, 1),
            spatio_temporal_scaling=(True, True, False, False),
            decoder_spatio_temporal_scaling=(True, True, False, False),
            decoder_inject_noise=(False, False, False, False, False),
            upsample_residual=(False, False, False, False),
            upsample_factor=(1, 1, 1, 1),
            timestep_conditioning=False,
            patch_size=1,
            patch_size_t=1,
            encoder_causal=True,
            decoder_causal=False,
        ).eval(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(),
    )
