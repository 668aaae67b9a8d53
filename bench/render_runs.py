"""Runs of a render on a CPU. Enters: a subject, and a recipe. Leaves: seconds by stage, and what came out."""

from __future__ import annotations

import gc
import time
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from gpu_job.acceleration import accelerate
from gpu_job.encoder import converted, encode
from gpu_job.memory import peak_bytes
from gpu_job.renderer import Account
from gpu_job.sight import see
from gpu_job.tail import Target, film
from shared.perspectives import perspectives
from shared.requests import Offer, Request, fill_in, render_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from bench.subjects import Subject
    from gpu_job.kernel_store import KernelStore
    from gpu_job.renderer import Watch
    from shared.documents import Stage
    from shared.recipes import Recipe
    from shared.requests import RenderSpec

PROMPT = "a cat looks out of the window at the rain"
EYE = "curious-cat"
DECODED_AT_ONCE = 4
#: Other work disturbs, so it is the best of so many warm runs, stage by stage.
RUNS = 5
CPU = torch.device("cpu")

R = TypeVar("R", "Run", "Tail")


@dataclass(frozen=True, kw_only=True)
class Run:
    """Seconds of one render by stage, and what came out."""

    encode_prompt_s: float
    denoise_s: float
    decode_s: float
    peak_bytes: int
    frames: NDArray[np.float32]
    latents: torch.Tensor


@dataclass(frozen=True, kw_only=True)
class Tail:
    """Seconds of what follows denoising, by stage, each by itself, and of all together as a worker does it."""

    see_s: float
    encode_s: float
    #: Decoding, the eye, and the encoders of the video and of the human view, at the same time.
    together_s: float
    #: By the clock: of the slowest of them by itself, and of all together.
    slowest_clock_s: float
    together_clock_s: float


class Stopwatch:
    """Seconds of the processor, of all threads together, so that other work beside it counts for nothing.

    Those of the clock are kept too.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.clock_s = 0.0

    @contextmanager
    def on(self) -> Iterator[None]:
        """Count the seconds inside."""
        begun, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self.clock_s += time.perf_counter() - begun
            self.seconds += time.process_time() - cpu


def render(pipe: Any, subject: Subject) -> Run:  # noqa: ANN401 - any pipeline
    """Draw the clip, stage by stage."""
    reading, drawing, decoding = Stopwatch(), Stopwatch(), Stopwatch()
    encode_prompt = pipe.encode_prompt

    def timed_encode_prompt(*args: object, **kwargs: object) -> object:
        with reading.on():
            return encode_prompt(*args, **kwargs)

    pipe.encode_prompt = timed_encode_prompt
    try:
        with drawing.on():
            latents = pipe(
                prompt=PROMPT,
                width=subject.width,
                height=subject.height,
                num_frames=subject.frames,
                num_inference_steps=subject.steps,
                guidance_scale=subject.guidance,
                generator=torch.Generator("cpu").manual_seed(1),
                output_type="latent",
            ).frames
    finally:
        del pipe.encode_prompt
    with decoding.on():
        frames = np.concatenate(list(subject.decode(pipe, latents)))
    return Run(
        encode_prompt_s=reading.seconds,
        denoise_s=drawing.seconds - reading.seconds,
        decode_s=decoding.seconds,
        peak_bytes=peak_bytes(CPU),
        frames=frames,
        latents=latents,
    )


def measured(
    subject: Subject, recipe: Recipe, *, kernels: KernelStore | None
) -> tuple[Any, Run, float, float, dict[str, str]]:
    """The pipeline under a recipe, a warm run, seconds of loading and of the first run, and what was put on."""
    gc.collect()
    torch.compiler.reset()
    loading = Stopwatch()
    with loading.on():
        pipe = subject.load()
        pipe.set_progress_bar_config(disable=True)
        report = accelerate(pipe, recipe, device=CPU, kernels=kernels)
    first = Stopwatch()
    with first.on():
        render(pipe, subject)
    warm = best([render(pipe, subject) for _ in range(RUNS)])
    return pipe, warm, loading.seconds, first.seconds, report


def tail_of(run: Run, subject: Subject, pipe: Any, folder: Path) -> Tail:  # noqa: ANN401 - as above
    """Measure what follows denoising; each stage again beside all together, since a machine's speed drifts."""
    form = {"width": subject.width, "height": subject.height, "fps": subject.fps, "frames": subject.frames}
    spec = spec_of(**form)
    eye = perspectives()[EYE].optics
    assert eye is not None
    pieces = [run.frames[at : at + DECODED_AT_ONCE] for at in range(0, spec.frames, DECODED_AT_ONCE)]
    seen = list(see(iter(pieces), eye, fps=spec.fps, device="cpu"))  # the first look takes longer
    tails = []
    for _ in range(RUNS):
        decoding, seeing, encoding, together = (Stopwatch() for _ in range(4))
        with decoding.on():
            list(subject.decode(pipe, run.latents))
        with seeing.on():
            seen = list(see(iter(pieces), eye, fps=spec.fps, device="cpu"))
        with encoding.on():
            pictures = converted(seen, width=spec.width, height=spec.height, frames=spec.frames)
            encode(pictures, folder / "clip.mp4", **form, metadata={}, watch=None)
        with together.on():
            film(
                spec,
                renderer=Decoder(subject.decode(pipe, run.latents)),
                video=Target(path=folder / "clip.mp4", metadata={}),
                human_view=Target(path=folder / "human-view.mp4", metadata={}),
                device="cpu",
                watch=Nobody(),
            )
        tails.append(
            Tail(
                see_s=seeing.seconds,
                encode_s=encoding.seconds,
                together_s=together.seconds,
                slowest_clock_s=max(decoding.clock_s, seeing.clock_s, encoding.clock_s),
                together_clock_s=together.clock_s,
            )
        )
    return best(tails)


def best(runs: list[R]) -> R:
    """The last one, with the least of each of its seconds."""
    names = [each.name for each in fields(runs[-1]) if each.name.endswith("_s")]
    return replace(runs[-1], **{name: min(getattr(run, name) for run in runs) for name in names})


def spec_of(**form: object) -> RenderSpec:
    """What a wish for a clip of this form would become."""
    offer = Offer(served=("pocket",), seed_pool=1)
    request = fill_in(Request(perspective=EYE), job_id="bench", offer=offer)
    return render_spec(request, owner="nobody", offer=offer).model_copy(update=form)


class Decoder:
    """A renderer that has drawn already and only decodes."""

    device_name = "bench"
    load_s = 0.0
    account = Account()

    def __init__(self, frames: Iterator[NDArray[np.float32]]) -> None:
        self._frames = frames

    def sketch(self) -> None:
        """It has none."""

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:  # noqa: ARG002
        """What was drawn."""
        return self._frames


class Nobody:
    """A watch that does not look."""

    def moved(self, stage: Stage, done: int, total: int) -> None:
        """Nobody asks."""

    def previewed(self, path: str) -> None:
        """Nobody asks."""
