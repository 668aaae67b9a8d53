"""Checkpoints: how far a training is, in one file that is there wholly or not at all."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".draft")
    torch.save(state, draft)
    draft.replace(path)


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint; None when there is none."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


class Progress:
    """Says how a training goes: a line on the terminal every so often, and a line of JSON in a file.

    Args:
        path: of the file.
        steps: there are in all.
        every_s: seconds between two lines.
    """

    def __init__(self, path: Path, *, steps: int, every_s: float = 20.0) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._steps = steps
        self._every_s = every_s
        self._since = time.monotonic()
        self._losses: list[float] = []

    def heard(self, step: int, loss: float) -> None:
        """One step more is done."""
        self._losses.append(loss)
        took_s = time.monotonic() - self._since
        if took_s < self._every_s and step < self._steps:
            return
        mean, rate = sum(self._losses) / len(self._losses), len(self._losses) / max(1e-9, took_s)
        left_min = (self._steps - step) / rate / 60
        print(
            f"{self._path.stem}: {step} of {self._steps}  loss {mean:.4f}  {rate:.2f}/s  {left_min:.0f} min left",
            flush=True,
        )
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "loss": round(mean, 5), "steps_per_s": round(rate, 3)}) + "\n")
        self._since, self._losses = time.monotonic(), []
