"""The untrained pipeline: the classes of Wan at toy size with random weights. Enters: a folder. Leaves: the model in it.

It is made offline in a second or two, loads through `diffusers.DiffusionPipeline.from_pretrained` like any other model
and runs on two CPU cores, so that the whole path from a wish to a video can be tried without a download or a GPU. It has
learned nothing: its pictures are coloured noise that drifts. Catalogue entry: ``untrained-tiny-wan``.

Run as ``python -m gpu_job.untrained_model FOLDER``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel
from transformers import ByT5Tokenizer, UMT5Config, UMT5EncoderModel

from shared.models import models

#: Id of its entry in the catalogue.
MODEL_ID = "untrained-tiny-wan"
#: Holds the revision of the recipe that built the folder; written last, so that it stands for a whole folder.
MARKER = "RECIPE_REVISION"
#: Decides the random weights.
WEIGHTS_SEED = 20260101
#: Latent channels, as in Wan 2.1.
LATENT_CHANNELS = 16
TEXT_DIM = 32

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
            os.replace(folder, workshop / "old")
        os.replace(whole, folder)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


def pipeline() -> WanPipeline:
    """The pipeline in memory, in float32: equal weights at every call, the global random state untouched."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(WEIGHTS_SEED)
        tokenizer = ByT5Tokenizer(extra_ids=0)
        text_encoder = UMT5EncoderModel(
            UMT5Config(
                vocab_size=len(tokenizer), d_model=TEXT_DIM, d_kv=8, d_ff=64, num_layers=2, num_heads=4, dropout_rate=0.0
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
        vae = AutoencoderKLWan(base_dim=8, z_dim=LATENT_CHANNELS, dim_mult=[1, 2, 4, 4], num_res_blocks=1)
    return WanPipeline(
        tokenizer=tokenizer,
        text_encoder=text_encoder.eval(),
        transformer=transformer.eval(),
        vae=vae.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def main(arguments: list[str] | None = None) -> int:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m gpu_job.untrained_model",
        description="Build the untrained tiny model in FOLDER, offline. Its pictures are noise: it proves the path, not "
        "the picture. Nothing is done where the current recipe has built it already.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=Path, help=f"for example MODELS_DIR/{MODEL_ID}")
    folder = parser.parse_args(arguments).folder
    try:
        build(folder)
    except OSError as exc:
        print(f"Not built: {exc}", file=sys.stderr)
        return 1
    size_bytes = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    print(f"{folder}: untrained tiny Wan, {size_bytes / 1e6:.1f} MB. Its pictures are noise.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
