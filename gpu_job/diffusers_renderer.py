"""The real renderer: any text-to-video pipeline of diffusers. Enters: a `RenderSpec`. Leaves: frames, chunk by chunk.

Nothing here knows a model: what a pipeline can be told is read from the signature of its ``__call__``. Some get more,
since decoding dominates a clip of few steps: `gpu_job.decoders` decodes and hands over their frames group by group.
Others are decoded at once, by their pipelines: each has its own way.
"""

from __future__ import annotations

import functools
import gc
import importlib
import inspect
import logging
import resource
import sys
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

from gpu_job.decoders import decoder_of
from gpu_job.memory import memory_ran_out, save_memory
from gpu_job.renderer import Account, StartOverError
from gpu_job.sketches import Sketcher, Step
from shared.documents import Stage
from shared.errors import ErrorCode, Permanent, Retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from gpu_job.decoders import Decoder
    from gpu_job.renderer import Watch
    from shared.requests import RenderSpec

log = logging.getLogger(__name__)

#: Source, revision, dtype: what tells one loaded pipeline from another.
ModelKey = tuple[str, str, str]

#: Frames handed over at a time when a clip was decoded at once: 32 bits a value make 832x480 about 5 MB a frame, and
#: some chunks wait or are in work further on.
CHUNK_FRAMES = 4
#: Names of the argument that says how many frames, in order of preference.
LENGTH_ARGUMENTS = ("num_frames", "video_length")
#: Names of the argument that says how many frames a second, for the few pipelines that want to know.
RATE_ARGUMENTS = ("frame_rate", "fps")
#: Classes of pipelines that are ours. Loaded from folders alone: no hub decides what code runs here.
OWN_CLASSES = {"PocketPipeline": "gpu_job.pocket.pipeline"}
#: What schedulers are told of a step; nearly all of them by these names.
STEP_ARGUMENTS = frozenset({"model_output", "timestep", "sample"})
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
    sketcher: Sketcher


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

    Raises:
        ValueError: this machine has no such device.
    """

    def __init__(self, models_dir: Path, *, device: str | None = None, threads: int | None = None) -> None:
        self._models_dir = models_dir
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
        self._seconds: dict[str, float] = {}
        #: When the latest step ended; what a pipeline does after the last is decoding.
        self._denoised_at = 0.0
        #: What is being drawn, and its latest step, while it is.
        self._drawing: tuple[RenderSpec, Step] | None = None
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
    def account(self) -> Account:
        """See `gpu_job.renderer.Renderer.account`."""
        software = {"cuda": str(torch.version.cuda)} if self._device.type == "cuda" else {}
        return Account(
            seconds={"load": self._load_s, **self._seconds}, peak_memory_bytes=self._peak_bytes(), software=software
        )

    def _peak_bytes(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024

    def sketch(self) -> NDArray[np.float32] | None:
        """See `gpu_job.renderer.Renderer.sketch`."""
        if self._drawing is None or self._warm is None:
            return None
        spec, step = self._drawing
        picture = self._warm.sketcher.sketch(step, spec)
        return None if picture is None else picture.numpy()

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """See `gpu_job.renderer.Renderer.render`. Nothing happens before the first chunk is asked for."""
        if spec.adapters or spec.recipe != "plain":
            raise Permanent("This renderer knows neither adapters nor recipes.")
        self._load_s = 0.0
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
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
            for chunk in self._timed(chunks):
                count += len(chunk)
                _check(chunk, count, spec)
                yield chunk
                del chunk  # those further on have it
        except (RuntimeError, MemoryError) as exc:
            self._save_memory(exc, spec)
            raise StartOverError(f"{self.device_name} has not enough free memory.") from exc
        if count != spec.frames:
            raise Permanent(f"The model drew {count} frames instead of {spec.frames}.")

    def _begun(self, spec: RenderSpec, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """All the chunks, of which the first is decoded already."""
        warm = self._loaded(spec, watch)
        begun = time.monotonic()
        decoder = decoder_of(warm.pipe, spec.frames)
        if decoder is None:
            log.info(
                "this clip is decoded at once",
                extra={"action": "decode", "pipeline": type(warm.pipe).__name__, "frames": spec.frames},
            )
        drawn = self._denoised(warm, spec, watch, output_type="latent" if decoder else "pt")
        self._seconds = {"denoise": self._denoised_at - begun, "decode": time.monotonic() - self._denoised_at}
        chunks = _chunks(drawn, decoder)
        return chain(list(islice(self._timed(chunks), 1)), chunks)

    def _timed(self, chunks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """The same, their seconds counted as those of decoding."""
        while True:
            begun = time.monotonic()
            chunk = next(chunks, None)
            self._seconds["decode"] += time.monotonic() - begun
            if chunk is None:
                return
            yield chunk
            del chunk

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
                pipe = self._load(spec)
            finally:
                self._load_s += time.monotonic() - started
            self._warm = _Warm(
                key=key, pipe=pipe, arguments=_arguments(pipe, spec.model_source), sketcher=Sketcher(pipe)
            )
        watch.moved(Stage.LOADING, 1, 1)
        return self._warm

    def _load(self, spec: RenderSpec) -> DiffusionPipeline:
        folder = self._folder(spec.model_source)
        where: dict[str, Any] = {"local_files_only": True} if folder else {"revision": spec.model_revision}
        try:
            pipe = _pipeline_class(folder).from_pretrained(
                folder or spec.model_source, dtype=getattr(torch, spec.dtype), **where
            )
            pipe.set_progress_bar_config(disable=True)
            if self._too_large:
                save_memory(pipe, self._device)
            else:
                pipe.to(self._device)
        except (OSError, httpx.HTTPError, ValueError, TypeError, AttributeError, ImportError, KeyError) as exc:
            raise load_error(exc, spec.model_source) from exc
        return pipe

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

    def _denoised(
        self, warm: _Warm, spec: RenderSpec, watch: Watch, *, output_type: str
    ) -> torch.Tensor | NDArray[np.float32]:
        """Run the pipeline: latents, or the whole clip where they are decoded at once."""
        pipe = warm.pipe
        done = 0

        def step_begins(step: Step) -> None:
            self._drawing = spec, step

        def step_ended() -> None:
            nonlocal done
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)  # the loop runs ahead of the GPU: wait, so that progress is true
            done += 1
            self._denoised_at = time.monotonic()
            watch.moved(Stage.RENDERING, done, max(done, len(pipe.scheduler.timesteps)))

        heard, stop_listening = _listen(warm, step_begins, step_ended)
        told = _told(warm.arguments, spec)
        try:
            output = pipe(**told, **heard, output_type=output_type)
        except (ValueError, TypeError) as exc:
            raise Permanent(f"The model can't draw this: {exc}") from exc
        finally:
            stop_listening()
            self._drawing = None
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
    return spec.model_source, spec.model_revision, spec.dtype


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


def _listen(
    warm: _Warm, step_begins: Callable[[Step], None], step_ended: Callable[[], None]
) -> tuple[dict[str, Any], Callable[[], None]]:
    """Have ``step_begins`` called with what the scheduler is told of every step, and ``step_ended`` after each.

    Returns:
        What the pipeline must be told for it, and what ends it.
    """
    scheduler = warm.pipe.scheduler
    step, signature = scheduler.step, inspect.signature(scheduler.step)
    tells_of_ends = "callback_on_step_end" in warm.arguments

    @functools.wraps(step)  # pipelines read the signature
    def step_and_tell(*args: object, **kwargs: object) -> object:
        told = signature.bind(*args, **kwargs).arguments
        if told.keys() >= STEP_ARGUMENTS:
            step_begins(Step(**{name: told[name] for name in STEP_ARGUMENTS}))
        result = step(*args, **kwargs)
        if not tells_of_ends:
            step_ended()
        return result

    def on_step_end(_pipe: object, _step: int, _timestep: object, _tensors: dict[str, Any]) -> dict[str, Any]:
        step_ended()
        return {}

    scheduler.step = step_and_tell
    return {"callback_on_step_end": on_step_end} if tells_of_ends else {}, lambda: delattr(scheduler, "step")


def _chunks(video: torch.Tensor | NDArray[np.float32], decoder: Decoder | None) -> Iterator[NDArray[np.float32]]:
    """The frames of what `DiffusersRenderer._denoised` returned, as ``(n, H, W, 3) float32``."""
    if isinstance(video, np.ndarray):  # (T, H, W, 3): a pipeline that knows no tensors as output
        video = torch.from_numpy(video).permute(0, 3, 1, 2)
    for part in decoder(video) if decoder else torch.split(video, CHUNK_FRAMES):
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
