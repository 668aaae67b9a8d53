"""Tables of a render on a CPU. Enters: where the pocket model lies. Leave: stages, and what each lever gains.

In Markdown, of that model and of Wan's classes at toy size, line by line as soon as a figure is known.
"""

from __future__ import annotations

import logging
import os
import platform
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import diffusers
import numpy as np
import torch
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from bench.architectures import TINY
from bench.findings import Finding
from bench.likeness import psnr, ssim
from bench.render_runs import DECODED_AT_ONCE, EYE, Decoder, Nobody, measured, spec_of, tail_of
from bench.subjects import pocket, wan
from gpu_job.encoder import converted, encode
from gpu_job.kernel_store import KernelStore
from gpu_job.tail import Target, film
from shared.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bench.render_runs import Run
    from bench.subjects import Subject
    from gpu_job.encoder import Encoded

#: The levers one by one, and last those together that leave the pictures as they are.
LEVERS: dict[str, Recipe] = {
    "attention: flash 3": Recipe(attention=("_flash_3",)),
    "attention: cuDNN": Recipe(attention=("_native_cudnn",)),
    "attention: flash": Recipe(attention=("flash",)),
    "channels last": Recipe(channels_last=True),
    "fused norms": Recipe(fused_norms=True),
    "step cache 0.1": Recipe(step_cache=0.1),
    "fp8 weights": Recipe(fp8_weights=True),
    "compile": Recipe(compile=True),
    "all but step cache and fp8": Recipe(
        attention=("_flash_3", "_native_cudnn", "flash"), compile=True, channels_last=True, fused_norms=True
    ),
}
#: Encoder: as most clips are.
WIDTH, HEIGHT, FRAMES, FPS = 832, 480, 81, 16
ENCODER_RUNS = 5
#: Of why a lever is not applied.
REASON_CHARS = 80
#: Of a clip, SSIM looks at about as many.
SSIM_FRAMES = 10
#: The tail of a render as a worker does it.
TOGETHER = "decode, optics, both encoders at once"


def say(*cells: object) -> None:
    """A row of a table in Markdown."""
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def header(title: str, *cells: str) -> None:
    """A title and the head of a table."""
    print(f"\n**{title}**\n", flush=True)
    say(*cells)
    say(*["---"] * len(cells))


def measure_stages(subject: Subject, folder: Path) -> tuple[Run, list[Finding]]:
    """Print each stage of the plain path, and how far those after denoising overlap."""
    pipe, run, load_s, first_s, _ = measured(subject, Recipe(), kernels=None)
    tail = tail_of(run, subject, pipe, folder)
    overlap = tail.together_clock_s / tail.slowest_clock_s
    say("load", f"{load_s:.2f} s", "all but the text encoder" if subject.name != "pocket" else "")
    say("first run", f"{first_s:.2f} s", "prompt, denoise, decode, with what the machine does once")
    say("encode prompt", f"{run.encode_prompt_s:.2f} s", "")
    say("denoise", f"{run.denoise_s:.2f} s", f"{subject.steps} steps, guidance {subject.guidance:g}")
    say("decode", f"{run.decode_s:.2f} s", "")
    say("optics", f"{tail.see_s:.2f} s", EYE)
    say("encode", f"{tail.encode_s:.2f} s", "")
    say(
        TOGETHER,
        f"{tail.together_s:.2f} s",
        f"by the clock {tail.together_clock_s:.2f} s, {overlap:.2f} of the slowest alone",
    )
    whole_s = run.encode_prompt_s + run.denoise_s + tail.together_s
    say("end to end, warm", f"{whole_s:.2f} s", "")
    say("peak memory", f"{run.peak_bytes / 2**30:.2f} GiB", "process, so far")
    what = f"{subject.name}, {subject.width}x{subject.height}x{subject.frames}"
    return run, [
        Finding(
            what=f"{what}, prompt to both videos, seconds of a core; the floor: denoising alone",
            measured=whole_s,
            unit="s",
            floor=run.denoise_s,
        ),
        Finding(
            what=f"{what}, {TOGETHER}, by the clock; the floor: the slowest of them alone",
            measured=tail.together_clock_s,
            unit="s",
            floor=tail.slowest_clock_s,
        ),
    ]


def measure_levers(
    subject: Subject, plain: Run, *, names: list[str], kernels: KernelStore | None, ends_at: float
) -> None:
    """Print what each lever gains, and how alike its pictures are to the plain ones."""
    for name in names:
        if time.monotonic() > ends_at:
            say(name, "not measured: out of time", "", "", "", "")
            continue
        _, run, _, first_s, report = measured(subject, LEVERS[name], kernels=kernels)
        off = [words.removeprefix("off: ") for words in report.values() if words.startswith("off")]
        if off and len(off) == len(report):
            say(name, f"not applied: {off[0][:REASON_CHARS]}", "", "", "", "")
            continue
        decibels = psnr(run.frames, plain.frames)
        every = slice(None, None, max(1, subject.frames // SSIM_FRAMES))
        say(
            name
            + (f" (without {', '.join(each for each in report if report[each].startswith('off'))})" if off else ""),
            f"{run.denoise_s:.2f} s, {plain.denoise_s / run.denoise_s:.2f} times",
            f"{run.decode_s:.2f} s, {plain.decode_s / run.decode_s:.2f} times",
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
    """Print frames a second of the encoder, in one thread, and as a worker does it: converting in a second thread."""
    header(
        f"Encoder, {WIDTH}x{HEIGHT}x{FRAMES}, drifting, grainy",
        "threads beside those of x264",
        "frames/s",
        "frames/s by CPU time on two cores",
        "kB",
    )
    clip = np.concatenate(list(grainy_clip()))
    chunks = [clip[at : at + DECODED_AT_ONCE] for at in range(0, FRAMES, DECODED_AT_ONCE)]
    form = {"width": WIDTH, "height": HEIGHT, "frames": FRAMES}
    spec = spec_of(**form, fps=FPS, optics=None)
    target = Target(path=folder / "encoder.mp4", metadata={})

    def in_one() -> Encoded:
        return encode(converted(chunks, **form), target.path, **form, fps=FPS, metadata={}, watch=None)

    def in_two() -> Encoded:
        renderer = Decoder(iter(chunks))
        return film(spec, renderer=renderer, video=target, human_view=None, device="cpu", watch=Nobody()).video

    best_s, least_cpu_s, size = (dict.fromkeys(("one", "two"), float("inf")) for _ in range(3))
    for _ in range(ENCODER_RUNS):  # by turns, since a machine's speed drifts
        for name, way in (("one", in_one), ("two", in_two)):
            begun, cpu = time.perf_counter(), time.process_time()
            size[name] = way().size_bytes
            best_s[name] = min(best_s[name], time.perf_counter() - begun)
            least_cpu_s[name] = min(least_cpu_s[name], time.process_time() - cpu)
    for name in best_s:
        say(name, f"{FRAMES / best_s[name]:.0f}", f"{2 * FRAMES / least_cpu_s[name]:.0f}", f"{size[name] / 1000:.0f}")


def measure(subject: Subject, folder: Path, *, names: list[str], ends_at: float) -> list[Finding]:
    """Print all about one model."""
    title = f"{subject.name}, {subject.width}x{subject.height}x{subject.frames}, {subject.dtype}".replace("torch.", "")
    header(title, "stage", "CPU time", "")
    plain, findings = measure_stages(subject, folder)
    if not names:
        return findings
    header(
        "Levers, plain diffusers = 1",
        "lever",
        "denoise",
        "decode",
        "first run",
        "PSNR against plain",
        "SSIM",
    )
    kernels = KernelStore(folder / "kernels")
    measure_levers(subject, plain, names=names, kernels=kernels, ends_at=ends_at)
    return findings


def measure_all(models_dir: Path, *, levers: list[str] | None, ends_at: float) -> list[Finding]:
    """Print the encoder, the pocket model and a tiny Wan; of levers those that are named, or all."""
    for silence in (diffusers_logging, transformers_logging):
        silence.disable_progress_bar()
        silence.set_verbosity_error()
    logging.getLogger("gpu_job").setLevel(logging.ERROR)  # what is not applied stands in the table
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {platform.machine()}, {os.cpu_count()} cores, load {load}, "
        f"torch {torch.__version__} ({torch.get_num_threads()} threads), diffusers {diffusers.__version__}"
    )
    names = list(LEVERS) if levers is None else levers
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        measure_encoder(Path(folder))
        subjects = (pocket(models_dir / "pocket"), wan(TINY, Path(folder) / "tiny"))
        found = [measure(each, Path(folder), names=names, ends_at=ends_at) for each in subjects]
    return [finding for of_one in found for finding in of_one]
