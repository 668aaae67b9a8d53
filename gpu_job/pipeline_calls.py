"""Calls of pipelines. Enters: a pipeline, a spec. Leaves: what it can be told of it, and what is heard of it meanwhile.

Nothing here knows a pipeline: what one can be told is read from the signature of its ``__call__``.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

import torch

from gpu_job.sketches import Step
from shared.errors import ErrorCode, Permanent

if TYPE_CHECKING:
    from collections.abc import Callable

    from diffusers import DiffusionPipeline

    from shared.requests import RenderSpec

#: Names of the argument that says how many frames, in order of preference.
LENGTH_ARGUMENTS = ("num_frames", "video_length")
#: Names of the argument that says how many frames a second, for the few pipelines that want to know.
RATE_ARGUMENTS = ("frame_rate", "fps")
#: What schedulers are told of a step; nearly all of them by these names.
STEP_ARGUMENTS = frozenset({"model_output", "timestep", "sample"})


def arguments_of(pipe: DiffusionPipeline, source: str) -> frozenset[str]:
    """Names of the arguments of the pipeline's ``__call__``.

    Raises:
        Permanent: it takes no prompt or no length, or demands something else, such as a picture.
    """
    parameters = inspect.signature(pipe.__call__).parameters
    needed = {name for name, each in parameters.items() if each.default is each.empty} - {"prompt", "args", "kwargs"}
    if "prompt" not in parameters or parameters.keys().isdisjoint(LENGTH_ARGUMENTS) or needed:
        raise Permanent(
            f"{source} is a {type(pipe).__name__}, which does not make a video from text alone.",
            code=ErrorCode.MODEL_UNAVAILABLE,
        )
    return frozenset(parameters)


def told(arguments: frozenset[str], spec: RenderSpec) -> dict[str, Any]:
    """What of the spec the pipeline can be told."""
    length = next(name for name in LENGTH_ARGUMENTS if name in arguments)
    wishes: dict[str, Any] = {
        "prompt": spec.prompt,
        length: spec.frames,
        "width": spec.width,
        "height": spec.height,
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance,
        # On the CPU whatever the device: the same noise everywhere.
        "generator": torch.Generator("cpu").manual_seed(spec.seed),
        **dict.fromkeys(RATE_ARGUMENTS, spec.fps),
    }
    if spec.guidance > 1:
        wishes["negative_prompt"] = spec.negative_prompt
    return {name: wish for name, wish in wishes.items() if name in arguments}


def listen(
    pipe: DiffusionPipeline,
    arguments: frozenset[str],
    step_begins: Callable[[Step], None],
    step_ended: Callable[[], None],
) -> tuple[dict[str, Any], Callable[[], None]]:
    """Have ``step_begins`` called with what the scheduler is told of every step, and ``step_ended`` after each.

    Returns:
        What the pipeline must be told for it, and what ends it.
    """
    scheduler = pipe.scheduler
    step, signature = scheduler.step, inspect.signature(scheduler.step)
    tells_of_ends = "callback_on_step_end" in arguments

    @functools.wraps(step)  # pipelines read the signature
    def step_and_tell(*args: object, **kwargs: object) -> object:
        given = signature.bind(*args, **kwargs).arguments
        if given.keys() >= STEP_ARGUMENTS:
            step_begins(Step(**{name: given[name] for name in STEP_ARGUMENTS}))
        result = step(*args, **kwargs)
        if not tells_of_ends:
            step_ended()
        return result

    def on_step_end(_pipe: object, _step: int, _timestep: object, _tensors: dict[str, Any]) -> dict[str, Any]:
        step_ended()
        return {}

    scheduler.step = step_and_tell
    return {"callback_on_step_end": on_step_end} if tells_of_ends else {}, lambda: delattr(scheduler, "step")
