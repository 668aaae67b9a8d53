"""The real renderer: any text-to-video pipeline of diffusers. Enters: a `RenderSpec`. Leaves: frames, chunk by chunk.

Nothing here knows a model: what a pipeline can be told is read from the signature of its ``__call__``. Only Wan gets
more, since decoding dominates a clip of few steps: `gpu_job.wan_decoder` decodes and hands over its frames group by
group. Other autoencoders are decoded at once, by their pipelines: each has its own way.
"""

from __future__ import annotations

import functools
import gc
import importlib
import inspect
import logging
import time
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars, httpx  # type: ignore[attr-defined]  # loaded on demand
from transformers.utils import logging as transformers_logging

from gpu_job.acceleration import accelerate
from gpu_job.kernel_store import KernelStore
from gpu_job.memory import memory_ran_out, save_memory
from gpu_job.renderer import StartOverError
from gpu_job.wan_decoder import decodes_by_group, wan_groups
from shared.documents import Stage
from shared.errors import ErrorCode, Permanent, Retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.recipes import Recipe
    from shared.requests import RenderSpec

log = logging.getLogger(__name__)

#: Source, revision, dtype, recipe: what tells one loaded pipeline from another.
ModelKey = tuple[str, str, str, "Recipe"]

#: Frames handed over at a time when a clip was decoded at once: 32 bits a value make 832x480 about 5 MB a frame.
CHUNK_FRAMES = 8
#: Names of the argument that says how many frames, in order of preference.
LENGTH_ARGUMENTS = ("num_frames", "video_length")
#: Names of the argument that says how many frames a second, for the few pipelines that want to know.
RATE_ARGUMENTS = ("frame_rate", "fps")
#: Classes of pipelines that are ours. Loaded from folders alone: no hub decides what code runs here.
OWN_CLASSES = {"PocketPipeline": "gpu_job.pocket.pipeline"}
#: What people read where memory does not suffice.
CLIP_TOO_LARGE = "The clip does not fit into the memory of the machine that renders it; a smaller or shorter one may."
MODEL_TOO_LARGE = "The model does not fit into the memory of the machine that renders with it."
#: The hub says that there is no such model, or none for us.
NO_SUCH_MODEL = (
    RepositoryNotFoundError,
    RevisionNotFoundError,
    DisabledRepoError,
    HFValidationError,
    EntryNotFoundError,
)
#: The hub does not answer. Looked for first: an entry that is not in the cache is an `EntryNotFoundError` too.
NOT_REACHABLE = (LocalEntryNotFoundError, httpx.TransportError, ConnectionError, TimeoutError)


@dataclass(frozen=True, kw_only=True)
class _Warm:
    """A pipeline that is loaded."""

    key: ModelKey
    pipe: DiffusionPipeline
    #: Names of the arguments of its ``__call__``.
    arguments: frozenset[str]
    #: Which levers of the recipe it runs with, and what speaks against the others; see `gpu_job.acceleration`.
    levers: Mapping[str, str]


class DiffusersRenderer:
    """Implements `gpu_job.renderer.Renderer`; keeps the latest pipeline loaded. For one thread at a time.

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
        kernels_dir: Path | None = None,
    ) -> None:
        self._models_dir = models_dir
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
        self._warm: _Warm | None = None
        self._load_s = 0.0
        #: The model that memory ran out on, and that is to be run with `save_memory`.
        self._too_large: ModelKey | None = None

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
    def levers(self) -> dict[str, str]:
        """Which levers of its recipe the loaded model runs with, and why not with the others: for the receipt."""
        return dict(self._warm.levers) if self._warm else {}

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """See `gpu_job.renderer.Renderer.render`. Nothing happens before the first chunk is asked for."""
        if spec.adapters:
            raise Permanent("This renderer knows no adapters.")
        self._load_s = 0.0
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
        self._free_memory()
        if self._warm:
            save_memory(self._warm.pipe, self._device)

    def _loaded(self, spec: RenderSpec, watch: Watch) -> _Warm:
        watch.moved(Stage.LOADING, 0, 1)
        key = _key(spec)
        if self._too_large != key:
            self._too_large = None
        if self._warm is None or self._warm.key != key:
            started = time.monotonic()
            self._unload()
            try:
                pipe, levers = self._load(spec)
            finally:
                self._load_s += time.monotonic() - started
            self._warm = _Warm(key=key, pipe=pipe, arguments=_arguments(pipe, spec.model_source), levers=levers)
        watch.moved(Stage.LOADING, 1, 1)
        return self._warm

    def _load(self, spec: RenderSpec) -> tuple[DiffusionPipeline, Mapping[str, str]]:
        folder = self._folder(spec.model_source)
        where: dict[str, Any] = {"local_files_only": True} if folder else {"revision": spec.model_revision}
        try:
            pipe = _pipeline_class(folder).from_pretrained(
                folder or spec.model_source, dtype=getattr(torch, spec.dtype), **where
            )
            pipe.set_progress_bar_config(disable=True)
            levers = accelerate(pipe, spec.recipe, device=self._device, kernels=self._kernels)
            if self._too_large:
                save_memory(pipe, self._device)
            else:
                pipe.to(self._device)
        except (OSError, httpx.HTTPError, ValueError, TypeError, AttributeError, ImportError, KeyError) as exc:
            raise load_error(exc, spec.model_source) from exc
        return pipe, levers

    def _folder(self, source: str) -> Path | None:
        """The model's folder; None when it is to be had from the hub."""
        path = PurePosixPath(source)
        if len(path.parts) == 1 and not self._models_dir.is_dir():
            raise Retryable("The folder of the models is not there (not mounted yet?).")
        folder = self._models_dir / path
        if path.is_absolute() or ".." in path.parts:
            raise Permanent(f"{source} is no name of a model.", code=ErrorCode.MODEL_UNAVAILABLE)
        if (folder / DiffusionPipeline.config_name).is_file():
            return folder
        if folder.is_dir():
            raise Permanent(f"{source} is no diffusers pipeline.", code=ErrorCode.MODEL_UNAVAILABLE)
        if len(path.parts) == 1:
            raise Permanent(f"There is no model {source} on this machine.", code=ErrorCode.MODEL_UNAVAILABLE)
        return None

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
        try:
            output = pipe(**told, **heard, output_type="latent" if decodes_by_group(pipe) else "pt")
        except (ValueError, TypeError) as exc:
            raise Permanent(f"The model can't draw this: {exc}") from exc
        finally:
            stop_listening()
            pipe.maybe_free_model_hooks()  # its own last step, which it has not reached when it was stopped
        video: torch.Tensor | NDArray[np.float32] = output.frames[0]
        return video


def load_error(exc: BaseException, source: str) -> Retryable | Permanent:
    """What a failed load decides. diffusers wraps the hub's errors in its own, so the causes are looked through too."""
    chain = [exc]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None:
        chain.append(cause)
    if any(isinstance(each, NOT_REACHABLE) for each in chain):
        return Retryable(f"Model {source} can't be reached.")
    if any(isinstance(each, NO_SUCH_MODEL) for each in chain):
        return Permanent(f"There is no model {source}, or it is not open to us.", code=ErrorCode.MODEL_UNAVAILABLE)
    if any(isinstance(each, HfHubHTTPError | OSError) for each in chain):
        return Retryable(f"Model {source} can't be read.")
    return Permanent(f"{source} is no pipeline that diffusers can load.", code=ErrorCode.MODEL_UNAVAILABLE)


def _pipeline_class(folder: Path | None) -> type[DiffusionPipeline]:
    """What a folder is to be loaded with: diffusers finds its own classes by itself, but not `OWN_CLASSES`."""
    name = str(DiffusionPipeline.load_config(folder).get("_class_name")) if folder else ""
    module = OWN_CLASSES.get(name)
    found: type[DiffusionPipeline] = getattr(importlib.import_module(module), name) if module else DiffusionPipeline
    return found


def _key(spec: RenderSpec) -> ModelKey:
    return spec.model_source, spec.model_revision, spec.dtype, spec.recipe


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
    parts = wan_groups(pipe, video) if decodes_by_group(pipe) else torch.split(video, CHUNK_FRAMES)
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
