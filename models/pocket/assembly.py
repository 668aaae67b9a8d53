"""Assembly: what was trained becomes a folder that diffusers loads, in half precision."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import torch
from diffusers import DiffusionPipeline, FlowMatchEulerDiscreteScheduler

from gpu_job.pocket.pipeline import PocketPipeline
from models.pocket.checkpoints import replaced
from models.pocket.denoiser import TIME_SHIFT
from models.pocket.labels import ATTRIBUTES

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerFast

    from gpu_job.pocket.autoencoder import PocketAutoencoder
    from models.pocket.denoiser import Denoiser
    from models.pocket.recipe import Recipe

#: No file of weights is larger: some ways home from a lent machine take no more.
SHARD_SIZE = "14MB"


def assembled(
    *, autoencoder: PocketAutoencoder, denoiser: Denoiser, tokenizer: PreTrainedTokenizerFast, recipe: Recipe
) -> PocketPipeline:
    """The pipeline over these parts, which it shares."""
    pipe = PocketPipeline(
        tokenizer=tokenizer,
        text_encoder=denoiser.text_encoder,
        transformer=denoiser.transformer,
        vae=autoencoder,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=TIME_SHIFT),
        height=recipe.clip.height,
        width=recipe.clip.width,
        num_frames=recipe.clip.frames,
        text_length=recipe.text.length,
        questions=len(ATTRIBUTES),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def write_model(folder: Path, pipe: PocketPipeline) -> int:
    """Write the folder anew, in half precision; its size in bytes. The pipeline itself stays as it is.

    What else lay in the folder, such as the card of earlier weights, is gone then.

    Raises:
        FileExistsError: the folder holds something else.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / DiffusionPipeline.config_name).is_file():
        msg = f"{folder} holds something else than a model: name a new or an empty folder."
        raise FileExistsError(msg)
    with replaced(folder) as draft:
        pipe.save_pretrained(draft / "whole")
        half = PocketPipeline.from_pretrained(draft / "whole", dtype=torch.float16, local_files_only=True)
        shutil.rmtree(draft / "whole")
        half.save_pretrained(draft, max_shard_size=SHARD_SIZE)
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
