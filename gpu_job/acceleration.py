"""Acceleration: a pipeline that runs faster. Enters: one that is loaded, and a recipe. Leaves: the same, and a report.

Nothing here knows a pipeline: each part that denoises is tried with each lever, and what it can't do is written down
with the reason. A lever never fails a job. Where one fails in the middle of a render (a compiler is missing, a kernel
does not know the shape), the latest that was put on is taken off and the step is done again, until it works.

The levers are those of diffusers: https://huggingface.co/docs/diffusers/optimization/speed-memory-optims.
`shared.recipes.Recipe` says what each does, docs/performance.md what it gains.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import torch
from diffusers import FirstBlockCacheConfig
from diffusers.models.attention_dispatch import (
    AttentionBackendName,
    _AttentionBackendRegistry,
    dispatch_attention_fn,
)

from gpu_job.fused_norms import fuse_norms
from gpu_job.memory import memory_ran_out

if TYPE_CHECKING:
    from collections.abc import Callable

    from diffusers import DiffusionPipeline

    from gpu_job.kernel_store import KernelStore
    from shared.recipes import Recipe

log = logging.getLogger(__name__)

#: Names of the parts that denoise.
DENOISERS = ("transformer", "transformer_2", "unet")
#: The levers of denoisers in the order in which they are put on. Compiling comes after what it is to see.
ORDER = ("fp8_weights", "attention", "step_cache", "compile")
#: Longest reason that is written down, in characters.
REASON_CHARS = 200


class UnsuitableError(Exception):
    """A lever is not for this part, this machine or this recipe; the message says why."""


def accelerate(
    pipe: DiffusionPipeline, recipe: Recipe, *, device: torch.device, kernels: KernelStore | None = None
) -> dict[str, str]:
    """Put on the levers of a recipe.

    To be called after loading and before the pipeline moves to its device, so that only the small weights do.

    Args:
        pipe: as loaded; changed in place.
        recipe: which levers.
        device: where it will run.
        kernels: where compiled kernels are kept for later workers, if anywhere.

    Returns:
        What was put on and what not, for the receipt: ``{"transformer.compile": "on", "transformer.attention": "on:
        flash", "transformer.step_cache": "off: <reason>"}``. It changes when a lever is taken off later.
    """
    report: dict[str, str] = {}
    for name in DENOISERS:
        part = getattr(pipe, name, None)
        if isinstance(part, torch.nn.Module):
            _accelerate_denoiser(part, name, recipe, device=device, report=report, kernels=kernels)
    vae = getattr(pipe, "vae", None)
    if recipe.channels_last:
        _try("vae.channels_last", lambda: _lay_channels_last(vae), report)
    if recipe.fused_norms:
        taken_off = functools.partial(_taken_off, "vae.fused_norms", report)
        _try("vae.fused_norms", lambda: _fuse_norms(vae, device, taken_off), report)
    if report:
        log.info(
            "pipeline is accelerated",
            extra={"action": "accelerate", "pipeline": type(pipe).__name__, "levers": dict(report)},
        )
    return report


def _accelerate_denoiser(
    part: torch.nn.Module,
    name: str,
    recipe: Recipe,
    *,
    device: torch.device,
    report: dict[str, str],
    kernels: KernelStore | None,
) -> None:
    levers: dict[str, Callable[[], str]] = {
        "fp8_weights": lambda: _keep_in_fp8(part, device),
        "attention": lambda: _choose_attention(part, recipe.attention, device),
        "step_cache": lambda: _cache_steps(part, recipe.step_cache or 0),
        "compile": lambda: _compile(part, recipe, kernels),
    }
    take_off: dict[str, Callable[[], None]] = {
        "attention": lambda: _set_attention(part, None),
        "step_cache": lambda: _stop_caching(part),
        "compile": lambda: _stop_compiling(part),
    }
    on = [lever for lever in ORDER if lever in recipe.levers and _try(f"{name}.{lever}", levers[lever], report)]
    removable = {f"{name}.{lever}": take_off[lever] for lever in on if lever in take_off}
    if removable:
        _guard(part, removable, report, kernels if "compile" in on else None)


def _try(name: str, put_on: Callable[[], str], report: dict[str, str]) -> bool:
    try:
        detail = put_on()
    except Exception as exc:
        if memory_ran_out(exc):
            raise
        report[name] = f"off: {_reason(exc)}"
        return False
    report[name] = f"on: {detail}" if detail else "on"
    return True


def _guard(
    part: torch.nn.Module,
    removable: dict[str, Callable[[], None]],
    report: dict[str, str],
    kernels: KernelStore | None,
) -> None:
    """Have a failing call of the part repeated without the lever that was put on last, again and again."""
    forward = part.forward

    @functools.wraps(forward)  # pipelines read the signature
    def forward_or_without(*args: object, **kwargs: object) -> object:
        while True:
            try:
                result = forward(*args, **kwargs)
            except Exception as exc:
                if not removable or memory_ran_out(exc):
                    raise
                name, take_off = removable.popitem()
                take_off()
                _taken_off(name, report, exc)
            else:
                if kernels is not None:
                    kernels.keep(part, (*args, *kwargs.values()))
                return result

    part.forward = forward_or_without


def _taken_off(name: str, report: dict[str, str], exc: Exception) -> None:
    report[name] = f"off: {_reason(exc)}"
    log.warning(
        "lever is taken off",
        extra={"action": "accelerate", "lever": name, "reason": report[name]},
        exc_info=exc,
    )


def _reason(exc: Exception) -> str:
    """The first line of what it says."""
    return (str(exc).strip().split("\n")[0] or type(exc).__name__)[:REASON_CHARS]


# --- the levers: each returns a detail, or raises what speaks against it ---


def _keep_in_fp8(part: Any, device: torch.device) -> str:  # noqa: ANN401 - detected by feature
    if not hasattr(part, "enable_layerwise_casting"):
        raise UnsuitableError(f"{type(part).__name__} has no layerwise casting")
    torch.zeros(1, device=device).to(torch.float8_e4m3fn).to(part.dtype).item()
    part.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=part.dtype)
    return ""


def _choose_attention(part: Any, names: tuple[str, ...], device: torch.device) -> str:  # noqa: ANN401 - as above
    if not hasattr(part, "set_attention_backend"):
        raise UnsuitableError(f"{type(part).__name__} has no attention backends")
    size = getattr(part.config, "attention_head_dim", None) or 64
    sample = torch.zeros(1, 16, 1, size if isinstance(size, int) else 64, device=device, dtype=part.dtype)
    refusals = []
    for name in names:
        try:
            _set_attention(part, name)
            dispatch_attention_fn(sample, sample, sample, backend=AttentionBackendName(name))
        except Exception as exc:
            if memory_ran_out(exc):
                raise
            _set_attention(part, None)
            refusals.append(f"{name}: {_reason(exc)}")
        else:
            return name
    raise UnsuitableError("; ".join(refusals))


def _set_attention(part: Any, name: str | None) -> None:  # noqa: ANN401 - as above
    """Of this part alone: diffusers would have every part of the process follow that names none."""
    active, _ = _AttentionBackendRegistry.get_active_backend()
    if name is None:
        part.reset_attention_backend()
    else:
        part.set_attention_backend(name)
    _AttentionBackendRegistry.set_active_backend(active)


def _cache_steps(part: Any, threshold: float) -> str:  # noqa: ANN401 - as above
    if not hasattr(part, "enable_cache"):
        raise UnsuitableError(f"{type(part).__name__} has no step cache")
    part.enable_cache(FirstBlockCacheConfig(threshold=threshold))
    return f"{threshold:g}"


def _stop_caching(part: Any) -> None:  # noqa: ANN401 - as above
    part._reset_stateful_cache()  # noqa: SLF001 - as pipelines do at their end
    part.disable_cache()


def _compile(part: Any, recipe: Recipe, kernels: KernelStore | None) -> str:  # noqa: ANN401 - as above
    if not getattr(part, "_repeated_blocks", None):
        raise UnsuitableError(f"{type(part).__name__} names no repeated blocks")
    if recipe.fp8_weights:
        raise UnsuitableError("weights in 8 bits are cast layer by layer, which no graph can hold")
    if kernels is not None:
        kernels.fetch(part)
    # A step cache decides by what it sees, which breaks the graph.
    part.compile_repeated_blocks(fullgraph=recipe.step_cache is None)
    return ""


def _stop_compiling(part: torch.nn.Module) -> None:
    for module in part.modules():
        module._compiled_call_impl = None  # noqa: SLF001 - what `Module.compile` sets; there is no opposite


def _lay_channels_last(vae: object) -> str:
    if not isinstance(vae, torch.nn.Module):
        raise UnsuitableError("the pipeline has no autoencoder of its own")
    orders = {4: torch.channels_last, 5: torch.channels_last_3d}
    weights = [weight for weight in vae.parameters() if weight.dim() in orders]
    if not weights:
        raise UnsuitableError(f"{type(vae).__name__} has no convolutions")
    for weight in weights:
        weight.data = weight.data.contiguous(memory_format=orders[weight.dim()])
    return ""


def _fuse_norms(vae: object, device: torch.device, taken_off: Callable[[Exception], None]) -> str:
    if device.type == "cpu":
        raise UnsuitableError("it gains nothing on a CPU, where compiling takes longer than a clip")
    decoder = getattr(vae, "decoder", None)
    if not isinstance(decoder, torch.nn.Module) or not fuse_norms(decoder, taken_off=taken_off):
        raise UnsuitableError(f"{type(vae).__name__} has no norms of Wan's decoder")
    return ""
