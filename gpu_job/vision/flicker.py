"""Flicker: what changes too fast for an eye runs together. Enters: frames. Leaves: frames.

The change of every pixel in time is multiplied by ``exp(-3.56 (f / fusion)²)``: at the frequency where flicker fuses 3
% of its contrast is left, as at the limit of acuity in `gpu_job.vision.acuity`, whose weights these are. That shape is
an estimate; the frequency has a source. A clip of so many frames a second holds nothing above half of that: most
animals' eyes are faster, what they see beyond a clip is not in it, and a clip passes the fastest unchanged.
The first and the last frame go on for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpu_job.vision.acuity import deviation, weights

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import torch


def run_together(chunks: Iterable[torch.Tensor], *, fusion_hz: float, fps: float) -> Iterator[torch.Tensor]:
    """Chunks of frames ``(n, C, H, W)`` as an eye sees them whose flicker fuses at that frequency; in other chunks.

    As many come out as went in, some of them later: each needs its neighbours.

    Raises:
        ValueError: a frequency or rate that is not above 0.
    """
    if not (fusion_hz > 0 and fps > 0):
        msg = f"Flicker fusion ({fusion_hz}) and frame rate ({fps}) must be above 0."
        raise ValueError(msg)
    near = weights(deviation(fusion_hz) * fps).tolist()
    reach = len(near) // 2
    held: list[torch.Tensor] = []  # the frames from `reach` before the next one on
    for chunk in chunks:
        held += chunk if held else [chunk[0]] * reach + list(chunk)
        if len(held) > 2 * reach:
            yield _mixed(held, near)
            held = held[len(held) - 2 * reach :]
    if held and reach:
        yield _mixed(held + [held[-1]] * reach, near)


def _mixed(frames: list[torch.Tensor], near: list[float]) -> torch.Tensor:
    """All frames that have a neighbour for each weight."""
    seen = frames[0].new_zeros(len(frames) - len(near) + 1, *frames[0].shape)
    for first, mixed in enumerate(seen):
        for frame, weight in zip(frames[first:], near, strict=False):
            mixed.add_(frame, alpha=weight)
    return seen
