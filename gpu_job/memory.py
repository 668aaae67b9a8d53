"""Memory. Enters: a clip, and a device. Leaves: how the clip fits into it; a pipeline that is slower and takes less.

The settings are those of diffusers: https://huggingface.co/docs/diffusers/optimization/memory
"""

from __future__ import annotations

import logging
import re
import resource
import sys
from enum import Enum
from typing import TYPE_CHECKING, Final

import torch

from shared.errors import Permanent

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

    from shared.models import Clip, Model

log = logging.getLogger(__name__)

#: What the allocators that torch has no exception for say: CUDA itself, its libraries (cuBLAS, cuDNN, cuSOLVER), and
#: the machine's own memory (``c10/core/impl/alloc_cpu.cpp``).
_NO_ROOM = re.compile(r"out of memory|_ALLOC_FAILED|can't allocate memory|not enough memory", re.IGNORECASE)


GB: Final = 1e9
#: Kept free of a model: for the creature's eye (0.3 GB at 1280x720, see docs/benchmarks.md) and for what lies between
#: the pieces that torch hands out.
RESERVE_GB: Final = 1.0


class Fit(Enum):
    """How a model fits into a device's memory."""

    #: All of it stays there.
    WHOLE = "whole"
    #: Its parts wait in the machine's own memory until each one's turn comes.
    BY_PARTS = "by parts"


class DeviceMemory:
    """What a device has, in GB; None where nobody can say, as for a CPU, whose memory belongs to all."""

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def available_gb(self) -> float | None:
        """For this process, if it gave back all that it has."""
        if self._device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self._device)
        return (free + torch.cuda.memory_reserved(self._device)) / GB

    def room_gb(self) -> float | None:
        """Beside what this process has in use."""
        if self._device.type != "cuda":
            return None
        free, _ = torch.cuda.mem_get_info(self._device)
        unused = torch.cuda.memory_reserved(self._device) - torch.cuda.memory_allocated(self._device)
        return (free + unused) / GB


def peak_bytes(device: torch.device) -> int:
    """The most that was in use at a time: of a GPU since that was reset, of the whole process since its start else."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def how_it_fits(model: Model, clip: Clip, *, available_gb: float) -> Fit:
    """How this clip of this model can be rendered.

    Raises:
        Permanent: in no way; says which clips can.
    """
    if fit := _fit(model, clip, available_gb):
        return fit
    others = [str(each) for each in model.clips if _fit(model, each, available_gb)]
    advice = f"What fits: {', '.join(others)}." if others else "No clip of this model fits."
    needed_gb = model.memory.largest_gb + model.clip_gb(clip) + RESERVE_GB
    detail = (
        f"{clip} by {model.id} takes {needed_gb:.1f} GB of memory; the machine that renders it has "
        f"{available_gb:.1f} GB. {advice}"
    )
    raise Permanent(detail)


def _fit(model: Model, clip: Clip, available_gb: float) -> Fit | None:
    left_gb = available_gb - RESERVE_GB - model.clip_gb(clip)
    if model.memory.weights_gb <= left_gb:
        return Fit.WHOLE
    return Fit.BY_PARTS if model.memory.largest_gb <= left_gb else None


def memory_ran_out(exc: BaseException) -> bool:
    """Whether this is what it looks like when a GPU, or the machine itself, has no memory left."""
    if isinstance(exc, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(exc, RuntimeError) and _NO_ROOM.search(str(exc)) is not None


def take_turns(pipe: DiffusionPipeline, device: torch.device) -> str:
    """Have a pipeline's parts wait in the machine's own memory until they are needed, and say what that is called.

    Whole models where the pipeline knows their order, else layers.
    """
    if pipe.model_cpu_offload_seq is not None:
        pipe.enable_model_cpu_offload(device=device)
        return "model offload"
    pipe.enable_sequential_cpu_offload(device=device)
    return "sequential offload"


def call_up(part: torch.nn.Module) -> None:
    """Bring a part that waits to the device, for whoever calls something else of it than the whole."""
    if hook := getattr(part, "_hf_hook", None):
        hook.pre_forward(part)


def save_memory(pipe: DiffusionPipeline, device: torch.device) -> None:
    """Have a pipeline take less memory and more time, by what of this it can do, and say so in the log.

    Its autoencoder decodes in tiles and clip by clip; on a GPU, its parts take turns. Frames larger than a tile differ
    a little from those decoded whole, since tiles overlap and are blended.
    """
    vae = getattr(pipe, "vae", None)
    settings = [setting for setting in ("tiling", "slicing") if hasattr(vae, f"use_{setting}")]
    for setting in settings:
        getattr(vae, f"enable_{setting}")()
    if device.type != "cpu":
        settings.append(take_turns(pipe, device))
    log.warning(
        "memory ran out, the model is run in a way that saves it",
        extra={"action": "save_memory", "pipeline": type(pipe).__name__, "settings": settings},
    )
