"""Evaluation: does a clip show what its prompt says? A probe that never saw a drawn clip reads it.

    python -m models.pocket.evaluation --model FOLDER --work FOLDER

Prints a table, and writes it as JSON where ``--out`` says. The first run trains the probe (some minutes on two cores).
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from gpu_job.pocket.pipeline import PocketPipeline
from models.pocket.drawing import drawn
from models.pocket.probe import CLIPS, accuracy, real_clips, train_probe
from models.pocket.recipe import WEIGHTS, ClipShape
from models.pocket.scenes.held_out import held_out_prompts
from models.pocket.scenes.painter import LAYOUTS
from shared.models import models

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Seed of prompts and noise.
SEED = 2024
#: Prompts that each get several seeds, and how many.
VARIED_PROMPTS, VARIETIES = 20, 4


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was found."""

    #: Clips that were drawn of prompts that training has not seen.
    prompts: int
    steps: int
    guidance: float
    #: Part of the drawn clips where the probe reads what the prompt says, by attribute.
    accuracy: dict[str, float]
    #: The same of painted clips that the probe has not seen: more can't be read.
    accuracy_on_painted: dict[str, float]
    #: Mean absolute second difference in time of drawn clips by that of painted ones: 1 is as smooth as painted.
    jerk_ratio: float
    #: Mean absolute difference between clips of one prompt and several seeds, by that of painted ones.
    variety_ratio: float
    #: Seconds a clip, drawn one at a time.
    seconds_a_clip: float


def evaluate(pipe: PocketPipeline, *, work: Path, prompts: int, steps: int, guidance: float) -> Evaluation:
    """Draw clips of unseen prompts and read them."""
    shape = ClipShape(
        width=pipe.config.width,
        height=pipe.config.height,
        frames=pipe.config.num_frames,
        fps=16,
        supersampling=2,
        layouts=LAYOUTS,
    )
    probe = train_probe(work, shape)
    painted_clips, painted_scenes = real_clips(work / "probe-clips.npy", shape)
    test, test_scenes = painted_clips[CLIPS:], painted_scenes[CLIPS:]
    asked = held_out_prompts(prompts, SEED)
    clips = drawn(pipe, [prompt for prompt, _ in asked], seed=SEED, steps=steps, guidance=guidance)
    varied = np.stack(
        [
            drawn(pipe, [prompt] * VARIETIES, seed=SEED + number, steps=steps, guidance=guidance)
            for number, (prompt, _) in enumerate(asked[:VARIED_PROMPTS])
        ]
    )
    begun = time.perf_counter()
    for prompt, _ in asked[:3]:
        drawn(pipe, [prompt], seed=SEED, steps=steps, guidance=guidance)
    seconds_a_clip = (time.perf_counter() - begun) / 3
    small = _small(clips, test.shape[2])
    by_place = [
        test[[scene.place is place for scene in test_scenes]][:VARIETIES] for place in {s.place for s in test_scenes}
    ]
    return Evaluation(
        prompts=prompts,
        steps=steps,
        guidance=guidance,
        accuracy=accuracy(probe.read(clips), [scene for _, scene in asked]),
        accuracy_on_painted=accuracy(probe.read(test), test_scenes),
        jerk_ratio=_jerk(small) / _jerk(test),
        variety_ratio=float(np.mean([_difference(_small(v, test.shape[2])) for v in varied]))
        / float(np.mean([_difference(each) for each in by_place])),
        seconds_a_clip=seconds_a_clip,
    )


def _small(clips: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    video = torch.from_numpy(clips).flatten(0, 1).permute(0, 3, 1, 2).float()
    shrunk = torch.nn.functional.interpolate(video, (size, size), mode="area").permute(0, 2, 3, 1)
    return shrunk.round().byte().view(*clips.shape[:2], size, size, 3).numpy()


def _jerk(clips: NDArray[np.uint8]) -> float:
    return float(np.abs(np.diff(clips.astype(np.float32), n=2, axis=1)).mean())


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
    parser.add_argument("--prompts", type=int, default=500)
    entry = models()["pocket"]
    parser.add_argument("--steps", type=int, default=entry.steps, help="(default: the catalogue's)")
    parser.add_argument("--guidance", type=float, default=entry.guidance, help="(default: the catalogue's)")
    parser.add_argument("--out", type=Path, help="JSON file")
    arguments = parser.parse_args()
    pipe = PocketPipeline.from_pretrained(arguments.model, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    found = evaluate(
        pipe, work=arguments.work, prompts=arguments.prompts, steps=arguments.steps, guidance=arguments.guidance
    )
    text = json.dumps(asdict(found), indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
