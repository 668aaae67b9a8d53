"""A worker that gets stuck at a place, and says so. Run as ``python -m tests.contract.stuck_worker``.

The place is ``STUCK_AT``, a stage or `COMMITTED`; the file ``STUCK_FILE`` appears when it is there. It does not listen
to its watch from then on, like a call into a driver that does not return.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

from gpu_job.main import main
from gpu_job.test_pattern import TestPatternRenderer
from shared.artifact_paths import render_key_of
from shared.artifact_store.gcs import GcsArtifactStore
from shared.documents import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.artifact_store import Artifact
    from shared.requests import RenderSpec

#: The video is in the bucket, and the worker does not know it yet.
COMMITTED: Final = "committed"
#: Longer than any test.
STUCK_S = 600.0


def pass_by(place: str) -> None:
    """Get stuck here if this is the place."""
    if place == os.environ["STUCK_AT"]:
        Path(os.environ["STUCK_FILE"]).touch()
        time.sleep(STUCK_S)


class _StuckWatch:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def moved(self, stage: Stage, done: int, total: int) -> None:
        self._watch.moved(stage, done, total)
        pass_by(stage)

    def previewed(self, path: str) -> None:
        self._watch.previewed(path)


class StuckRenderer(TestPatternRenderer):
    """Gets stuck while it loads, before the second step, or while it decodes the second chunk."""

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        for chunk in super().render(spec, watch=_StuckWatch(watch)):
            yield chunk
            pass_by(Stage.ENCODING)


class StuckArtifactStore(GcsArtifactStore):
    """Gets stuck right before or right after the upload of the video."""

    def create(self, name: str, content: bytes | Path, **options: Any) -> Artifact:
        if render_key_of(name) is None:
            return super().create(name, content, **options)
        pass_by(Stage.UPLOADING)
        artifact = super().create(name, content, **options)
        pass_by(COMMITTED)
        return artifact


if __name__ == "__main__":
    with patch("gpu_job.main.GcsArtifactStore", StuckArtifactStore):
        main(lambda _settings: StuckRenderer())
