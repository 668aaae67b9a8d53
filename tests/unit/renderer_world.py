"""What tests of renderers share: a small clip to draw, and a watch that remembers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gpu_job.renderer import RenderStopped
from shared.documents import Stage
from shared.testing import a_spec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gpu_job.renderer import Renderer
    from shared.requests import RenderSpec

#: Half a second by `tests.render.untrained_wan`.
SPEC = a_spec().model_copy(
    update={
        "model_source": "untrained-tiny-wan",
        "pipeline_class": None,
        "prompt": "a cat looks out of the window",
        "negative_prompt": "a dog",
        "seed": 7,
        "frames": 9,
        "width": 64,
        "height": 48,
        "steps": 4,
        "guidance": 1.0,
    }
)


class Listener:
    """A watch that remembers, and that stops the work when it has heard enough."""

    def __init__(self, *, enough: int = 1000) -> None:
        self.heard: list[tuple[Stage, int, int]] = []
        self.previews: list[str] = []
        self._enough = enough

    def moved(self, stage: Stage, done: int, total: int) -> None:
        self.heard.append((stage, done, total))
        if len(self.heard) >= self._enough:
            raise RenderStopped

    def previewed(self, path: str) -> None:
        self.previews.append(path)


class Sketching(Listener):
    """Asks for a sketch after every step."""

    def __init__(self, renderer: Renderer) -> None:
        super().__init__()
        self._renderer = renderer
        self.sketches: list[NDArray[np.float32] | None] = []

    def moved(self, stage: Stage, done: int, total: int) -> None:
        super().moved(stage, done, total)
        if stage is Stage.RENDERING:
            self.sketches.append(self._renderer.sketch())


def drawn(renderer: Renderer, spec: RenderSpec = SPEC, *, watch: Listener | None = None) -> NDArray[np.float32]:
    """All frames, ``(T, H, W, 3)``."""
    return np.concatenate(list(renderer.render(spec, watch=watch or Listener())))
