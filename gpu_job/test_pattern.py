"""A renderer without a model: colour bars that drift under a turning hue. Enters: a `RenderSpec`. Leaves: frames.

For tests and for looking at the path without torch. Seed and prompt decide colours, speed and direction; it reports
every "denoising" step, so it can be watched and stopped like the real one.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import numpy as np

from gpu_job.renderer import LoadTimes
from shared.documents import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.requests import RenderSpec

#: Frames handed over at a time: small, so that short clips come in several chunks too.
CHUNK_FRAMES = 4
BARS = 7


class TestPatternRenderer:
    """Implements `gpu_job.renderer.Renderer`.

    Args:
        step_s: seconds that each step takes, for whoever wants to watch it or to stop it in the middle.
    """

    __test__ = False
    device_name = "test pattern"
    load_s = 0.0
    load_times = LoadTimes()

    def __init__(self, step_s: float = 0.0) -> None:
        self._step_s = step_s

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """See `gpu_job.renderer.Renderer.render`."""
        watch.moved(Stage.LOADING, 0, 1)
        watch.moved(Stage.LOADING, 1, 1)
        for step in range(1, spec.steps + 1):
            time.sleep(self._step_s)
            watch.moved(Stage.RENDERING, step, spec.steps)
        dice = np.random.default_rng(list(hashlib.sha256(f"{spec.seed}/{spec.prompt}".encode()).digest()))
        hue = dice.random()
        turns_s = dice.uniform(0.2, 0.5) * dice.choice([-1, 1])  # screen widths a second
        for first in range(0, spec.frames, CHUNK_FRAMES):
            seconds = np.arange(first, min(first + CHUNK_FRAMES, spec.frames)) / spec.fps
            yield _bars(seconds, hue=hue, turns_s=turns_s, width=spec.width, height=spec.height)


def _bars(seconds: NDArray[np.float64], *, hue: float, turns_s: float, width: int, height: int) -> NDArray[np.float32]:
    """The frames at these times, ``(n, H, W, 3)``: hue by bar and time, brighter towards the bottom."""
    across = (np.arange(width) / width + seconds[:, None] * turns_s) % 1  # (n, W)
    bar = np.floor(across * BARS) / BARS + hue
    thirds = np.array([0, 1, 2]) / 3
    colours = 0.5 + 0.5 * np.cos(2 * np.pi * (bar[..., None] + thirds))  # (n, W, 3)
    light = np.linspace(0.35, 1, height)[:, None, None]  # (H, 1, 1)
    return (colours[:, None] * light).astype(np.float32)
