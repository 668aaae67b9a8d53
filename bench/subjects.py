"""What a benchmark of a render on a CPU measures. Enters: a folder. Leaves: how a model in it is loaded and decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from diffusers import WanPipeline

from gpu_job.decoders import decoder_of
from gpu_job.pocket.pipeline import PocketPipeline
from gpu_job.wan_decoder import wan_groups
from shared.models import models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from bench.architectures import Architecture


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that is measured."""

    name: str
    #: From a folder, ready on the CPU.
    load: Callable[[], Any]
    dtype: torch.dtype
    width: int
    height: int
    frames: int
    fps: int
    steps: int
    guidance: float
    #: Latents to frames ``(n, H, W, 3)``.
    decode: Callable[[Any, torch.Tensor], Iterator[NDArray[np.float32]]]


def pocket(folder: Path) -> Subject:
    """The model that ships with the repository, with weights that have learned."""
    model = models()["pocket"]

    def decode(pipe: PocketPipeline, latents: torch.Tensor) -> Iterator[NDArray[np.float32]]:
        decoder = decoder_of(pipe, model.lengths[0].frames)
        assert decoder
        for group in decoder(latents[0]):
            yield group.permute(0, 2, 3, 1).contiguous().cpu().numpy()

    return Subject(
        name="pocket",
        load=lambda: PocketPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True),
        dtype=torch.float32,
        width=model.sizes[0].width,
        height=model.sizes[0].height,
        frames=model.lengths[0].frames,
        fps=model.fps,
        steps=model.steps,
        guidance=model.guidance,
        decode=decode,
    )


def wan(architecture: Architecture, folder: Path) -> Subject:
    """A Wan with random weights, which are written to the folder, so that each run begins with the same."""
    reader = architecture.reader("cpu")
    architecture.pipeline_without_reader("cpu").save_pretrained(folder)

    def decode(pipe: WanPipeline, latents: torch.Tensor) -> Iterator[NDArray[np.float32]]:
        for group in wan_groups(pipe, latents[0]):
            yield group.permute(0, 2, 3, 1).float().contiguous().cpu().numpy()

    return Subject(
        name=architecture.name,
        load=lambda: WanPipeline.from_pretrained(
            folder, text_encoder=reader, dtype=architecture.dtype, local_files_only=True
        ),
        dtype=architecture.dtype,
        width=architecture.width,
        height=architecture.height,
        frames=architecture.frames,
        fps=architecture.fps,
        steps=architecture.steps,
        guidance=1.0,
        decode=decode,
    )
