"""Making: from a render spec to the commit. Runs in the second thread; writes to the bucket and nowhere else."""

from __future__ import annotations

import logging
import platform
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from gpu_job.encoder import encode, writing
from gpu_job.pictures import poster
from gpu_job.renderer import StartOverError
from shared.artifact_paths import human_view_path, poster_path, receipt_path, video_path
from shared.artifact_store import ArtifactExists
from shared.commits import Commit
from shared.documents import Stage, Usage
from shared.errors import Retryable
from shared.optics import OPTICS_VERSION
from shared.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from gpu_job.encoder import Encoded, Writer
    from gpu_job.renderer import Renderer, Watch
    from shared.artifact_store import ArtifactStore
    from shared.documents import Render
    from shared.optics import Optics

log = logging.getLogger(__name__)

_SOFTWARE: Final = ("torch", "diffusers", "transformers", "av", "numpy")


def make_video(
    render: Render,
    *,
    attempt: str,
    renderer: Renderer,
    artifacts: ArtifactStore,
    folder: Path,
    device: str | None,
    watch: Watch,
    now: Callable[[], datetime],
) -> None:
    """Render, see, encode, upload what belongs to the video, and commit by uploading the video itself.

    The video is what the creature sees. Where its eye changes the frames, they are encoded as drawn, too: the human
    view. The first upload wins: where another attempt committed before, its video is the render's, and that is success
    too.

    Raises:
        RenderStopped, Retryable, Permanent: as the renderer, the encoder and the bucket raise them.
    """
    spec, key = render.spec, render.render_key
    started_at, begun = now(), time.monotonic()
    if spec.optics_version > OPTICS_VERSION:
        raise Retryable("This worker is older than the eye that was wished for; another may know it.")
    eye = spec.optics if spec.optics and spec.optics.figures else None
    video_file, human_file = folder / f"{key}.mp4", folder / f"{key}-human-view.mp4"
    form = {"width": spec.width, "height": spec.height, "fps": spec.fps, "frames": spec.frames}
    comment = f"Made by AI. render_key={key}"
    metadata = {"title": f"Life As Not Me: {spec.perspective}", "comment": comment}
    human_metadata = {"title": f"Life As Not Me: {spec.perspective}, as a person would see it", "comment": comment}

    # 1. Render, see and encode, a chunk of frames at a time.
    drawing, copying, seeing = _Stopwatch(), _Stopwatch(), _Stopwatch()

    def drawn(device: str | None) -> Encoded:
        frames = drawing.through(renderer.render(spec, watch=watch))
        if eye is None:
            return encode(frames, video_file, **form, metadata=metadata, watch=watch)
        with writing(human_file, **form, metadata=human_metadata) as human_view:
            copied = copying.through(_copied(frames, human_view))
            seen = seeing.through(_seen(copied, eye, fps=spec.fps, device=device))
            return encode(seen, video_file, **form, metadata=metadata, watch=watch)

    try:
        try:
            encoded = drawn(device)
        except StartOverError:
            log.warning("render starts over", extra={"action": "render", "attempt": attempt}, exc_info=True)
            encoded = drawn("cpu")  # the eye; so all the memory of a GPU is the renderer's
        see_s = seeing.seconds - copying.seconds
        usage = Usage(
            load_s=round(renderer.load_s, 3),
            **{name: round(seconds, 3) for name, seconds in renderer.load_times._asdict().items()},
            render_s=round(max(0.0, drawing.seconds - renderer.load_s), 3),
            see_s=round(see_s, 3),
            encode_s=round(time.monotonic() - begun - drawing.seconds - see_s, 3),
            device=renderer.device_name,
        )
        commit = Commit(
            render_key=key,
            attempt=attempt,
            poster_path=poster_path(key, attempt),
            human_view_path=human_view_path(key, attempt) if eye else None,
            receipt_path=receipt_path(key, attempt),
            width=encoded.width,
            height=encoded.height,
            frames=encoded.frames,
            fps=encoded.fps,
            duration_s=encoded.duration_s,
            usage=usage,
        )
        receipt = Receipt(
            render_key=key,
            attempt=attempt,
            spec=spec,
            optics_version=OPTICS_VERSION if eye else 0,
            usage=usage,
            software={name: found for name in _SOFTWARE if (found := _version(name))}
            | {"python": platform.python_version()},
            started_at=started_at,
            finished_at=now(),
        )

        # 2. Upload what belongs to it under the attempt's own prefix, where nothing can be in its way but itself.
        beside: list[tuple[str, bytes | Path, str]] = [
            (commit.poster_path, poster(encoded.middle_frame), "image/jpeg"),
            (commit.receipt_path, receipt.model_dump_json(indent=2).encode(), "application/json"),
        ]
        if commit.human_view_path:
            beside.append((commit.human_view_path, human_file, "video/mp4"))
        for done, (name, content, content_type) in enumerate(beside):
            watch.moved(Stage.UPLOADING, done, len(beside) + 1)
            with suppress(ArtifactExists):
                artifacts.create(name, content, content_type=content_type)
        watch.moved(Stage.UPLOADING, len(beside), len(beside) + 1)

        # 3. Commit.
        artifacts.create(video_path(key), encoded.path, content_type="video/mp4", metadata=commit.metadata())
        log.info("video committed", extra={"action": "commit", "attempt": attempt, **usage.model_dump()})
    except ArtifactExists:
        log.info("video was committed before", extra={"action": "commit", "attempt": attempt})
    finally:
        for file in (video_file, human_file):
            file.unlink(missing_ok=True)


def _copied(chunks: Iterator[NDArray[np.float32]], writer: Writer) -> Iterator[NDArray[np.float32]]:
    for chunk in chunks:
        writer.write(chunk)
        yield chunk


def _seen(
    chunks: Iterator[NDArray[np.float32]], eye: Optics, *, fps: int, device: str | None
) -> Iterator[NDArray[np.float32]]:
    from gpu_job.sight import see  # noqa: PLC0415 - imports torch: only once there is work

    return see(chunks, eye, fps=fps, device=device)


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
