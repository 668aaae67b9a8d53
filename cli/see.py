"""``lifeasnotme see``: a person's own picture or video through a creature's eye. Enters: a file. Leaves: a file."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

import av
import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from gpu_job.encoder import encode
from gpu_job.vision.eye import through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from shared.perspectives import Perspective

#: Frames in work at a time.
CHUNK = 4
#: Longest edge in pixels; larger pictures are made smaller, since an eye needs no more.
MAX_EDGE = 1920
#: Longest video, in frames: two minutes at 60 a second.
MAX_FRAMES = 7200


class NotSeenError(Exception):
    """The file can't be seen; the message says why, for people."""


def see_file(path: Path, output: Path, perspective: Perspective, *, seen: Callable[[int, int], None]) -> None:
    """Write what a perspective makes of a picture or video.

    Args:
        path: any picture that Pillow reads, any video that FFmpeg reads.
        output: a picture for a picture, an ``.mp4`` for a video.
        perspective: whose eye.
        seen: hears how many of how many frames are done.

    Raises:
        NotSeenError: it is neither, too long, or the output can't be written.
    """
    picture = _picture(path)
    try:
        if picture is not None:
            (chunk,) = _through(iter([picture[None]]), perspective, fps=1.0)
            Image.fromarray(np.rint(chunk[0] * 255).astype(np.uint8)).save(output)
            seen(1, 1)
        else:
            _see_video(path, output, perspective, seen=seen)
    except (OSError, ValueError) as exc:
        raise NotSeenError(f"{output} can't be written: {exc}") from exc


def is_picture(path: Path) -> bool:
    """Whether it is a picture, and no video."""
    try:
        with Image.open(path):
            return True
    except UnidentifiedImageError:
        return False


def _picture(path: Path) -> NDArray[np.uint8] | None:
    """``(H, W, 3)``, turned as the camera was held; None where it is no picture."""
    with suppress(UnidentifiedImageError), Image.open(path) as image:
        image.thumbnail((MAX_EDGE, MAX_EDGE))
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    return None


def _see_video(path: Path, output: Path, perspective: Perspective, *, seen: Callable[[int, int], None]) -> None:
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise NotSeenError(f"{path} holds no picture.")
            stream = container.streams.video[0]
            fps = Fraction(stream.average_rate or 25)
            width, height = _size(stream.codec_context.width, stream.codec_context.height)
            count = stream.frames or sum(1 for _ in container.decode(video=0))
    except av.FFmpegError as exc:
        raise NotSeenError(f"{path} is no picture and no video that can be read: {exc.strerror}.") from exc
    if not 0 < count <= MAX_FRAMES:
        raise NotSeenError(f"{path} has {count} frames; {MAX_FRAMES} are the most.")

    def counted() -> Iterator[NDArray[np.float32]]:
        done = 0
        for chunk in _through(_frames(path, count, width=width, height=height), perspective, fps=float(fps)):
            done += len(chunk)
            seen(done, count)
            yield chunk

    encode(
        counted(),
        output,
        width=width,
        height=height,
        fps=round(fps),
        frames=count,
        metadata={"title": f"Life As Not Me: {perspective.name}"},
        watch=None,
    )


def _frames(path: Path, count: int, *, width: int, height: int) -> Iterator[NDArray[np.uint8]]:
    """So many frames ``(n, height, width, 3)``, some at a time; the last one again where the file promised more."""
    with av.open(str(path)) as container:
        shown = (
            frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
            for frame in container.decode(video=0)
        )
        done, last = 0, np.zeros((height, width, 3), np.uint8)
        while done < count:
            chunk = list(islice(shown, min(CHUNK, count - done))) or [last]
            done, last = done + len(chunk), chunk[-1]
            yield np.stack(chunk)


def _through(
    chunks: Iterator[NDArray[np.uint8]], perspective: Perspective, *, fps: float
) -> Iterator[NDArray[np.float32]]:
    frames = (torch.from_numpy(chunk.astype(np.float32) / 255) for chunk in chunks)
    for chunk in through(frames, perspective.optics, fps=fps):
        yield chunk.numpy()


def _size(width: int, height: int) -> tuple[int, int]:
    """Even, and no edge longer than `MAX_EDGE`."""
    scale = min(1.0, MAX_EDGE / max(width, height))
    return max(2, round(width * scale / 2) * 2), max(2, round(height * scale / 2) * 2)
