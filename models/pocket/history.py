"""History: on what and for how long a model was trained. It lies beside the weights, and the card tells it.

Enters: the logs of a training's work folder. Leaves: ``training.json``.
"""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING

import torch

from models.pocket.checkpoints import progress_of

if TYPE_CHECKING:
    from pathlib import Path

#: Name of the file.
HISTORY = "training.json"
#: What is trained, in this order; each keeps a log of that name.
TRAINED = ("text", "decoder", "denoiser", "student")


def write_history(path: Path, work: Path, *, recipe: str, device: str) -> None:
    """Write it down."""
    parts = {}
    for part in TRAINED:
        done = progress_of(work / f"{part}.jsonl")
        if done.step:
            parts[part] = {"steps": done.step, "minutes": round(done.minutes, 1), "loss": done.loss}
    told = {"recipe": recipe, "device": _device_name(device), "torch": torch.__version__, "parts": parts}
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def read_history(path: Path) -> str:
    """A sentence or two for people; what the commands can't know may have been added by hand as ``remark``."""
    told = json.loads(path.read_text(encoding="utf-8"))
    parts = [f"{name} {each['steps']} steps in {each['minutes']:.0f} min" for name, each in told["parts"].items()]
    made = f"Trained on {told['device']}, torch {told['torch']}: {', '.join(parts)}."
    return f"{made} {told['remark']}" if "remark" in told else made


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return f"{torch.get_num_threads()} CPU cores ({platform.machine()}), no GPU"
