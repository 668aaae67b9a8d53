"""The real renderer: any text-to-video pipeline of diffusers. Enters: a `RenderSpec`. Leaves: frames, chunk by chunk.

Nothing here knows a model: `gpu_job.pipeline_calls` reads what a pipeline can be told. Some get more, since decoding
dominates a clip of few steps: `gpu_job.decoders` decodes and hands over their frames group by group. Others are decoded
at once, by their pipelines: each has its own way.
"""

from __future__ import annotations

import logging
import time
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from diffusers.utils import logging as diffusers_logging
from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]  # loaded on demand
from transformers.utils import logging as transformers_logging

from gpu_job.decoders import decoder_of
from gpu_job.few_steps import FewStepScheduler
from gpu_job.kernel_store import KernelStore
from gpu_job.loaded_models import LoadedModels
from gpu_job.loading import CompileClock
from gpu_job.memory import call_up, peak_bytes
from gpu_job.pipeline_calls import listen, told
from gpu_job.renderer import Account, NotServedError, StartOverError
from shared.documents import Stage
from shared.errors import Permanent

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from gpu_job.loaded_models import Loaded
    from gpu_job.renderer import Watch
    from gpu_job.sketches import Step
    from shared.requests import RenderSpec

log = logging.getLogger(__name__)

#: Frames handed over at a time when a clip was decoded at once: 32 bits a value make 832x480 about 5 MB a frame, and
#: some chunks wait or are in work further on.
CHUNK_FRAMES = 4


class DiffusersRenderer:
    """Implements `gpu_job.renderer.Renderer`. For one thread at a time.

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
        self._served = served
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
            diffusers_logging.set_verbosity_error,  # warnings quote the words of a prompt that is too long
            diffusers_logging.disable_progress_bar,
            transformers_logging.disable_progress_bar,
            disable_progress_bars,
        ):
            silence()
        kernels = KernelStore(kernels_dir) if kernels_dir else None
        self._models = LoadedModels(models_dir, device=self._device, kernels=kernels)
        self._compiling = CompileClock()
        self._seconds: dict[str, float] = {}
        #: When the latest step ended; what a pipeline does after the last is decoding.
        self._denoised_at = 0.0
        #: What is being drawn, and its latest step, while it is.
        self._drawing: tuple[RenderSpec, Step] | None = None

    @property
    def device_name(self) -> str:
        """``cpu (2 threads)``, or the GPU's name."""
        if self._device.type == "cuda":
            return torch.cuda.get_device_name(self._device)
        return f"{self._device.type} ({torch.get_num_threads()} threads)"

    @property
    def load_s(self) -> float:
        """Seconds that the latest render spent on loading its model; 0 when it was warm."""
        return self._models.load_s

    @property
    def account(self) -> Account:
        """See `gpu_job.renderer.Renderer.account`."""
        loading = {"load": self._models.load_s, **self._models.load_times._asdict()}
        return Account(
            seconds={**loading, **self._seconds, "compile": self._compiling.seconds},
            peak_memory_bytes=peak_bytes(self._device),
            software={"cuda": str(torch.version.cuda)} if self._device.type == "cuda" else {},
            acceleration=dict(self._models.latest.levers) if self._models.latest else {},
        )

    def sketch(self) -> NDArray[np.float32] | None:
        """See `gpu_job.renderer.Renderer.sketch`."""
        if self._drawing is None or self._models.latest is None:
            return None
        spec, step = self._drawing
        picture = self._models.latest.sketcher.sketch(step, spec)
        return None if picture is None else picture.numpy()

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """See `gpu_job.renderer.Renderer.render`. Nothing happens before the first chunk is asked for."""
        if self._served is not None and spec.model not in self._served:
            raise NotServedError(f"This worker does not serve {spec.model}; another may.")
        self._models.begin()
        self._compiling.seconds = 0.0
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        # 1. Load, denoise, decode as far as it takes ever more memory
        chunks: Iterator[NDArray[np.float32]] | None = None
        while chunks is None:
            try:
                chunks = self._begun(spec, watch)
            except (RuntimeError, MemoryError) as exc:
                self._models.save_memory_after(exc, spec)
        # 2. Decode the rest and hand over
        count = 0
        try:
            for chunk in self._timed(chunks):
                count += len(chunk)
                _check(chunk, count, spec)
                yield chunk
                del chunk  # those further on have it
        except (RuntimeError, MemoryError) as exc:
            self._models.save_memory_after(exc, spec)
            raise StartOverError(f"{self.device_name} has not enough free memory.") from exc
        finally:
            if self._models.latest:
                self._models.latest.pipe.maybe_free_model_hooks()  # the decoder may be on the device still
        if count != spec.frames:
            raise Permanent(f"The model drew {count} frames instead of {spec.frames}.")

    def _begun(self, spec: RenderSpec, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """All the chunks, of which the first is decoded already."""
        watch.moved(Stage.LOADING, 0, 1)
        model = self._models.load(spec)
        watch.moved(Stage.LOADING, 1, 1)
        begun = time.monotonic()
        decoder = decoder_of(model.pipe, spec.frames)
        if decoder is None:
            log.info(
                "this clip is decoded at once",
                extra={"action": "decode", "pipeline": type(model.pipe).__name__, "frames": spec.frames},
            )
        drawn = self._denoised(model, spec, watch, output_type="latent" if decoder else "pt")
        self._seconds = {"denoise": self._denoised_at - begun, "decode": time.monotonic() - self._denoised_at}
        if isinstance(drawn, np.ndarray):  # (T, H, W, 3): a pipeline that knows no tensors as output
            drawn = torch.from_numpy(drawn).permute(0, 3, 1, 2)
        if decoder:
            call_up(model.pipe.vae)
        chunks = map(_as_array, decoder(drawn) if decoder else drawn.split(CHUNK_FRAMES))
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

    def _denoised(
        self, model: Loaded, spec: RenderSpec, watch: Watch, *, output_type: str
    ) -> torch.Tensor | NDArray[np.float32]:
        """Run the pipeline: latents, or the whole clip where they are decoded at once."""
        pipe = model.pipe
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

        heard, stop_listening = listen(pipe, model.arguments, step_begins, step_ended)
        wishes = told(model.arguments, spec)
        if isinstance(pipe.scheduler, FewStepScheduler):
            pipe.scheduler.generator = wishes["generator"]
        try:
            output = pipe(**wishes, **heard, output_type=output_type)
        except (ValueError, TypeError) as exc:
            raise Permanent(f"The model can't draw this: {exc}") from exc
        finally:
            stop_listening()
            self._drawing = None
            pipe.maybe_free_model_hooks()  # its own last step, which it has not reached when it was stopped
        video: torch.Tensor | NDArray[np.float32] = output.frames[0]
        return video


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
