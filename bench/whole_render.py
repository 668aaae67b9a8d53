"""One clip from its prompt to its videos, as a worker makes it. Enters: a journal. Leaves: seconds by stage.

Everything is what a worker runs: the catalogue's entry with its recipe, `gpu_job.diffusers_renderer`, the eye, both
encoders, the threads between them. Only loading hands over weights that are made on the device instead of read.
"""

from __future__ import annotations

import functools
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

from transformers import ByT5Tokenizer

from bench.render_runs import EYE, PROMPT, Nobody, spec_of
from gpu_job import loaded_models
from gpu_job.diffusers_renderer import DiffusersRenderer
from gpu_job.tail import Target, film
from shared.models import models
from shared.recipes import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from diffusers import WanPipeline

    from bench.architectures import Architecture
    from bench.journal import Journal
    from shared.requests import RenderSpec

#: The catalogue's entry whose recipe is taken.
ENTRY: Final = "wan2.1-t2v-1.3b"
#: What a first and a later clip are thought to take.
FIRST_S, LATER_S = 60.0, 8.0
#: Later clips that are measured.
WARM: Final = 3


def measure_whole(journal: Journal, architecture: Architecture, device: torch.device) -> None:
    """A first clip, and some later ones, with the catalogue's levers and then without."""
    entry = models()[ENTRY]
    for name, recipe in (("whole, the catalogue's recipe", entry.recipe), ("whole, no recipe", Recipe())):
        _measure_with(recipe, name, journal, architecture, device)
    journal.note("end")


def _measure_with(
    recipe: Recipe, name: str, journal: Journal, architecture: Architecture, device: torch.device
) -> None:
    spec = spec_of(
        model=ENTRY,
        width=architecture.width,
        height=architecture.height,
        frames=architecture.frames,
        fps=architecture.fps,
        steps=architecture.steps,
        guidance=1.0,
        prompt=PROMPT,
        dtype=models()[ENTRY].dtype,
        recipe=recipe,
    )
    made_here = functools.partial(pipeline, architecture, device)
    with mock.patch.object(loaded_models, "load_pipeline", side_effect=lambda *_args, **_kwargs: made_here()):
        renderer = DiffusersRenderer(Path("none"), device=str(device))
        made = functools.partial(make, renderer, spec)
        if journal.attempt(f"{name}: first", made, takes_s=FIRST_S):
            for _ in range(WARM):
                journal.attempt(f"{name}: later", made, takes_s=LATER_S)


def pipeline(architecture: Architecture, device: torch.device) -> WanPipeline:
    """With its text encoder, on the device."""
    pipe = architecture.pipeline_without_reader(device.type)
    pipe.register_modules(tokenizer=ByT5Tokenizer(extra_ids=0), text_encoder=architecture.reader(device.type))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def make(renderer: DiffusersRenderer, spec: RenderSpec) -> dict[str, Any]:
    """Both videos, into a folder that does not stay."""
    with tempfile.TemporaryDirectory() as name:
        paths: Sequence[Path] = [Path(name) / each for each in ("video.mp4", "human-view.mp4")]
        video, human_view = (Target(path=path, metadata={}) for path in paths)
        begun = time.monotonic()
        found = film(spec, renderer=renderer, video=video, human_view=human_view, device=None, watch=Nobody())
        whole_s = time.monotonic() - begun
        sizes = [path.stat().st_size for path in paths]
    account = renderer.account
    return {
        "whole_s": whole_s,
        **{f"{stage}_s": taken for stage, taken in {**account.seconds, **found.seconds}.items() if stage != "whole"},
        "eye": EYE,
        "levers": dict(account.acceleration),
        "video_bytes": sizes[0],
        "human_view_bytes": sizes[1],
        "peak_memory_gib": account.peak_memory_bytes / 2**30 if account.peak_memory_bytes else None,
    }
