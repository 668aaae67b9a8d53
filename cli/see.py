"""``lifeasnotme see``: a person's own picture or video through a creature's eye. Enters: a file. Leaves: a file."""

from __future__ import annotations

from itertools import chain
from math import atan, degrees, radians, tan
from typing import TYPE_CHECKING

import numpy as np
import torch

from cli.own_files import NotSeenError
from cli.own_pictures import WRITTEN, opened_picture, pixels, write_picture
from cli.own_videos import see_video
from gpu_job.vision.eye import through

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from shared.optics import Optics
    from shared.perspectives import Perspective

#: A file that claims more frames a second would make the eye hold hundreds, to let their flicker run together.
MAX_FPS = 240.0


def ending_for(path: Path) -> str:
    """Of the name that the seen file gets: ``.jpg``, ``.png`` or ``.mp4``.

    Raises:
        NotSeenError: a picture with far too many pixels.
    """
    with opened_picture(path) as image:
        if image is None:
            return ".mp4"
        return ".jpg" if image.format in {"JPEG", "MPO"} else ".png"


def see_file(
    path: Path,
    output: Path,
    perspective: Perspective,
    *,
    seen: Callable[[int, int | None], None],
    say: Callable[[str], None],
) -> None:
    """Write what a perspective makes of a picture or video.

    Args:
        path: a picture that Pillow reads, or a video that FFmpeg reads.
        output: a picture for a picture, an ``.mp4`` for a video; replaced if it exists.
        perspective: whose eye.
        seen: hears how many of how many frames are done, where the file says how many it has.
        say: hears what is not as it was in the file, a sentence each.

    Raises:
        NotSeenError: it can't be read, this eye can't see it, or the output can't be written.
    """

    def eye(chunks: Iterator[NDArray[np.uint8]], fps: float) -> Iterator[NDArray[np.uint8]]:
        first = next(chunks)
        optics = _held(perspective.optics, width=first.shape[2], height=first.shape[1])
        frames = (torch.from_numpy(chunk.astype(np.float32)) / 255 for chunk in chain([first], chunks))
        for chunk in through(frames, optics, fps=min(fps, MAX_FPS)):
            yield (chunk * 255).round().to(torch.uint8).numpy()

    if output.resolve() == path.resolve():
        raise NotSeenError(f"{output} is the file itself; name another one.")
    try:
        with opened_picture(path) as image:
            endings = WRITTEN if image else (".mp4",)
            if output.suffix.lower() not in endings:
                kind = "picture" if image else "video"
                raise NotSeenError(f"{path} is a {kind}: the name of what is seen must end in {' or '.join(endings)}.")
            if image:
                (picture,) = eye(iter([pixels(image, path, say=say)[None]]), 1.0)
                write_picture(picture[0], output)
                seen(1, 1)
            else:
                title = f"Life As Not Me: {perspective.name}"
                see_video(path, output, title=title, through=eye, seen=seen, say=say)
    except OSError as exc:  # FFmpeg's errors are OSErrors too; those of reading are NotSeenErrors by now
        raise NotSeenError(f"{output} can't be written: {exc.strerror or exc}.") from exc
    except ValueError as exc:
        raise NotSeenError(f"{path} can't be seen by this eye. {exc}") from exc


def _held(optics: Optics, *, width: int, height: int) -> Optics:
    """An eye's optics for a picture that was held upright: its longer edge spans what is declared of the width."""
    if width >= height:
        return optics
    narrower = degrees(2 * atan(tan(radians(optics.frame_deg) / 2) * width / height))
    return optics.model_copy(update={"frame_deg": narrower})
