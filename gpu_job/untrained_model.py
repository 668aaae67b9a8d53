"""The untrained pipeline: the classes of Wan at toy size, weights random. Enters: a folder. Leaves: the model in it.

It is made offline in a second or two, loads through `diffusers.DiffusionPipeline.from_pretrained` like any other model
and runs on two CPU cores, so that the whole path from a wish to a video can be tried without a download or a GPU. It
has learned nothing: its pictures are coloured noise that drifts. Catalogue entry: ``untrained-tiny-wan``.

Run as ``python -m gpu_job.untrained_model FOLDER``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d
from transformers import ByT5Tokenizer, UMT5Config, UMT5EncoderModel
from transformers.utils import logging as transformers_logging

from shared.models import models

#: Id of its entry in the catalogue.
MODEL_ID = "untrained-tiny-wan"
#: Holds the revision of the recipe that built the folder; written last, so that it stands for a whole folder.
MARKER = "RECIPE_REVISION"
#: Decides the random weights. Chosen by eye: of the first three seeds this one has the clearest clouds.
WEIGHTS_SEED = 3
#: Latent channels, as in Wan 2.1.
LATENT_CHANNELS = 16
TEXT_DIM = 32
#: Standard deviation of the colours that the autoencoder is tuned to, of a range of -1 to 1.
CONTRAST = 0.4

MODEL_CARD = """\
---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
---
# Untrained tiny Wan

**This model has learned nothing.** Its weights are random numbers drawn from a fixed seed; its pictures are coloured
noise that drifts. Prompt and seed change the noise, but nothing of the prompt can be recognised in it.

It has the classes of Wan 2.1 (`WanPipeline`, `WanTransformer3DModel`, `AutoencoderKLWan`, `UMT5EncoderModel`) at toy
size, so that software around a real model can be run and tested offline, on a CPU, in seconds. No weight of Wan, and
of no other trained model, is in it. The tokenizer is ByT5's, which reads the bytes of any text.

Built by `python -m gpu_job.untrained_model`, recipe revision {revision}.
"""


def build(folder: Path) -> None:
    """Build the model in ``folder``, unless the current recipe has built it there already.

    It is built beside the folder and moved into place when whole, so that a reader never sees half a model. A folder of
    an older recipe is replaced.

    Args:
        folder: where it shall lie; must be new, empty, or built by an earlier recipe. For the worker to find it, its
            name must be the catalogue entry's ``source`` and its parent ``MODELS_DIR``.

    Raises:
        FileExistsError: the folder holds something that this module has not built.
    """
    revision = models()[MODEL_ID].revision
    marker = folder / MARKER
    if marker.is_file() and marker.read_text(encoding="utf-8").strip() == revision:
        return
    if not marker.is_file() and folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} holds something else: name a new or an empty folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        whole = workshop / "whole"
        pipeline().save_pretrained(whole)
        (whole / "README.md").write_text(MODEL_CARD.format(revision=revision), encoding="utf-8")
        (whole / MARKER).write_text(f"{revision}\n", encoding="utf-8")
        if folder.exists():
            folder.replace(workshop / "old")
        whole.replace(folder)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


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


def main(arguments: list[str] | None = None) -> int:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m gpu_job.untrained_model",
        description="Build the untrained tiny model in FOLDER, offline. Its pictures are noise: it proves the path, "
        "not the picture. Nothing is done where the current recipe has built it already.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help=f"for example MODELS_DIR/{MODEL_ID}")
    folder = parser.parse_args(arguments).folder
    transformers_logging.disable_progress_bar()
    try:
        build(folder)
    except OSError as exc:
        print(f"Not built: {exc}", file=sys.stderr)  # noqa: T201 - a command speaks
        return 1
    size_bytes = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    print(f"{folder}: untrained tiny Wan, {size_bytes / 1e6:.1f} MB. Its pictures are noise.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
