"""``lifeasnotme rerender``: a video made again. Enters: its receipt. Leaves: a video, and how alike the two are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import ValidationError

from gpu_job.diffusers_renderer import DiffusersRenderer
from gpu_job.making import software
from gpu_job.pictures import read_frames
from gpu_job.tail import Target, film
from shared.errors import LifeAsNotMeError
from shared.models import models
from shared.optics import OPTICS_VERSION
from shared.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from shared.documents import Stage

#: Frames that differ by less than this, in decibels, are told apart by nobody.
ALIKE_DB = 40.0
#: A receipt has some kilobytes.
MAX_RECEIPT_BYTES = 1_000_000


class NotRerenderedError(Exception):
    """The video can't be made again; the message says why, for people, in one line."""


def read_receipt(path: Path) -> Receipt:
    """The receipt in a file.

    Raises:
        NotRerenderedError: it holds none, or one of another release.
    """
    try:
        if path.stat().st_size > MAX_RECEIPT_BYTES:
            raise NotRerenderedError(f"{path} is no receipt: it is far too large.")
        return Receipt.model_validate_json(path.read_bytes())
    except OSError as exc:
        raise NotRerenderedError(f"{path} can't be read: {exc.strerror}.") from exc
    except ValidationError as exc:
        faults = [(".".join(map(str, each["loc"])), each["msg"]) for each in exc.errors()]
        if any(not field for field, _ in faults):
            raise NotRerenderedError(f"{path} is no receipt: it is no JSON object.") from exc
        named = "; ".join(f"{field}: {message[0].lower()}{message[1:]}" for field, message in faults[:3])
        more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""  # noqa: PLR2004 - as many as are named
        raise NotRerenderedError(f"{path} is no receipt that this release can read: {named}{more}.") from exc


def rerender(
    receipt: Receipt, output: Path, *, models_dir: Path, moved: Callable[[Stage, int, int], None]
) -> list[str]:
    """Render again what a receipt describes, as the creature sees it.

    Args:
        receipt: of the video.
        output: the new video; replaced if it exists.
        models_dir: where models lie that do not come from the hub.
        moved: hears how far it is.

    Returns:
        What is not as it was, a sentence each: why the frames may not be equal.

    Raises:
        NotRerenderedError: the model is unknown or its weights are missing, or it can't be rendered here.
    """
    spec = receipt.spec
    if spec.optics_version > OPTICS_VERSION:
        raise NotRerenderedError("The receipt is of a newer release, whose eye this one does not have; update first.")
    try:
        renderer = DiffusersRenderer(models_dir)
        film(
            spec,
            renderer=renderer,
            video=Target(path=output, metadata={"comment": f"Made by AI. render_key={receipt.render_key}"}),
            human_view=None,
            device=None,
            watch=_Told(moved),
        )
    except LifeAsNotMeError as exc:
        raise NotRerenderedError(str(exc)) from exc
    return differences(receipt, device=renderer.device_name)


def differences(receipt: Receipt, *, device: str) -> list[str]:
    """What this machine has otherwise than the one of a receipt, a sentence each."""
    here, found = software(), []
    if receipt.usage.device != device:
        found.append(f"It was rendered on {receipt.usage.device}, and now on {device}.")
    found += [
        f"{name} was {was}, and is {here[name]}."
        for name, was in sorted(receipt.software.items())
        if here.get(name, was) != was
    ]
    if receipt.optics_version not in {0, OPTICS_VERSION}:
        found.append(f"The eye's version was {receipt.optics_version}, and is {OPTICS_VERSION}.")
    spec, known = receipt.spec, models().get(receipt.spec.model)
    if known and known.source == spec.model_source and known.revision != spec.model_revision:
        found.append(f"The model's revision was {spec.model_revision}, and the catalogue has {known.revision}.")
    return found


def compare(one: Path, other: Path) -> tuple[bool, str]:
    """Whether two videos have equal frames, and a sentence about it.

    Raises:
        NotRerenderedError: one of them is no video.
    """
    ours, theirs = _frames(one), _frames(other)
    if ours.shape != theirs.shape:
        return False, f"They can't be compared: {_form(ours)}, and {other} has {_form(theirs)}."
    if np.array_equal(ours, theirs):
        return True, f"All {len(ours)} frames are equal to those of {other}."
    differ = sum(not np.array_equal(mine, its) for mine, its in zip(ours, theirs, strict=True))
    error = np.mean([((mine.astype(float) - its) ** 2).mean() for mine, its in zip(ours, theirs, strict=True)])
    psnr_db = float(10 * np.log10(255**2 / error))
    seen = "nobody can tell them apart" if psnr_db >= ALIKE_DB else "which can be seen"
    return False, f"{differ} of {len(ours)} frames differ from those of {other}: PSNR {psnr_db:.1f} dB, {seen}."


def _frames(path: Path) -> NDArray[np.uint8]:
    try:
        return read_frames(path)
    except (OSError, ValueError, IndexError) as exc:  # FFmpeg's errors are OSErrors too; others: no stream, no frame
        raise NotRerenderedError(f"{path} is no video that can be read.") from exc


def _form(frames: NDArray[np.uint8]) -> str:
    count, height, width, _ = frames.shape
    return f"{count} frames of {width}x{height}"


class _Told:
    """A watch that hears of movement and stops nothing."""

    def __init__(self, moved: Callable[[Stage, int, int], None]) -> None:
        self._moved = moved

    def moved(self, stage: Stage, done: int, total: int) -> None:
        self._moved(stage, done, total)

    def previewed(self, path: str) -> None:
        """Nobody waits for a preview."""
