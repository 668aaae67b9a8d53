"""A renderer without a model: colour bars that drift under a turning hue. Enters: a `RenderSpec`. Leaves: frames.

For tests and for looking at the path without torch. Seed and prompt decide colours, speed and direction; it reports
every "denoising" step, so it can be watched and stopped like the real one.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING

import numpy as np

from gpu_job.renderer import Account
from shared.documents import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.requests import RenderSpec

#: A sketch has so many times fewer pixels along each edge.
SKETCH_SCALE = 4
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
    account = Account()

    def __init__(self, step_s: float = 0.0) -> None:
        self._step_s = step_s
        self._spec: RenderSpec | None = None

    def sketch(self) -> NDArray[np.float32] | None:
        """See `gpu_job.renderer.Renderer.sketch`: the middle frame with fewer pixels."""
        if self._spec is None:
            return None
        middle_s = np.array([self._spec.frames // 2 / self._spec.fps])
        width, height = self._spec.width // SKETCH_SCALE, self._spec.height // SKETCH_SCALE
        frames = _bars(middle_s, **_dice(self._spec), width=width, height=height)
        return frames.reshape(height, width, 3)

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        """See `gpu_job.renderer.Renderer.render`."""
        self._spec = spec
        watch.moved(Stage.LOADING, 0, 1)
        watch.moved(Stage.LOADING, 1, 1)
        for step in range(1, spec.steps + 1):
            time.sleep(self._step_s)
            watch.moved(Stage.RENDERING, step, spec.steps)
        looks = _dice(spec)
        for first in range(0, spec.frames, CHUNK_FRAMES):
            seconds = np.arange(first, min(first + CHUNK_FRAMES, spec.frames)) / spec.fps
            yield _bars(seconds, **looks, width=spec.width, height=spec.height)


def _dice(spec: RenderSpec) -> dict[str, float]:
    """What seed and prompt decide: hue, and turns in screen widths a second."""
    dice = np.random.default_rng(list(hashlib.sha256(f"{spec.seed}/{spec.prompt}".encode()).digest()))
    return {"hue": dice.random(), "turns_s": dice.uniform(0.2, 0.5) * dice.choice([-1, 1])}


def _bars(seconds: NDArray[np.float64], *, hue: float, turns_s: float, width: int, height: int) -> NDArray[np.float32]:
    """The frames at these times, ``(n, H, W, 3)``: hue by bar and time, brighter towards the bottom."""
    across = (np.arange(width) / width + seconds[:, None] * turns_s) % 1  # (n, W)
    bar = np.floor(across * BARS) / BARS + hue
    thirds = np.array([0, 1, 2]) / 3
    colours = 0.5 + 0.5 * np.cos(2 * np.pi * (bar[..., None] + thirds))  # (n, W, 3)
    light = np.linspace(0.35, 1, height)[:, None, None]  # (H, 1, 1)
    return (colours[:, None] * light).astype(np.float32)
