"""Checkpoints: how far a training is, in a folder that is there wholly or not at all.

In pieces, since some ways home from a lent machine take no large files.
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator


#: Of a piece.
PIECE_BYTES = 14_000_000


def save(folder: Path, state: dict[str, Any]) -> None:
    """Replace the checkpoint."""
    file = io.BytesIO()
    torch.save(state, file)
    whole = file.getbuffer()
    with replaced(folder) as draft:
        for number, start in enumerate(range(0, len(whole), PIECE_BYTES)):
            (draft / f"piece-{number:04d}").write_bytes(whole[start : start + PIECE_BYTES])


def load(folder: Path) -> dict[str, Any] | None:
    """The checkpoint; None when there is none."""
    pieces = sorted(folder.glob("piece-*"))
    if not pieces:
        return None
    file = io.BytesIO(b"".join(piece.read_bytes() for piece in pieces))
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder to write into, which takes the place of the old one when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        draft = workshop / "new"
        draft.mkdir()
        yield draft
        if folder.exists():
            folder.replace(workshop / "old")
        draft.replace(folder)
    finally:
        shutil.rmtree(workshop, ignore_errors=True)


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
        self._losses: list[torch.Tensor] = []

    def heard(self, step: int, loss: torch.Tensor) -> None:
        """One step more is done. Nothing waits for the device that computes its loss, but for now and then."""
        self._losses.append(loss.detach())
        took_s = time.monotonic() - self._since
        if took_s < self._every_s and step < self._steps:
            return
        mean = torch.stack(self._losses).mean().item()
        rate = len(self._losses) / max(1e-9, time.monotonic() - self._since)
        left_min = (self._steps - step) / rate / 60
        print(
            f"{self._path.stem}: {step} of {self._steps}  loss {mean:.4f}  {rate:.2f}/s  {left_min:.0f} min left",
            flush=True,
        )
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "loss": round(mean, 5), "steps_per_s": round(rate, 3)}) + "\n")
        self._since, self._losses = time.monotonic(), []


@dataclass(frozen=True, kw_only=True)
class Done:
    """How far a part of a training is."""

    step: int
    minutes: float
    #: Mean of the last steps.
    loss: float | None


def progress_of(path: Path) -> Done:
    """What a `Progress` wrote there."""
    if not path.exists():
        return Done(step=0, minutes=0.0, loss=None)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    seconds, before = 0.0, 0
    for line in lines:
        seconds += max(0, line["step"] - before) / line["steps_per_s"]
        before = line["step"]
    return Done(step=before, minutes=seconds / 60, loss=lines[-1]["loss"])
