"""Saving memory. Enters: a pipeline that does not fit as it is. Leaves: the same one, slower, taking less.

The settings are those of diffusers: https://huggingface.co/docs/diffusers/optimization/memory
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

log = logging.getLogger(__name__)

#: What the allocators that torch has no exception for say: CUDA itself, its libraries (cuBLAS, cuDNN, cuSOLVER), and
#: the machine's own memory (``c10/core/impl/alloc_cpu.cpp``).
_NO_ROOM = re.compile(r"out of memory|_ALLOC_FAILED|can't allocate memory|not enough memory", re.IGNORECASE)


def memory_ran_out(exc: BaseException) -> bool:
    """Whether this is what it looks like when a GPU, or the machine itself, has no memory left."""
    if isinstance(exc, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(exc, RuntimeError) and _NO_ROOM.search(str(exc)) is not None


def save_memory(pipe: DiffusionPipeline, device: torch.device) -> None:
    """Have a pipeline take less memory and more time, by what of this it can do, and say so in the log.

    Its autoencoder decodes in tiles and clip by clip; on a GPU, its parts wait in the machine's own memory until they
    are needed: whole models where the pipeline knows their order, else layers. Frames larger than a tile differ a
    little from those decoded whole, since tiles overlap and are blended.
    """
    vae = getattr(pipe, "vae", None)
    settings = [setting for setting in ("tiling", "slicing") if hasattr(vae, f"use_{setting}")]
    for setting in settings:
        getattr(vae, f"enable_{setting}")()
    if device.type != "cpu":
        if pipe.model_cpu_offload_seq is not None:
            pipe.enable_model_cpu_offload(device=device)
            settings.append("model offload")
        else:
            pipe.enable_sequential_cpu_offload(device=device)
            settings.append("sequential offload")
    log.warning(
        "memory ran out, the model is run in a way that saves it",
        extra={"action": "save_memory", "pipeline": type(pipe).__name__, "settings": settings},
    )
