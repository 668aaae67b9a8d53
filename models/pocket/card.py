"""The model card: what the model is, how it was made, how good it is, what it can't do. Written by a command.

    python -m models.pocket.card

Enters: the model's folder, and in it what `models.pocket.evaluation` found of it and of the model that taught it, and
how it was trained. Leaves: ``README.md`` there, and contact sheets: one of the perspectives that a place was painted
for, one of each perspective.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from gpu_job.pocket.pipeline import PocketPipeline
from models.pocket.drawing import drawn
from models.pocket.history import HISTORY, read_history
from models.pocket.recipe import RECIPES, WEIGHTS
from models.pocket.scenes.default_scenes import PERSPECTIVE_OF
from models.pocket.sheets import write_sheet
from shared.perspectives import perspectives

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Of those that a place was painted for, and of each: below the model's folder.
SHEET, SHEETS = "perspectives.jpg", "sheets"
#: What was found of the model as it is used; others of that pattern are for comparison.
FOUND, OTHERS = "evaluation.json", "evaluation-*.json"
SEED = 7
#: The model's folder, as commands name it.
WEIGHTS_SHOWN = "models/weights/pocket"

TEMPLATE = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
---

# Pocket: a text-to-video model of {size_mb:.0f} MB

{width}x{height} pixels, {frames} frames at 16 fps, {steps} steps, {seconds:.1f} s a clip on two CPU cores.
It draws what a procedural painter has shown it, soft and toy-like: eight places, each as one creature sees it, four
times of day, four weathers, eight things in seven colours, five motions. It is no model of the real world. Words that
it was not taught count for nothing.

![One clip of each place]({sheet})

| perspective | prompt of its first clip | all its default scenes |
|---|---|---|
{prompts}

## How good it is

{prompts_count} prompts that training has not seen (other templates; half of them with combinations of place, thing and
colour that it has never seen), read by a probe that learned from painted scenes alone:

{found}

    make pocket-evaluation

## How it was made

{commands}

It was {made}

All scenes are painted by code of this repository (`models/pocket/scenes`): there is no data set, and nobody's pictures
are in it. Recipe:

```toml
{recipe_text}```

## What it can't do

- Anything that is not in the lists above: other animals, people, text, faces, several things at once.
- Fine detail: a patch of {patch}x{patch} pixels and four frames is {channels} numbers.
- Other sizes than its own.
"""


def write_card(folder: Path) -> None:
    """Write the card and its sheets into a model's folder, from what `FOUND`, `OTHERS` and `HISTORY` in it tell."""
    found, history = (json.loads((folder / name).read_text(encoding="utf-8")) for name in (FOUND, HISTORY))
    others = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(OTHERS))]
    recipe = history["recipe"]
    pipe = PocketPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    (folder / SHEETS).mkdir(exist_ok=True)
    overview, rows = [], []
    for each in perspectives().values():
        prompts = [each.prompt.replace("{scene}", scene) for scene in each.scenes]
        clips = drawn(pipe, prompts, seed=SEED, steps=found["steps"], guidance=found["guidance"])
        write_sheet(folder / SHEETS / f"{each.id}.jpg", list(zip(each.scenes, clips, strict=True)), title=each.name)
        if each.id in PERSPECTIVE_OF.values():
            overview.append((f"{each.name}: {each.scenes[0]}", clips[0]))
        rows.append((each.id, prompts[0], f"[{each.id}.jpg]({SHEETS}/{each.id}.jpg)"))
    write_sheet(folder / SHEET, overview)
    size = sum(each.stat().st_size for each in folder.rglob("*.safetensors"))
    card = TEMPLATE.format(
        size_mb=size / 1e6,
        width=pipe.config.width,
        height=pipe.config.height,
        frames=pipe.config.num_frames,
        steps=found["steps"],
        seconds=found["seconds_a_clip"],
        sheet=SHEET,
        prompts=_table(rows),
        prompts_count=found["prompts"],
        found=_comparison([found, *others]),
        commands=_commands(history),
        made=read_history(folder / HISTORY),
        recipe_text=(RECIPES / f"{recipe}.toml").read_text(encoding="utf-8"),
        channels=pipe.vae.config.latent_channels,
        patch=pipe.vae.config.patch_size,
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def _commands(history: dict[str, Any]) -> str:
    """What was run, the latest training last."""
    before, begun = "", ""
    if "began_with" in history:
        before, begun = _commands(history["began_with"]) + "\n", f" --begin-with {WEIGHTS_SHOWN}"
    recipe = history["recipe"]
    return f"{before}    python -m models.pocket.train --recipe {recipe} --work {recipe}{begun} --out {WEIGHTS_SHOWN}"


def _comparison(columns: Sequence[dict[str, Any]]) -> str:
    """A column for each of some evaluations, and one for what can be read of painted clips."""
    head = ["", *(f"{each['steps']} steps, guidance {each['guidance']:g}" for each in columns), "painted clips"]
    painted = columns[0]["accuracy_on_painted"]
    rows = [head, ["---"] * len(head)]
    for name in painted:
        read = [each["accuracy"][name] for each in columns]
        rows.append([name.replace("_", " "), *(f"{part:.1%}" for part in (*read, painted[name]))])
    for name, label in (
        ("jerk_ratio", "jerk (second difference in time), of painted clips'"),
        ("variety_ratio", "difference between seeds, of that between painted clips of a scene"),
    ):
        rows.append([label, *(f"{each[name]:.2f}" for each in columns), "1"])
    decibels = (f"{columns[0]['components_db']:.1f} dB", f"{columns[0]['autoencoder_db']:.1f} dB")
    rows.append(["there and back: components alone, whole", *[""] * len(columns), ", ".join(decibels)])
    rows.append(["seconds a clip", *(f"{each['seconds_a_clip']:.2f}" for each in columns), ""])
    return _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m models.pocket.card", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", type=Path, default=WEIGHTS, help="folder of the model")
    folder = parser.parse_args().model
    try:
        write_card(folder)
    except FileNotFoundError as exc:
        sys.exit(f"{exc.filename} is missing: run `make pocket` and `make pocket-evaluation` first.")


if __name__ == "__main__":
    main()
