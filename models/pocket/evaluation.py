"""Evaluation: does a clip show what its prompt says? A probe that never saw a drawn clip reads it.

    python -m models.pocket.evaluation --model FOLDER --work FOLDER

Prints what it finds as JSON, and writes it where ``--out`` says. The first run paints and trains the probe
(twenty minutes on two cores).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpu_job.pocket.pipeline import PocketPipeline
from models.pocket.autoencoder_training import quality_db
from models.pocket.clips import painted, painted_once
from models.pocket.drawing import drawn
from models.pocket.history import HISTORY, recipe_of
from models.pocket.probe import accuracy, train_probe
from models.pocket.recipe import WEIGHTS, read_recipe
from models.pocket.scenes.held_out import held_out_prompts
from shared.models import models

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.pocket.recipe import ClipShape

#: Seed of prompts and noise.
SEED = 2024
#: Prompts that each get several seeds, and how many.
VARIED_PROMPTS, VARIETIES = 20, 4
#: Painted clips that go through the autoencoder and back.
RETURNED = 40
#: Prompts that are drawn one by one against the clock.
TIMED = 5


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was found."""

    #: Clips that were drawn of prompts that training has not seen.
    prompts: int
    steps: int
    guidance: float
    #: Part of the drawn clips where the probe reads what the prompt says, by attribute.
    accuracy: dict[str, float]
    #: The same of painted clips of the same scenes, which the probe has not seen: more can't be read.
    accuracy_on_painted: dict[str, float]
    #: Peak signal-to-noise ratio of painted clips, there and back by the autoencoder's components alone, and whole.
    components_db: float
    autoencoder_db: float
    #: Mean absolute second difference in time of drawn clips by that of painted ones: 1 is as smooth as painted.
    jerk_ratio: float
    #: Mean absolute difference between clips of one prompt and several seeds, by that of painted ones of that scene.
    variety_ratio: float
    #: Seconds a clip, drawn one at a time by the CPU.
    seconds_a_clip: float


def evaluate(
    pipe: PocketPipeline, *, shape: ClipShape, work: Path, prompts: int, steps: int, guidance: float
) -> Evaluation:
    """Draw clips of unseen prompts and read them; paint the same scenes and read these too.

    Where the pipeline is on a GPU, that paints too; the clips against the clock are drawn by the CPU in any case.
    """
    device = pipe.device
    probe = train_probe(work, shape)
    asked = held_out_prompts(prompts, SEED)
    scenes = [scene for _, scene in asked]
    clips = drawn(pipe, [prompt for prompt, _ in asked], seed=SEED, steps=steps, guidance=guidance)
    asked_for = work / f"asked-{prompts}-{shape.width}x{shape.height}x{shape.frames}.npy"
    real = painted_once(asked_for, scenes, shape, device)
    varied = [
        drawn(pipe, [prompt] * VARIETIES, seed=SEED + number, steps=steps, guidance=guidance)
        for number, (prompt, _) in enumerate(asked[:VARIED_PROMPTS])
    ]
    others = [replace(each, seed=each.seed + n) for each in scenes[:VARIED_PROMPTS] for n in range(VARIETIES)]
    repainted = torch.stack(list(painted(others, shape, device))).cpu().numpy().reshape(-1, VARIETIES, *real.shape[1:])
    components_db, autoencoder_db = quality_db(pipe.vae, torch.from_numpy(np.array(real[:RETURNED])))
    pipe.to("cpu")
    begun = time.perf_counter()
    for prompt, _ in asked[:TIMED]:
        drawn(pipe, [prompt], seed=SEED, steps=steps, guidance=guidance)
    seconds_a_clip = (time.perf_counter() - begun) / TIMED
    return Evaluation(
        prompts=prompts,
        steps=steps,
        guidance=guidance,
        accuracy=accuracy(probe.read(clips), scenes),
        accuracy_on_painted=accuracy(probe.read(real), scenes),
        components_db=components_db,
        autoencoder_db=autoencoder_db,
        jerk_ratio=_jerk(clips) / _jerk(real),
        variety_ratio=float(np.mean([_difference(each) for each in varied]))
        / float(np.mean([_difference(each) for each in repainted])),
        seconds_a_clip=seconds_a_clip,
    )


def _jerk(clips: NDArray[np.uint8]) -> float:
    return float(np.mean([np.abs(np.diff(clip.astype(np.float32), n=2, axis=0)).mean() for clip in clips]))


def _difference(clips: NDArray[np.uint8]) -> float:
    """Mean absolute difference between any two of these clips."""
    values = clips.astype(np.float32)
    pairs = [(a, b) for a in range(len(values)) for b in range(a)]
    return float(np.mean([np.abs(values[a] - values[b]).mean() for a, b in pairs]))


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m models.pocket.evaluation", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="folder of the model")
    parser.add_argument("--work", type=Path, required=True, help="folder for the probe and its clips; about 2 GB")
    parser.add_argument("--recipe", help="that it was trained by (default: what the model tells)")
    parser.add_argument("--prompts", type=int, default=500)
    entry = models()["pocket"]
    parser.add_argument("--steps", type=int, default=entry.steps, help="(default: the catalogue's)")
    parser.add_argument("--guidance", type=float, default=entry.guidance, help="(default: the catalogue's)")
    parser.add_argument("--device", default="cpu", help="to draw and paint on (default: cpu)")
    parser.add_argument("--out", type=Path, help="JSON file")
    arguments = parser.parse_args()
    pipe = PocketPipeline.from_pretrained(arguments.model, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    pipe.to(arguments.device)
    found = evaluate(
        pipe,
        shape=read_recipe(arguments.recipe or recipe_of(arguments.model / HISTORY)).clip,
        work=arguments.work,
        prompts=arguments.prompts,
        steps=arguments.steps,
        guidance=arguments.guidance,
    )
    text = json.dumps(asdict(found), indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
