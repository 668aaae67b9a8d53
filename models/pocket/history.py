"""History: on what and for how long a model was trained. It lies beside the weights, and the card tells it.

Enters: the logs of a training's work folder. Leaves: ``training.json``.
"""

from __future__ import annotations

import json
import platform
from typing import TYPE_CHECKING, Any

import torch

from models.pocket.checkpoints import progress_of

if TYPE_CHECKING:
    from pathlib import Path

#: Name of the file.
HISTORY = "training.json"
#: In the work folder: the history of the model whose weights it began with, where there is one.
BEFORE = "began-with.json"
#: What is trained, in this order; each keeps a log of that name.
TRAINED = ("text", "denoiser", "student")


def write_history(path: Path, work: Path, *, recipe: str, device: str) -> None:
    """Write it down."""
    parts = {}
    for part in TRAINED:
        done = progress_of(work / f"{part}.jsonl")
        if done.step:
            parts[part] = {"steps": done.step, "minutes": round(done.minutes, 1), "loss": done.loss}
    told: dict[str, object] = {
        "recipe": recipe,
        "device": _device_name(device),
        "torch": torch.__version__,
        "parts": parts,
    }
    if (work / BEFORE).exists():
        told["began_with"] = json.loads((work / BEFORE).read_text(encoding="utf-8"))
    path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def recipe_of(path: Path) -> str:
    """The name of the recipe that the model was trained by."""
    return str(json.loads(path.read_text(encoding="utf-8"))["recipe"])


def read_history(path: Path) -> str:
    """Some sentences for people, of the weights that it began with, too."""
    return _told(json.loads(path.read_text(encoding="utf-8")))


def _told(told: dict[str, Any]) -> str:
    parts = [f"{name} {each['steps']} steps in {each['minutes']:.0f} min" for name, each in told["parts"].items()]
    made = f"trained on {told['device']}, torch {told['torch']}: {', '.join(parts)}."
    if "began_with" in told:
        made += f" It began with weights that were {_told(told['began_with'])}"
    return f"{made} {told['remark']}" if "remark" in told else made


def _device_name(device: str) -> str:
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return f"{torch.get_num_threads()} CPU cores ({platform.machine()}), no GPU"
