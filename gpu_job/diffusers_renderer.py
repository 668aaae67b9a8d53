"""The real renderer: any text-to-video pipeline of diffusers. Enters: a `RenderSpec`. Leaves: frames, chunk by chunk.

Nothing here knows a model: what a pipeline can be told is read from the signature of its ``__call__``. Only Wan gets
more, since decoding dominates a clip of few steps: its autoencoder is causal in time, so its frames are decoded and
handed over group by group. Other autoencoders are decoded at once, by their pipelines: each has its own way.
"""

from __future__ import annotations

import functools
import gc
import inspect
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import AutoencoderKLWan, DiffusionPipeline, WanPipeline
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify
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

from shared.documents import Stage
from shared.errors import ErrorCode, Permanent, Retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.requests import RenderSpec

#: Frames handed over at a time when a clip was decoded at once: 32 bits a value make 832x480 about 5 MB a frame.
CHUNK_FRAMES = 8
#: Names of the argument that says how many frames, in order of preference.
LENGTH_ARGUMENTS = ("num_frames", "video_length")
#: Names of the argument that says how many frames a second, for the few pipelines that want to know.
RATE_ARGUMENTS = ("frame_rate", "fps")
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

    #: Source, revision, dtype.
    key: tuple[str, str, str]
    pipe: DiffusionPipeline
    #: Names of the arguments of its ``__call__``.
    arguments: frozenset[str]


class DiffusersRenderer:
    """Implements `gpu_job.renderer.Renderer`; keeps the latest pipeline loaded. For one thread at a time.

    On one machine with one number of threads, equal specs give equal frames.

    Args:
        models_dir: a spec's ``model_source`` is looked for here first (``owner/name`` may be a folder in a folder);
            what is not here is taken for a hub id.
        device: ``cuda`` when there is one, else ``cpu``.
        threads: of the CPU; torch decides when absent.
    """

    def __init__(self, models_dir: Path, *, device: str | None = None, threads: int | None = None) -> None:
        self._models_dir = models_dir
        self._device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
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

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """See `gpu_job.renderer.Renderer.render`. Nothing happens before the first chunk is asked for."""
        try:
            yield from self._render(spec, watch)
        except torch.OutOfMemoryError as exc:
            # The traceback holds the tensors: without it, and without the pipeline, the memory is free again.
            exc.with_traceback(None)
            self._unload()
            raise Retryable(f"{self.device_name} has not enough free memory.") from exc

    def _render(self, spec: RenderSpec, watch: Watch) -> Iterator[NDArray[np.float32]]:
        if spec.adapters or spec.recipe != "plain":
            raise Permanent("This renderer knows neither adapters nor recipes.")
        # 1. Load
        warm = self._loaded(spec, watch)
        # 2. Denoise
        video = self._denoised(warm, spec, watch)
        # 3. Decode and hand over
        count = 0
        for chunk in _chunks(warm.pipe, video):
            count += len(chunk)
            _check(chunk, count, spec)
            yield chunk
        if count != spec.frames:
            raise Permanent(f"The model drew {count} frames instead of {spec.frames}.")

    def _loaded(self, spec: RenderSpec, watch: Watch) -> _Warm:
        watch.moved(Stage.LOADING, 0, 1)
        key = (spec.model_source, spec.model_revision, spec.dtype)
        self._load_s = 0.0
        if self._warm is None or self._warm.key != key:
            started = time.monotonic()
            self._unload()
            pipe = self._load(spec)
            self._warm = _Warm(key=key, pipe=pipe, arguments=_arguments(pipe, spec.model_source))
            self._load_s = time.monotonic() - started
        watch.moved(Stage.LOADING, 1, 1)
        return self._warm

    def _load(self, spec: RenderSpec) -> DiffusionPipeline:
        folder = self._folder(spec.model_source)
        where: dict[str, Any] = {"local_files_only": True} if folder else {"revision": spec.model_revision}
        try:
            pipe = DiffusionPipeline.from_pretrained(
                folder or spec.model_source, dtype=getattr(torch, spec.dtype), **where
            )
            pipe.set_progress_bar_config(disable=True)
            return pipe.to(self._device)
        except torch.OutOfMemoryError:
            raise
        except (OSError, httpx.HTTPError, ValueError, TypeError, AttributeError, ImportError, KeyError) as exc:
            raise load_error(exc, spec.model_source) from exc

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
            output = pipe(**told, **heard, output_type="latent" if _decodes_by_group(pipe) else "pt")
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


def _decodes_by_group(pipe: DiffusionPipeline) -> bool:
    return isinstance(pipe, WanPipeline) and isinstance(pipe.vae, AutoencoderKLWan) and not pipe.vae.use_tiling


def _chunks(pipe: DiffusionPipeline, video: torch.Tensor | NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The frames of what `DiffusersRenderer._denoised` returned, as ``(n, H, W, 3) float32``."""
    if isinstance(video, np.ndarray):  # (T, H, W, 3): a pipeline that knows no tensors as output
        video = torch.from_numpy(video).permute(0, 3, 1, 2)
    if _decodes_by_group(pipe):
        yield from _wan_groups(pipe, video)
        return
    for part in torch.split(video, CHUNK_FRAMES):
        yield _as_array(part)


def _wan_groups(pipe: WanPipeline, latents: torch.Tensor) -> Iterator[NDArray[np.float32]]:
    """Decode latents ``(C, T, H, W)`` one by one: the first becomes one frame, every other one four.

    The same steps as the end of `WanPipeline.__call__` and `AutoencoderKLWan._decode`, so the same frames.
    """
    vae = pipe.vae
    vae.clear_cache()
    cache = list(vae._feat_map)  # noqa: SLF001 - ours alone, so that a render may be left in the middle

    # Not around the whole: a generator would leak it to whoever reads the frames.
    @torch.no_grad()
    def denormalised() -> torch.Tensor:
        z = latents[None].to(vae.device, vae.dtype)
        mean = torch.tensor(vae.config.latents_mean).view(1, -1, 1, 1, 1).to(z)
        inverse_std = 1.0 / torch.tensor(vae.config.latents_std).view(1, -1, 1, 1, 1).to(z)
        scaled: torch.Tensor = vae.post_quant_conv(z / inverse_std + mean)
        return scaled

    @torch.no_grad()
    def decoded(z: torch.Tensor, *, is_first: bool) -> torch.Tensor:
        frames = vae.decoder(z, feat_cache=cache, feat_idx=[0], first_chunk=is_first)
        if vae.config.patch_size is not None:
            frames = unpatchify(frames, patch_size=vae.config.patch_size)
        video: torch.Tensor = pipe.video_processor.postprocess_video(frames.clamp(-1, 1), output_type="pt")
        return video[0]

    for index, z in enumerate(torch.split(denormalised(), 1, dim=2)):
        yield _as_array(decoded(z, is_first=index == 0))


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
