"""How long each stage of a render takes on a CPU, and what each lever gains there. Enters: where the pocket model lies.

Leave: tables in Markdown, of that model and of Wan's classes at toy size, line by line as soon as a figure is known.
"""

from __future__ import annotations

import gc
import logging
import os
import platform
import resource
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import diffusers
import numpy as np
import torch
from diffusers import WanPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from bench.architectures import TINY, Architecture
from bench.likeness import psnr, ssim
from gpu_job.acceleration import accelerate
from gpu_job.encoder import encode
from gpu_job.kernel_store import KernelStore
from gpu_job.pocket.pipeline import PocketPipeline
from gpu_job.sight import see
from gpu_job.wan_decoder import wan_groups
from shared.models import models
from shared.perspectives import perspectives
from shared.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

PROMPT = "a cat looks out of the window at the rain"
EYE = "curious-cat"
#: The levers one by one, and last those together that leave the pictures as they are.
LEVERS: dict[str, Recipe] = {
    "attention: flash 3": Recipe(attention=("_flash_3",)),
    "attention: cuDNN": Recipe(attention=("_native_cudnn",)),
    "attention: flash": Recipe(attention=("flash",)),
    "channels last": Recipe(channels_last=True),
    "step cache 0.1": Recipe(step_cache=0.1),
    "fp8 weights": Recipe(fp8_weights=True),
    "compile": Recipe(compile=True),
    "all but step cache and fp8": Recipe(
        attention=("_flash_3", "_native_cudnn", "flash"), compile=True, channels_last=True
    ),
}
#: Encoder: as most clips are.
WIDTH, HEIGHT, FRAMES, FPS = 832, 480, 81, 16
DECODED_AT_ONCE = 4
#: On a CPU, where other work disturbs: the best of so many warm runs, stage by stage.
CPU_RUNS = 5
#: Of why a lever is not applied.
REASON_CHARS = 80
#: Of a clip, SSIM looks at about as many.
SSIM_FRAMES = 10


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A model that is measured."""

    name: str
    #: From a folder, ready on the CPU.
    load: Callable[[], Any]
    dtype: torch.dtype
    width: int
    height: int
    frames: int
    fps: int
    steps: int
    guidance: float
    #: Latents to frames ``(n, H, W, 3)``.
    decode: Callable[[Any, torch.Tensor], Iterator[NDArray[np.float32]]]


@dataclass(frozen=True, kw_only=True)
class Run:
    """Seconds of one render by stage, and what came out."""

    encode_prompt_s: float
    denoise_s: float
    decode_s: float
    peak_bytes: int
    frames: NDArray[np.float32]
    latents: torch.Tensor
    #: Of decoding, by the clock.
    decode_clock_s: float


class Stopwatch:
    """Seconds of a device, which has done what it was told when the watch stops.

    On a CPU they are the processor's own, of all threads together, so that other work beside it counts for nothing;
    those of the clock are kept too.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.seconds = 0.0
        self.clock_s = 0.0

    @contextmanager
    def on(self) -> Iterator[None]:
        """Count the seconds inside."""
        self._wait()
        begun, cpu = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self._wait()
            clock_s = time.perf_counter() - begun
            self.clock_s += clock_s
            self.seconds += clock_s if self._device.type == "cuda" else time.process_time() - cpu

    def _wait(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def say(*cells: object) -> None:
    """A row of a table in Markdown."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def header(title: str, *cells: str) -> None:
    """A title and the head of a table."""
    print(f"\n**{title}**\n", flush=True)
    say(*cells)
    say(*["---"] * len(cells))


def pocket(folder: Path) -> Subject:
    """The model that ships with the repository, with weights that have learned."""
    model = models()["pocket"]

    def decode(pipe: PocketPipeline, latents: torch.Tensor) -> Iterator[NDArray[np.float32]]:
        with torch.no_grad():
            video = pipe.vae.decode(latents.to(pipe.vae.dtype)).float()
        yield (video[0] / 2 + 0.5).clamp(0, 1).permute(1, 2, 3, 0).cpu().numpy()

    return Subject(
        name="pocket",
        load=lambda: PocketPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True),
        dtype=torch.float32,
        width=model.sizes[0].width,
        height=model.sizes[0].height,
        frames=model.lengths[0].frames,
        fps=model.fps,
        steps=model.steps,
        guidance=model.guidance,
        decode=decode,
    )


def wan(architecture: Architecture, folder: Path, device: torch.device) -> Subject:
    """A Wan with random weights, which are written to the folder, so that each run begins with the same."""
    reader = architecture.reader(device.type)
    architecture.pipeline_without_reader(device.type).save_pretrained(folder)
    free(device)

    def decode(pipe: WanPipeline, latents: torch.Tensor) -> Iterator[NDArray[np.float32]]:
        for group in wan_groups(pipe, latents[0]):
            yield group.permute(0, 2, 3, 1).float().contiguous().cpu().numpy()

    return Subject(
        name=architecture.name,
        load=lambda: WanPipeline.from_pretrained(
            folder, text_encoder=reader, dtype=architecture.dtype, local_files_only=True
        ),
        dtype=architecture.dtype,
        width=architecture.width,
        height=architecture.height,
        frames=architecture.frames,
        fps=architecture.fps,
        steps=architecture.steps,
        guidance=1.0,
        decode=decode,
    )


def free(device: torch.device) -> None:
    """Have nothing left of the run before."""
    gc.collect()
    torch.compiler.reset()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_bytes(device: torch.device) -> int:
    """Of the GPU since `free`; of the process since its start where there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def render(pipe: Any, subject: Subject, device: torch.device) -> Run:  # noqa: ANN401 - any pipeline
    """Draw the clip, stage by stage."""
    reading, drawing, decoding = Stopwatch(device), Stopwatch(device), Stopwatch(device)
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
        peak_bytes=peak_bytes(device),
        frames=frames,
        latents=latents,
        decode_clock_s=decoding.clock_s,
    )


def measured(
    subject: Subject, recipe: Recipe, device: torch.device, *, kernels: KernelStore | None
) -> tuple[Any, Run, float, float, dict[str, str]]:
    """The pipeline under a recipe, a warm run, seconds of loading and of the first run, and what was put on."""
    free(device)
    loading = Stopwatch(device)
    with loading.on():
        pipe = subject.load()
        pipe.set_progress_bar_config(disable=True)
        report = accelerate(pipe, recipe, device=device, kernels=kernels)
        pipe.to(device)
    first = Stopwatch(device)
    with first.on():
        render(pipe, subject, device)
    runs = [render(pipe, subject, device) for _ in range(1 if device.type == "cuda" else CPU_RUNS)]
    stages = ("encode_prompt_s", "denoise_s", "decode_s", "decode_clock_s")
    best = replace(runs[-1], **{stage: min(getattr(run, stage) for run in runs) for stage in stages})
    return pipe, best, loading.seconds, first.seconds, report


def measure_stages(subject: Subject, device: torch.device, folder: Path) -> Run:
    """Print each stage of the plain path, and how far the last three overlap."""
    pipe, run, load_s, first_s, _ = measured(subject, Recipe(), device, kernels=None)
    eye = perspectives()[EYE].optics
    assert eye is not None
    form: dict[str, Any] = {
        "width": subject.width,
        "height": subject.height,
        "fps": subject.fps,
        "frames": subject.frames,
    }

    def seen(chunks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        return see(chunks, eye, fps=subject.fps, device=str(device))

    def written(chunks: Iterator[NDArray[np.float32]]) -> None:
        encode(chunks, folder / "clip.mp4", **form, metadata={}, watch=None)

    def pieces() -> Iterator[NDArray[np.float32]]:
        return (run.frames[at : at + DECODED_AT_ONCE] for at in range(0, subject.frames, DECODED_AT_ONCE))

    list(seen(pieces()))  # the eye's first look takes longer
    seeing, encoding, tail = Stopwatch(device), Stopwatch(device), Stopwatch(device)
    with seeing.on():
        looked_at = list(seen(pieces()))
    with encoding.on():
        written(iter(looked_at))
    with tail.on():
        written(seen(subject.decode(pipe, run.latents)))
    slowest_s = max(run.decode_clock_s, seeing.clock_s, encoding.clock_s)
    say("load", f"{load_s:.2f} s", "all but the text encoder" if subject.name != "pocket" else "")
    say("first run", f"{first_s:.2f} s", "prompt, denoise, decode, with what the machine does once")
    say("encode prompt", f"{run.encode_prompt_s:.2f} s", "")
    say("denoise", f"{run.denoise_s:.2f} s", f"{subject.steps} steps, guidance {subject.guidance:g}")
    say("decode", f"{run.decode_s:.2f} s", "")
    say("optics", f"{seeing.seconds:.2f} s", EYE)
    say("encode", f"{encoding.seconds:.2f} s", "")
    say(
        "decode, optics, encode as they run",
        f"{tail.seconds:.2f} s",
        f"by the clock {tail.clock_s:.2f} s, {tail.clock_s / slowest_s:.2f} of the slowest alone",
    )
    say("end to end, warm", f"{run.encode_prompt_s + run.denoise_s + tail.seconds:.2f} s", "")
    say("peak memory", f"{run.peak_bytes / 2**30:.2f} GiB", "GPU" if device.type == "cuda" else "process, so far")
    return run


def measure_levers(
    subject: Subject, plain: Run, device: torch.device, *, names: list[str], kernels: KernelStore | None, ends_at: float
) -> None:
    """Print what each lever gains, and how alike its pictures are to the plain ones."""
    for name in names:
        if time.monotonic() > ends_at:
            say(name, "not measured: out of time", "", "", "", "", "")
            continue
        _, run, _, first_s, report = measured(subject, LEVERS[name], device, kernels=kernels)
        off = [words.removeprefix("off: ") for words in report.values() if words.startswith("off")]
        if off and len(off) == len(report):
            say(name, f"not applied: {off[0][:REASON_CHARS]}", "", "", "", "", "")
            continue
        decibels = psnr(run.frames, plain.frames)
        every = slice(None, None, max(1, subject.frames // SSIM_FRAMES))
        say(
            name
            + (f" (without {', '.join(each for each in report if report[each].startswith('off'))})" if off else ""),
            f"{run.denoise_s:.2f} s, {plain.denoise_s / run.denoise_s:.2f} times",
            f"{run.decode_s:.2f} s, {plain.decode_s / run.decode_s:.2f} times",
            f"{run.peak_bytes / 2**30:.2f} GiB" if device.type == "cuda" else "",
            f"{first_s:.1f} s",
            "equal" if decibels == float("inf") else f"{decibels:.1f} dB",
            f"{ssim(run.frames[every], plain.frames[every]):.5f}",
        )


def grainy_clip() -> Iterator[NDArray[np.float32]]:
    """Soft shapes that drift, under the grain of a camera: neither a test pattern nor noise."""
    noise = np.random.default_rng(1)
    small = noise.random((HEIGHT // 16 + 1, (WIDTH + 2 * FRAMES) // 16 + 1, 3), dtype=np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(small).permute(2, 0, 1)[None], size=(HEIGHT, WIDTH + 2 * FRAMES), mode="bicubic"
    )
    wide = large[0].permute(1, 2, 0).numpy()
    for at in range(FRAMES):
        grain = noise.normal(0, 2 / 255, (HEIGHT, WIDTH, 3)).astype(np.float32)
        yield (wide[:, 2 * at : 2 * at + WIDTH] + grain)[None]


def measure_encoder(folder: Path) -> None:
    """Print frames a second of the encoder, by the clock and by the processor's time."""
    header(f"Encoder, {WIDTH}x{HEIGHT}x{FRAMES}", "clip", "frames/s", "frames/s by CPU time on two cores", "kB")
    chunks = list(grainy_clip())
    best_s, least_cpu_s, size = float("inf"), float("inf"), 0
    for _ in range(3):
        begun, cpu = time.perf_counter(), time.process_time()
        encoded = encode(
            iter(chunks),
            folder / "encoder.mp4",
            width=WIDTH,
            height=HEIGHT,
            fps=FPS,
            frames=FRAMES,
            metadata={},
            watch=None,
        )
        best_s = min(best_s, time.perf_counter() - begun)
        least_cpu_s, size = min(least_cpu_s, time.process_time() - cpu), encoded.size_bytes
    say("drifting, grainy", f"{FRAMES / best_s:.0f}", f"{2 * FRAMES / least_cpu_s:.0f}", size // 1000)


def measure(subject: Subject, device: torch.device, folder: Path, *, names: list[str], ends_at: float) -> None:
    """Print all about one model."""
    title = f"{subject.name}, {subject.width}x{subject.height}x{subject.frames}, {subject.dtype}".replace("torch.", "")
    header(title, "stage", "time" if device.type == "cuda" else "CPU time", "")
    plain = measure_stages(subject, device, folder)
    header(
        "Levers, plain diffusers = 1",
        "lever",
        "denoise",
        "decode",
        "peak memory",
        "first run",
        "PSNR against plain",
        "SSIM",
    )
    kernels = KernelStore(folder / "kernels")
    measure_levers(subject, plain, device, names=names, kernels=kernels, ends_at=ends_at)


def measure_all(models_dir: Path, *, levers: list[str] | None, ends_at: float) -> None:
    """The encoder, the pocket model and a tiny Wan; of levers those that are named, where no name is given all."""
    for silence in (diffusers_logging, transformers_logging):
        silence.disable_progress_bar()
        silence.set_verbosity_error()
    logging.getLogger("gpu_job").setLevel(logging.ERROR)  # what is not applied stands in the table
    device = torch.device("cpu")
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.machine()}, {os.cpu_count()} cores, load {load}, "
        f"torch {torch.__version__} ({torch.get_num_threads()} threads), diffusers {diffusers.__version__}"
    )
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        measure_encoder(Path(folder))
        for subject in (pocket(models_dir / "pocket"), wan(TINY, Path(folder) / "tiny", device)):
            measure(subject, device, Path(folder), names=levers or list(LEVERS), ends_at=ends_at)
