"""Adapters (LoRA). Enters: a pipeline and a file of small matrices. Leaves: the pipeline with their products added.

A layer with weights W becomes one with ``W + strength * B @ A`` (Hu et al. 2021, arXiv:2106.09685), so it is as fast as
it was. Nothing but this sum is done here: the names of many trainers are translated by diffusers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import DiffusionPipeline

    from shared.models import Adapter

_DOWN, _UP, _BIAS = ".lora_A.weight", ".lora_B.weight", ".lora_B.bias"


@torch.no_grad()
def add_adapter(pipe: DiffusionPipeline, adapter: Adapter, file: Path) -> None:
    """Add an adapter's weights to a part of a pipeline that is in the machine's memory.

    Raises:
        OSError: the file can't be read.
        AttributeError, KeyError, ValueError: the file or the pipeline has something that does not go with the other.
    """
    found, notes = pipe.lora_state_dict(
        str(file.parent), weight_name=file.name, local_files_only=True, return_lora_metadata=True
    )
    part = getattr(pipe, adapter.part)
    # Wan's second transformer goes by the name of the first.
    weights = {name.split(".", 1)[1] if name.startswith(f"{_root(adapter)}.") else name: w for name, w in found.items()}
    scale = adapter.strength * _scale(notes or {}, root=_root(adapter))
    for name in [name for name in weights if name.endswith(_DOWN)]:
        layer = name.removesuffix(_DOWN)
        module = part.get_submodule(layer)
        up, down = weights.pop(layer + _UP).float(), weights.pop(name).float()
        _add(module.weight, scale * (up.flatten(1) @ down.flatten(1)).view_as(module.weight))
        if layer + _BIAS in weights:
            _add(module.bias, scale * weights.pop(layer + _BIAS).float())
    if weights:
        msg = f"{file.name} holds what is no adapter of layers: {min(weights)}"
        raise ValueError(msg)


def _root(adapter: Adapter) -> str:
    return "unet" if adapter.part == "unet" else "transformer"


def _scale(notes: dict[str, float], *, root: str) -> float:
    """Of an adapter as peft saves it; where none is noted, diffusers has multiplied the matrices by it."""
    alpha, rank = notes.get(f"{root}.lora_alpha"), notes.get(f"{root}.r")
    return alpha / rank if alpha and rank else 1.0


def _add(weight: torch.Tensor, change: torch.Tensor) -> None:
    weight.copy_(weight.float() + change.to(weight.device))
