"""Making: from a render spec to the commit. Runs in the second thread; writes to the bucket and nowhere else."""

from __future__ import annotations

import logging
import platform
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from gpu_job.encoder import encode
from gpu_job.pictures import poster
from gpu_job.renderer import StartOverError
from shared.artifact_paths import poster_path, receipt_path, video_path
from shared.artifact_store import ArtifactExists
from shared.commits import Commit
from shared.documents import Stage, Usage
from shared.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from gpu_job.encoder import Encoded
    from gpu_job.renderer import Renderer, Watch
    from shared.artifact_store import ArtifactStore
    from shared.documents import Render

log = logging.getLogger(__name__)

_SOFTWARE: Final = ("torch", "diffusers", "transformers", "av", "numpy")


def make_video(
    render: Render,
    *,
    attempt: str,
    renderer: Renderer,
    artifacts: ArtifactStore,
    folder: Path,
    watch: Watch,
    now: Callable[[], datetime],
) -> None:
    """Render, encode, upload what belongs to the video, and commit by uploading the video itself.

    The first upload wins: where another attempt committed before, its video is the render's, and that is success too.

    Raises:
        RenderStopped, Retryable, Permanent: as the renderer, the encoder and the bucket raise them.
    """
    spec, key = render.spec, render.render_key
    started_at, begun = now(), time.monotonic()

    # 1. Render and encode, a chunk of frames at a time.
    drawing = _Stopwatch()

    def drawn() -> Encoded:
        return encode(
            drawing.through(renderer.render(spec, watch=watch)),
            folder / f"{key}.mp4",
            width=spec.width,
            height=spec.height,
            fps=spec.fps,
            frames=spec.frames,
            metadata={"title": f"Life As Not Me: {spec.perspective}", "comment": f"Made by AI. render_key={key}"},
            watch=watch,
        )

    try:
        encoded = drawn()
    except StartOverError:
        log.warning("render starts over", extra={"action": "render", "attempt": attempt}, exc_info=True)
        encoded = drawn()
    usage = Usage(
        load_s=round(renderer.load_s, 3),
        render_s=round(max(0.0, drawing.seconds - renderer.load_s), 3),
        encode_s=round(time.monotonic() - begun - drawing.seconds, 3),
        device=renderer.device_name,
    )
    commit = Commit(
        render_key=key,
        attempt=attempt,
        poster_path=poster_path(key, attempt),
        receipt_path=receipt_path(key, attempt),
        width=encoded.width,
        height=encoded.height,
        frames=encoded.frames,
        fps=encoded.fps,
        duration_s=encoded.duration_s,
        usage=usage,
    )

    try:
        # 2. Upload poster and receipt under the attempt's own prefix, where nothing can be in their way but themselves.
        watch.moved(Stage.UPLOADING, 0, 3)
        receipt = Receipt(
            render_key=key,
            attempt=attempt,
            spec=spec,
            usage=usage,
            software={name: found for name in _SOFTWARE if (found := _version(name))}
            | {"python": platform.python_version()},
            started_at=started_at,
            finished_at=now(),
        )
        with suppress(ArtifactExists):
            artifacts.create(commit.poster_path, poster(encoded.middle_frame), content_type="image/jpeg")
        watch.moved(Stage.UPLOADING, 1, 3)
        with suppress(ArtifactExists):
            artifacts.create(
                commit.receipt_path, receipt.model_dump_json(indent=2).encode(), content_type="application/json"
            )
        watch.moved(Stage.UPLOADING, 2, 3)

        # 3. Commit.
        artifacts.create(video_path(key), encoded.path, content_type="video/mp4", metadata=commit.metadata())
        log.info("video committed", extra={"action": "commit", "attempt": attempt, **usage.model_dump()})
    except ArtifactExists:
        log.info("video was committed before", extra={"action": "commit", "attempt": attempt})
    finally:
        encoded.path.unlink(missing_ok=True)


class _Stopwatch:
    """Counts the seconds that a generator takes to make its items, without those that its consumer takes."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def through(self, chunks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        while True:
            begun = time.monotonic()
            chunk = next(chunks, None)
            self.seconds += time.monotonic() - begun
            if chunk is None:
                return
            yield chunk


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
