"""A pipeline of Wan's classes at toy size with random weights: what tests of the renderer need another class for.

It is built offline in a second or two and loads through `diffusers.DiffusionPipeline.from_pretrained` like any other
model. It has learned nothing: its pictures are coloured noise that drifts.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d
from transformers import ByT5Tokenizer, UMT5Config, UMT5EncoderModel

#: What its folder is called, and with it the source that a spec names.
SOURCE = "untrained-tiny-wan"
#: Decides the random weights. Chosen by eye: of the first three seeds this one has the clearest clouds.
WEIGHTS_SEED = 3
#: Latent channels, as in Wan 2.1.
LATENT_CHANNELS = 16
TEXT_DIM = 32
#: Standard deviation of the colours that the autoencoder is tuned to, of a range of -1 to 1.
CONTRAST = 0.4


def pipeline() -> WanPipeline:
    """The pipeline in memory, in float32: equal weights at every call, the global random state untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(WEIGHTS_SEED)
        tokenizer = ByT5Tokenizer(extra_ids=0)
        text_encoder = UMT5EncoderModel(
            UMT5Config(
                vocab_size=len(tokenizer),
                d_model=TEXT_DIM,
                d_kv=8,
                d_ff=64,
                num_layers=2,
                num_heads=4,
                dropout_rate=0.0,
            )
        )
        transformer = WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=4,
            attention_head_dim=16,
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            text_dim=TEXT_DIM,
            freq_dim=32,
            ffn_dim=128,
            num_layers=2,
            rope_max_seq_len=256,
        )
        # Decoding is nearly all of the work: 1.6 s for 17 frames of 256x144 on two cores, 3.3 s with a base_dim of 8.
        vae = AutoencoderKLWan(base_dim=4, z_dim=LATENT_CHANNELS, dim_mult=[1, 2, 4, 4], num_res_blocks=1).eval()
        _make_clouds(vae)
    return WanPipeline(
        tokenizer=tokenizer,
        text_encoder=text_encoder.eval(),
        transformer=transformer.eval(),
        vae=vae,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


@torch.no_grad()
def _make_clouds(vae: AutoencoderKLWan) -> None:
    """Turn the decoder's random weights, which flicker in nearly one colour, into drifting clouds of several.

    Weights averaged over time make slow changes, averaged over space soft shapes; the last layer is then scaled so that
    every colour channel has mean 0 and the standard deviation `CONTRAST`.
    """
    for name, layer in vae.decoder.named_modules():
        if isinstance(layer, WanCausalConv3d) and layer.kernel_size[0] > 1:
            layer.weight.copy_(layer.weight.mean(dim=2, keepdim=True).expand_as(layer.weight))
            if name.endswith("time_conv"):  # its two halves become two neighbouring frames: the same frame twice
                half = len(layer.weight) // 2
                layer.weight[half:], layer.bias[half:] = layer.weight[:half], layer.bias[:half]
        elif isinstance(layer, torch.nn.Conv2d) and layer.kernel_size[0] > 1:
            layer.weight.copy_(layer.weight.mean(dim=(2, 3), keepdim=True).expand_as(layer.weight))
    mean, std = (torch.tensor(each).view(1, -1, 1, 1, 1) for each in (vae.config.latents_mean, vae.config.latents_std))
    latents = torch.randn(1, LATENT_CHANNELS, 4, 16, 16) * std + mean
    colours = vae.decode(latents).sample[0, :, 1:].flatten(1)  # (3, n); the first frame has no past and is paler
    gain = CONTRAST / colours.std(dim=1)
    last = vae.decoder.conv_out
    last.weight.mul_(gain.view(-1, 1, 1, 1, 1))
    last.bias.copy_((last.bias - colours.mean(dim=1)) * gain)
