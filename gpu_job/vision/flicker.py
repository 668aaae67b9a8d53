"""Flicker: what changes too fast for an eye runs together. Enters: frames. Leaves: frames.

The change of every pixel in time is multiplied by ``exp(-3.56 (f / fusion)²)``: at the frequency where flicker fuses 3
% of its contrast is left, as at the limit of acuity in `gpu_job.vision.acuity`. That shape is an estimate; the
frequency has a source. A clip of so many frames a second holds nothing above half of that: most animals' eyes are
faster, and what they see beyond a clip is not in it.
The first and the last frame go on for ever.
"""

from __future__ import annotations

from math import ceil, exp, pi, sqrt
from typing import TYPE_CHECKING

import torch

from gpu_job.vision.acuity import FALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: Weights are cut off so many standard deviations from the middle.
REACH = 3.0


def run_together(chunks: Iterable[torch.Tensor], *, fusion_hz: float, fps: float) -> Iterator[torch.Tensor]:
    """Chunks of frames ``(n, H, W, 3)`` as an eye sees them whose flicker fuses at that frequency; in other chunks.

    Raises:
        ValueError: a frequency or rate that is not above 0.
    """
    if fusion_hz <= 0 or fps <= 0:
        msg = f"Flicker fusion ({fusion_hz}) and frame rate ({fps}) must be above 0."
        raise ValueError(msg)
    sigma = sqrt(FALL / 2) / pi / fusion_hz * fps
    reach = ceil(REACH * sigma)
    weights = [exp(-0.5 * (offset / sigma) ** 2) for offset in range(-reach, reach + 1)]
    held: list[torch.Tensor] = []  # the frames from `reach` before the next one on
    for chunk in chunks:
        held += chunk if held else [chunk[0]] * reach + list(chunk)
        if len(held) > 2 * reach:
            yield _mixed(held, weights)
            held = held[-2 * reach :]
    if held:
        yield _mixed(held + [held[-1]] * reach, weights)


def _mixed(frames: list[torch.Tensor], weights: list[float]) -> torch.Tensor:
    """All frames that have a neighbour for each weight."""
    count = len(frames) - len(weights) + 1
    seen = torch.stack([torch.zeros_like(frames[0])] * count)
    for offset, weight in enumerate(weights):
        seen += weight / sum(weights) * torch.stack(frames[offset : offset + count])
    return seen
