"""The real renderer: any text-to-video pipeline of diffusers. Enters: a `RenderSpec`. Leaves: frames, chunk by chunk.

Nothing here knows a model: what a pipeline can be told is read from the signature of its ``__call__``. Only Wan gets
more, since decoding dominates a clip of few steps: `gpu_job.wan_decoder` decodes and hands over its frames group by
group. Other autoencoders are decoded at once, by their pipelines: each has its own way.
"""

from __future__ import annotations

import functools
import gc
import inspect
import logging
import time
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers.utils import logging as diffusers_logging
from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]  # loaded on demand
from torch._dynamo.callback import callback_handler
from transformers.utils import logging as transformers_logging

from gpu_job.acceleration import accelerate
from gpu_job.few_steps import FewStepScheduler
from gpu_job.kernel_store import KernelStore
from gpu_job.loading import LoadClock, load_pipeline
from gpu_job.memory import RESERVE_GB, DeviceMemory, Fit, call_up, how_it_fits, memory_ran_out, save_memory, take_turns
from gpu_job.renderer import LoadTimes, StartOverError
from gpu_job.wan_decoder import decodes_by_group, wan_groups
from shared.documents import Stage
from shared.errors import ErrorCode, Permanent, Retryable
from shared.models import Clip, Size, models

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
    from pathlib import Path

    from diffusers import DiffusionPipeline
    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.requests import RenderSpec

log = logging.getLogger(__name__)

#: Frames handed over at a time when a clip was decoded at once: 32 bits a value make 832x480 about 5 MB a frame.
CHUNK_FRAMES = 8
#: Names of the argument that says how many frames, in order of preference.
LENGTH_ARGUMENTS = ("num_frames", "video_length")
#: Names of the argument that says how many frames a second, for the few pipelines that want to know.
RATE_ARGUMENTS = ("frame_rate", "fps")
#: What people read where memory does not suffice.
CLIP_TOO_LARGE = "The clip does not fit into the memory of the machine that renders it; a smaller or shorter one may."
MODEL_TOO_LARGE = "The model does not fit into the memory of the machine that renders with it."


@dataclass(kw_only=True)
class _Warm:
    """A pipeline that is loaded."""

    #: See `_key`.
    key: Hashable
    pipe: DiffusionPipeline
    #: Names of the arguments of its ``__call__``.
    arguments: frozenset[str]
    fit: Fit
    #: Which levers of the recipe it runs with, and what speaks against the others; see `gpu_job.acceleration`.
    levers: Mapping[str, str]


class DiffusersRenderer:
    """Implements `gpu_job.renderer.Renderer`; keeps the latest pipeline loaded. For one thread at a time.

    Pipelines before that stay loaded too where the device is known to have room for all; else the one that was not used
    for longest goes first. Whether a clip fits is asked before it is rendered, where the catalogue knows what its model
    takes and the device what it has.

    On one machine with one number of threads, equal specs give equal frames, unless memory ran out in between.

    Where it runs out before the first chunk is handed over, the render begins again, once, with the settings of
    `gpu_job.memory`, which stay on for as long as the pipeline is loaded; where it runs out even so, the spec can't be
    rendered. Where it runs out after the first chunk, it is for the caller to begin again, since nobody is given a
    frame twice. That is rare. With these settings everything is decoded before the first chunk, and without them the
    first chunk waits until decoding has taken the most memory that it ever takes, so that others on the same device
    must have taken theirs since.

    Args:
        models_dir: a spec's ``model_source`` is looked for here first (``owner/name`` may be a folder in a folder);
            what is not here is taken for a hub id.
        device: ``cuda`` when there is one, else ``cpu``.
        threads: of the CPU; torch decides when absent.
        served: ids of the models that it renders with; any when absent.
        kernels_dir: where compiled kernels are kept for later workers, if anywhere.

    Raises:
        ValueError: this machine has no such device.
    """

    def __init__(
        self,
        models_dir: Path,
        *,
        device: str | None = None,
        threads: int | None = None,
        served: Collection[str] | None = None,
        kernels_dir: Path | None = None,
    ) -> None:
        self._models_dir = models_dir
        self._served = served
        self._kernels = KernelStore(kernels_dir) if kernels_dir else None
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            self._device = torch.device(device)
            torch.zeros(1, device=self._device).item()
        except (RuntimeError, AssertionError, NotImplementedError) as exc:
            msg = f"DEVICE is {device}, which torch can't use on this machine: {exc}"
            raise ValueError(msg) from exc
        if threads is not None:
            torch.set_num_threads(threads)
        for silence in (
            diffusers_logging.disable_progress_bar,
            transformers_logging.disable_progress_bar,
            disable_progress_bars,
        ):
            silence()
        self._memory = DeviceMemory(self._device)
        self._warm: _Warm | None = None
        #: Loaded as well; the one that was not used for longest is the first.
        self._others: list[_Warm] = []
        self._load_s = 0.0
        self._load_times = LoadTimes()
        self._compiling = _Compiling()
        #: The model that memory ran out on, and that is to be run with `save_memory`.
        self._too_large: Hashable = None

    @property
    def device_name(self) -> str:
        """``cpu (2 threads)``, or the GPU's name."""
        if self._device.type == "cuda":
            return torch.cuda.get_device_name(self._device)
        return f"{self._device.type} ({torch.get_num_threads()} threads)"

    @property
    def load_s(self) -> float:
        """Seconds that the latest render spent on loading its model; 0 when it was warm."""
        return self._load_s

    @property
    def load_times(self) -> LoadTimes:
        """What they, and those of compiling, went into."""
        return self._load_times._replace(compile_s=self._compiling.seconds)

    @property
    def levers(self) -> dict[str, str]:
        """Which levers of its recipe the loaded model runs with, and why not with the others: for the receipt."""
        return dict(self._warm.levers) if self._warm else {}

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """See `gpu_job.renderer.Renderer.render`. Nothing happens before the first chunk is asked for."""
        if self._served is not None and spec.model not in self._served:
            raise Retryable(f"This worker does not serve {spec.model}; another may.")
        self._load_s, self._load_times = 0.0, LoadTimes()
        self._compiling.seconds = 0.0
        # 1. Load, denoise, decode as far as it takes ever more memory
        chunks: Iterator[NDArray[np.float32]] | None = None
        while chunks is None:
            try:
                chunks = self._begun(spec, watch)
            except (RuntimeError, MemoryError) as exc:
                self._save_memory(exc, spec)
        # 2. Decode the rest and hand over
        count = 0
        try:
            for chunk in chunks:
                count += len(chunk)
                _check(chunk, count, spec)
                yield chunk
        except (RuntimeError, MemoryError) as exc:
            self._save_memory(exc, spec)
            raise StartOverError(f"{self.device_name} has not enough free memory.") from exc
        finally:
            if self._warm:
                self._warm.pipe.maybe_free_model_hooks()  # the decoder may be on the device still
        if count != spec.frames:
            raise Permanent(f"The model drew {count} frames instead of {spec.frames}.")

    def _begun(self, spec: RenderSpec, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """All the chunks, of which the first is decoded already."""
        warm = self._loaded(spec, watch)
        chunks = _chunks(warm.pipe, self._denoised(warm, spec, watch))
        return chain(list(islice(chunks, 1)), chunks)

    def _save_memory(self, exc: RuntimeError | MemoryError, spec: RenderSpec) -> None:
        """Make the next try at this model one that saves memory.

        Raises:
            Permanent: this one did already.
            RuntimeError: ``exc``, which is about something else.
        """
        if not memory_ran_out(exc):
            raise exc
        exc.with_traceback(None)  # it holds the frames of the calls, and these hold the tensors
        if self._too_large == _key(spec):
            detail = CLIP_TOO_LARGE if self._warm else MODEL_TOO_LARGE
            self._too_large = None
            self._unload()
            raise Permanent(detail) from exc
        self._too_large = _key(spec)
        self._others.clear()
        self._free_memory()
        if self._warm:
            save_memory(self._warm.pipe, self._device)

    def _loaded(self, spec: RenderSpec, watch: Watch) -> _Warm:
        watch.moved(Stage.LOADING, 0, 1)
        key = _key(spec)
        if self._too_large != key:
            self._too_large = None
        fit = self._make_room(spec)
        if self._warm is None:
            started, clock = time.monotonic(), LoadClock()
            try:
                pipe, levers = self._load(spec, fit, clock)
            finally:
                self._load_s += time.monotonic() - started
                self._load_times = LoadTimes(*map(sum, zip(self._load_times, clock.times, strict=True)))
            arguments = _arguments(pipe, spec.model_source)
            self._warm = _Warm(key=key, pipe=pipe, arguments=arguments, fit=fit, levers=levers)
            seconds = {name: round(each, 3) for name, each in clock.times._asdict().items()}
            log.info("model loaded", extra={"action": "load", "model": spec.model, "fit": fit.value, **seconds})
        elif fit is Fit.BY_PARTS and self._warm.fit is Fit.WHOLE:  # a larger clip than those before
            take_turns(self._warm.pipe, self._device)
            self._warm.fit = fit
        watch.moved(Stage.LOADING, 1, 1)
        return self._warm

    def _make_room(self, spec: RenderSpec) -> Fit:
        """Take the model that the spec wants out of those that are loaded, and let go of others as memory asks.

        Raises:
            Permanent: the clip does not fit, even where no other model is loaded.
        """
        model = models().get(spec.model)
        available_gb = self._memory.available_gb()
        if model is None or model.source != spec.model_source or available_gb is None:
            self._take(_key(spec))
            self._let_go_of_others(until_gb=None)
            return Fit.WHOLE
        clip = Clip(size=Size(width=spec.width, height=spec.height), frames=spec.frames)
        fit = how_it_fits(model, clip, available_gb=available_gb)
        self._take(_key(spec))
        needed_gb = model.clip_gb(clip) + RESERVE_GB
        if self._warm is None:
            needed_gb += model.memory.weights_gb if fit is Fit.WHOLE else model.memory.largest_gb
        self._let_go_of_others(until_gb=needed_gb)
        return fit

    def _take(self, key: Hashable) -> None:
        if self._warm and self._warm.key != key:
            self._others.append(self._warm)
            self._warm = None
        for other in [each for each in self._others if each.key == key]:
            self._others.remove(other)
            self._warm = other

    def _let_go_of_others(self, *, until_gb: float | None) -> None:
        """The one that was not used for longest goes first, until so much is free; all, when that is not known."""
        while self._others and (until_gb is None or (self._memory.room_gb() or 0.0) < until_gb):
            gone = type(self._others.pop(0).pipe).__name__
            self._free_memory()
            log.info("model let go of", extra={"action": "unload", "pipeline": gone})

    def _load(self, spec: RenderSpec, fit: Fit, clock: LoadClock) -> tuple[DiffusionPipeline, Mapping[str, str]]:
        pipe = load_pipeline(spec, models_dir=self._models_dir, clock=clock)
        levers = accelerate(pipe, spec.recipe, device=self._device, kernels=self._kernels)
        with clock.counting("move_s"):
            if self._too_large:
                save_memory(pipe, self._device)
            elif fit is Fit.BY_PARTS:
                take_turns(pipe, self._device)
            else:
                pipe.to(self._device)
        return pipe, levers

    def _unload(self) -> None:
        self._warm = None
        self._free_memory()

    def _free_memory(self) -> None:
        gc.collect()  # hooks and modules refer to each other
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _denoised(self, warm: _Warm, spec: RenderSpec, watch: Watch) -> torch.Tensor | NDArray[np.float32]:
        """Run the pipeline: latents where they can be decoded group by group, else the whole clip."""
        pipe = warm.pipe
        done = 0

        def step_ended() -> None:
            nonlocal done
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)  # the loop runs ahead of the GPU: wait, so that progress is true
            done += 1
            watch.moved(Stage.RENDERING, done, max(done, len(pipe.scheduler.timesteps)))

        heard, stop_listening = _listen(warm, step_ended)
        told = _told(warm.arguments, spec)
        if isinstance(pipe.scheduler, FewStepScheduler):
            pipe.scheduler.generator = told["generator"]
        try:
            output = pipe(**told, **heard, output_type="latent" if decodes_by_group(pipe) else "pt")
        except (ValueError, TypeError) as exc:
            raise Permanent(f"The model can't draw this: {exc}") from exc
        finally:
            stop_listening()
            pipe.maybe_free_model_hooks()  # its own last step, which it has not reached when it was stopped
        video: torch.Tensor | NDArray[np.float32] = output.frames[0]
        return video


def _key(spec: RenderSpec) -> Hashable:
    """What tells one loaded pipeline from another."""
    config = tuple(sorted(spec.pipeline_config.items()))
    where = (spec.model_source, spec.model_revision, spec.dtype)
    return (*where, spec.pipeline_class, config, spec.adapters, spec.sampler, spec.recipe)


class _Compiling:
    """Counts the seconds that torch compiles, whoever told it to."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._begun = 0.0
        callback_handler.register_start_callback(self._begin)
        callback_handler.register_end_callback(self._end)

    def _begin(self, _: object) -> None:
        self._begun = time.monotonic()

    def _end(self, _: object) -> None:
        self.seconds += time.monotonic() - self._begun


def _arguments(pipe: DiffusionPipeline, source: str) -> frozenset[str]:
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


def _told(arguments: frozenset[str], spec: RenderSpec) -> dict[str, Any]:
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


def _listen(warm: _Warm, step_ended: Callable[[], None]) -> tuple[dict[str, Any], Callable[[], None]]:
    """Have ``step_ended`` called after every denoising step.

    Returns:
        What the pipeline must be told for it, and what ends it.
    """
    if "callback_on_step_end" in warm.arguments:

        def on_step_end(_pipe: object, _step: int, _timestep: object, _tensors: dict[str, Any]) -> dict[str, Any]:
            step_ended()
            return {}

        return {"callback_on_step_end": on_step_end}, lambda: None

    scheduler = warm.pipe.scheduler
    step = scheduler.step

    @functools.wraps(step)  # pipelines read the signature
    def step_and_tell(*args: object, **kwargs: object) -> object:
        result = step(*args, **kwargs)
        step_ended()
        return result

    scheduler.step = step_and_tell
    return {}, lambda: delattr(scheduler, "step")


def _chunks(pipe: DiffusionPipeline, video: torch.Tensor | NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The frames of what `DiffusersRenderer._denoised` returned, as ``(n, H, W, 3) float32``."""
    if isinstance(video, np.ndarray):  # (T, H, W, 3): a pipeline that knows no tensors as output
        video = torch.from_numpy(video).permute(0, 3, 1, 2)
    if decodes_by_group(pipe):
        call_up(pipe.vae)
        parts = wan_groups(pipe, video)
    else:
        parts = iter(torch.split(video, CHUNK_FRAMES))
    for part in parts:
        yield _as_array(part)


def _as_array(frames: torch.Tensor) -> NDArray[np.float32]:
    """``(n, 3, H, W)`` of any dtype anywhere, as ``(n, H, W, 3) float32`` here."""
    array: NDArray[np.float32] = frames.detach().permute(0, 2, 3, 1).float().contiguous().cpu().numpy()
    return array


def _check(chunk: NDArray[np.float32], count: int, spec: RenderSpec) -> None:
    """Refuse frames that are not what was ordered: diffusers rounds sizes and lengths with no more than a warning."""
    if chunk.shape[1:] != (spec.height, spec.width, 3):
        height, width = chunk.shape[1:3]
        raise Permanent(f"The model drew {width}x{height} instead of {spec.width}x{spec.height}.")
    if count > spec.frames:
        raise Permanent(f"The model drew more than the {spec.frames} frames it was asked for.")
    if not np.isfinite(chunk).all():
        raise Permanent("The model drew frames that are not finite numbers.")
