"""Models that are loaded. Enters: a spec. Leaves: its pipeline on the device, with room beside it for the clip.

One that was loaded stays for the next render. Those before it stay too where the device is known to have room for all;
else the one that was not used for longest goes first. Whether a clip fits is asked before it is rendered, where the
catalogue knows what its model takes and the device what it has.
"""

from __future__ import annotations

import gc
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from gpu_job.acceleration import accelerate
from gpu_job.loading import LoadClock, LoadTimes, load_pipeline
from gpu_job.memory import RESERVE_GB, DeviceMemory, Fit, how_it_fits, memory_ran_out, save_memory, take_turns
from gpu_job.pipeline_calls import arguments_of
from gpu_job.sketches import Sketcher
from shared.errors import Permanent
from shared.models import Clip, Size, models

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping
    from pathlib import Path

    from diffusers import DiffusionPipeline

    from gpu_job.kernel_store import KernelStore
    from shared.requests import RenderSpec

log = logging.getLogger(__name__)

#: What people read where memory does not suffice.
CLIP_TOO_LARGE = "The clip does not fit into the memory of the machine that renders it; a smaller or shorter one may."
MODEL_TOO_LARGE = "The model does not fit into the memory of the machine that renders with it."


@dataclass(kw_only=True)
class Loaded:
    """A pipeline that is ready to draw."""

    #: See `_key`.
    key: Hashable
    pipe: DiffusionPipeline
    #: Names of the arguments of its ``__call__``.
    arguments: frozenset[str]
    fit: Fit
    #: Which levers of the recipe it runs with, and what speaks against the others; see `gpu_job.acceleration`.
    levers: Mapping[str, str]
    sketcher: Sketcher


class LoadedModels:
    """Loads, keeps and lets go.

    Args:
        models_dir: a spec's ``model_source`` is looked for here first; see `gpu_job.loading`.
        device: where they go.
        kernels: where compiled kernels are kept for later workers, if anywhere.
    """

    def __init__(self, models_dir: Path, *, device: torch.device, kernels: KernelStore | None) -> None:
        self._models_dir = models_dir
        self._device = device
        self._kernels = kernels
        self.memory = DeviceMemory(device)
        #: What the latest spec wanted.
        self.latest: Loaded | None = None
        #: Loaded as well; the one that was not used for longest is the first.
        self.others: list[Loaded] = []
        #: Seconds of loading since `begin`, and what they went into; 0 when the model was loaded before.
        self.load_s = 0.0
        self.load_times = LoadTimes()
        #: The model that memory ran out on, and that is to be run with `save_memory`.
        self._too_large: Hashable = None

    def begin(self) -> None:
        """Count the seconds of another render."""
        self.load_s, self.load_times = 0.0, LoadTimes()

    def load(self, spec: RenderSpec) -> Loaded:
        """The spec's pipeline, on the device.

        Raises:
            Retryable: it can't be reached or read now.
            Permanent: there is no such model, or the clip does not fit.
        """
        key = _key(spec)
        if self._too_large != key:
            self._too_large = None
        fit = self._make_room(spec)
        if self.latest is None:
            started, clock = time.monotonic(), LoadClock()
            try:
                pipe, levers = self._load(spec, fit, clock)
            finally:
                self.load_s += time.monotonic() - started
                self.load_times = LoadTimes(*map(sum, zip(self.load_times, clock.times, strict=True)))
            arguments = arguments_of(pipe, spec.model_source)
            self.latest = Loaded(
                key=key, pipe=pipe, arguments=arguments, fit=fit, levers=levers, sketcher=Sketcher(pipe)
            )
            seconds = {f"{name}_s": round(each, 3) for name, each in clock.times._asdict().items()}
            log.info("model loaded", extra={"action": "load", "model": spec.model, "fit": fit.value, **seconds})
        elif fit is Fit.BY_PARTS and self.latest.fit is Fit.WHOLE:  # a larger clip than those before
            take_turns(self.latest.pipe, self._device)
            self.latest.fit = fit
        return self.latest

    def save_memory_after(self, exc: RuntimeError | MemoryError, spec: RenderSpec) -> None:
        """Make the next try at this model one that saves memory.

        Raises:
            Permanent: this one did already.
            RuntimeError: ``exc``, which is about something else.
        """
        if not memory_ran_out(exc):
            raise exc
        exc.with_traceback(None)  # it holds the frames of the calls, and these hold the tensors
        if self._too_large == _key(spec):
            detail = CLIP_TOO_LARGE if self.latest else MODEL_TOO_LARGE
            self._too_large = None
            self.latest = None
            self._free_memory()
            raise Permanent(detail) from exc
        self._too_large = _key(spec)
        self.others.clear()
        self._free_memory()
        if self.latest:
            save_memory(self.latest.pipe, self._device)

    def _make_room(self, spec: RenderSpec) -> Fit:
        """Take the model that the spec wants out of those that are loaded, and let go of others as memory asks.

        Raises:
            Permanent: the clip does not fit, even where no other model is loaded.
        """
        model = models().get(spec.model)
        available_gb = self.memory.available_gb()
        if model is None or model.source != spec.model_source or available_gb is None:
            self._take(_key(spec))
            self._let_go_of_others(until_gb=None)
            return Fit.WHOLE
        clip = Clip(size=Size(width=spec.width, height=spec.height), frames=spec.frames)
        fit = how_it_fits(model, clip, available_gb=available_gb)
        self._take(_key(spec))
        needed_gb = model.clip_gb(clip) + RESERVE_GB
        if self.latest is None:
            needed_gb += model.memory.weights_gb if fit is Fit.WHOLE else model.memory.largest_gb
        self._let_go_of_others(until_gb=needed_gb)
        return fit

    def _take(self, key: Hashable) -> None:
        if self.latest and self.latest.key != key:
            self.others.append(self.latest)
            self.latest = None
        for other in [each for each in self.others if each.key == key]:
            self.others.remove(other)
            self.latest = other

    def _let_go_of_others(self, *, until_gb: float | None) -> None:
        """The one that was not used for longest goes first, until so much is free; all, when that is not known."""
        while self.others and (until_gb is None or (self.memory.room_gb() or 0.0) < until_gb):
            gone = type(self.others.pop(0).pipe).__name__
            self._free_memory()
            log.info("model let go of", extra={"action": "unload", "pipeline": gone})

    def _load(self, spec: RenderSpec, fit: Fit, clock: LoadClock) -> tuple[DiffusionPipeline, Mapping[str, str]]:
        pipe = load_pipeline(spec, models_dir=self._models_dir, clock=clock)
        levers = accelerate(pipe, spec.recipe, device=self._device, kernels=self._kernels)
        with clock.counting("move"):
            if self._too_large:
                save_memory(pipe, self._device)
            elif fit is Fit.BY_PARTS:
                take_turns(pipe, self._device)
            else:
                pipe.to(self._device)
        return pipe, levers

    def _free_memory(self) -> None:
        gc.collect()  # hooks and modules refer to each other
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _key(spec: RenderSpec) -> Hashable:
    """What tells one loaded pipeline from another."""
    config = tuple(sorted(spec.pipeline_config.items()))
    where = (spec.model_source, spec.model_revision, spec.dtype)
    return (*where, spec.pipeline_class, config, spec.adapters, spec.sampler, spec.recipe)
