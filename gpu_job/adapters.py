"""Adapters: what a model learned later. Enters: a pipeline, and the names of LoRAs. Leaves: the same, with them fused.

A LoRA says for some layers what to add to their weights, as a product of two thin matrices (Hu et al. 2021,
https://arxiv.org/abs/2106.09685). Distillation to few steps is often published as one. It is added once, at loading, so
that a step costs nothing more, and compiling and casting see nothing but a model. Reading the formats is diffusers'
part; fusing is done here: that of diffusers needs a package more, to keep adapters that can be taken off again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import torch

from shared.errors import ErrorCode, Permanent

if TYPE_CHECKING:
    from pathlib import Path

    from diffusers import DiffusionPipeline

#: ``[PART=]SOURCE[@REVISION]:FILE``, such as ``transformer_2=owner/name@main:low_noise.safetensors``.
_NAME = re.compile(
    r"(?:(?P<part>\w+)=)?(?P<source>[\w-][\w.-]*(?:/[\w-][\w.-]*)?)(?:@(?P<revision>[\w./-]+))?:(?P<file>[\w-][\w./-]*\.safetensors)"
)


def fuse_adapter(pipe: DiffusionPipeline, name: str, *, models_dir: Path) -> None:
    """Add one adapter to the weights of a pipeline's part.

    Args:
        pipe: of a class that diffusers reads LoRAs for.
        name: ``[PART=]SOURCE[@REVISION]:FILE``. The source is a folder in ``models_dir``, or else a hub id; the part is
            ``transformer`` unless said otherwise.
        models_dir: folder of the models.

    Raises:
        Permanent: no such name, part or layer: the adapter is not one for this model.
        OSError: it can't be had; as of ``from_pretrained``.
    """
    said = _NAME.fullmatch(name)
    part = getattr(pipe, said["part"] or "transformer", None) if said else None
    if said is None or ".." in name or not isinstance(part, torch.nn.Module) or not hasattr(pipe, "lora_state_dict"):
        raise _unusable(name, f"A {type(pipe).__name__} can't take it.")
    folder = models_dir / said["source"]
    where: dict[str, Any] = {"local_files_only": True} if folder.is_dir() else {"revision": said["revision"]}
    read = pipe.lora_state_dict(
        str(folder) if folder.is_dir() else said["source"], weight_name=said["file"], use_safetensors=True, **where
    )
    try:
        _fuse(part, {key.removeprefix("transformer."): value for key, value in read.items()})
    except (AttributeError, KeyError, RuntimeError) as exc:  # no such layer, half a product, of another size
        raise _unusable(name, "Its layers are not those of the model.") from exc


@torch.no_grad()
def _fuse(part: torch.nn.Module, weights: dict[str, torch.Tensor]) -> None:
    """Add the products to the weights. Raises ``KeyError`` where something is left that is no product."""
    for key in [key for key in weights if key.endswith(".lora_A.weight")]:
        name = key.removesuffix(".lora_A.weight")
        down, up = weights.pop(key).float(), weights.pop(f"{name}.lora_B.weight").float()  # (r, in), (out, r)
        bias, alpha = weights.pop(f"{name}.lora_B.bias", None), weights.pop(f"{name}.alpha", None)
        scale = 1.0 if alpha is None else float(alpha) / len(down)
        layer: Any = part.get_submodule(name)
        change = scale * (up.flatten(1) @ down.flatten(1))
        layer.weight.copy_(layer.weight.float() + change.view_as(layer.weight).to(layer.weight.device))
        if bias is not None:
            layer.bias.copy_(layer.bias.float() + scale * bias.float().to(layer.bias.device))
    if weights:
        raise KeyError(next(iter(weights)))


def _unusable(name: str, reason: str) -> Permanent:
    return Permanent(f"{name} is no adapter for this model. {reason}", code=ErrorCode.MODEL_UNAVAILABLE)
