"""Frames become a video file. Enters: chunks of frames. Leaves: an MP4 that plays while it loads, and its middle frame.

H.264 in yuv420p, converted to and tagged as BT.709 with limited range: what every browser and phone decodes in the
right colours. `converted` and `encode` are two steps, so that two threads may work at them; some frames are in work at
a time, whatever the length of the clip.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import av
import numpy as np
from av.video.reformatter import (
    ColorPrimaries,
    ColorRange,
    Colorspace,
    ColorTrc,
    Interpolation,
    VideoReformatter,
)

from shared.documents import Stage
from shared.errors import Permanent, Retryable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from av.container import OutputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from gpu_job.renderer import Watch

#: x264's thread count is written into the file and moves bits, so it is fixed.
THREADS = 4
#: 81 frames of 832x480 take 0.7 s on two cores; crf 20 can't be told from the frames at a normal distance.
#: Without the macroblock tree, since equal frames must make equal videos: where the processor has AVX-512, x264 with it
#: made 10 different files in 1208 runs beside other work, and one in 729 without.
X264 = {"preset": "veryfast", "crf": "20", "profile": "high", "mbtree": "0"}
#: Tags that the MP4 muxer writes; it drops any other without a word, so others are refused.
TAGS = frozenset({"title", "artist", "comment", "description", "copyright", "date", "genre", "keywords", "synopsis"})


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A video file and what it holds."""

    path: Path
    frames: int
    width: int
    height: int
    fps: int
    duration_s: float
    size_bytes: int
    #: The frame in the middle, ``(H, W, 3) uint8``, for the poster.
    middle_frame: NDArray[np.uint8] = field(repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Some frames of a clip as the encoder takes them."""

    #: In yuv420p, in order.
    frames: list[av.VideoFrame]
    #: The frame in the middle of the clip, ``(H, W, 3) uint8``, where it is among these.
    middle: NDArray[np.uint8] | None


def converted(chunks: Iterable[NDArray[np.float32]], *, width: int, height: int, frames: int) -> Iterator[Pictures]:
    """Convert frames as they come.

    Args:
        chunks: ``(n, height, width, 3) float32 in [0, 1]``, display sRGB, ``frames`` in all.
        width: in pixels.
        height: in pixels.
        frames: how many there are.

    Returns:
        As many frames, in the same pieces.

    Raises:
        Permanent: size or number of the frames is not what was said.
    """
    reformatter, count = VideoReformatter(), 0
    for chunk in chunks:
        if chunk.shape[1:] != (height, width, 3) or count + len(chunk) > frames:
            raise Permanent(f"Frames {chunk.shape} after {count} of {frames} at {width}x{height}.")
        pictures = [_in_8_bits(frame) for frame in chunk]
        at_middle = frames // 2 - count
        yield Pictures(
            frames=[yuv_frame(picture, reformatter, index=at) for at, picture in enumerate(pictures, start=count)],
            middle=pictures[at_middle] if 0 <= at_middle < len(pictures) else None,
        )
        count += len(chunk)
    if count != frames:
        raise Permanent(f"{count} frames instead of {frames}.")


def _in_8_bits(frame: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels = np.clip(frame, 0, 1)
    levels *= 255
    return np.rint(levels, out=levels).astype(np.uint8)


def encode(
    pictures: Iterable[Pictures],
    path: Path,
    *,
    width: int,
    height: int,
    fps: int,
    frames: int,
    metadata: Mapping[str, str],
    watch: Watch | None,
) -> Encoded:
    """Encode frames as they come, and put the file in place when it is whole.

    Args:
        pictures: as of `converted`.
        path: where the MP4 shall lie; replaced if it exists.
        width: in pixels, even.
        height: in pixels, even.
        fps: frames a second.
        frames: how many there are.
        metadata: `TAGS` of the file, such as title and comment.
        watch: hears of every chunk that is encoded.

    Raises:
        Permanent: frames are missing, or the size is odd, which yuv420p can't hold.
        Retryable: the file can't be written.
        ValueError: a tag that the file can't hold.
    """
    with _writing(path, width=width, height=height, fps=fps, frames=frames, metadata=metadata) as writer:
        for some in pictures:
            writer.write(some)
            if watch is not None:
                watch.moved(Stage.ENCODING, writer.count, frames)
    return Encoded(
        path=path,
        frames=frames,
        width=width,
        height=height,
        fps=fps,
        duration_s=frames / fps,
        size_bytes=path.stat().st_size,
        middle_frame=writer.middle_frame,
    )


@contextmanager
def _writing(
    path: Path, *, width: int, height: int, fps: int, frames: int, metadata: Mapping[str, str]
) -> Iterator[_Writer]:
    """A video that frames are written to; in place once it is left and whole. Arguments and errors as of `encode`."""
    if width % 2 or height % 2:
        raise Permanent(f"{width}x{height}: width and height must be even.")
    if unknown := metadata.keys() - TAGS:
        msg = f"An MP4 holds no tag {', '.join(sorted(unknown))}."
        raise ValueError(msg)
    part = path.with_name(f".{path.name}.part")
    try:
        with av.open(str(part), "w", format="mp4", options={"movflags": "+faststart"}) as container:
            container.metadata.update(metadata)
            stream = h264_stream(container.add_stream("libx264", rate=fps, options=X264), width=width, height=height)
            writer = _Writer(container, stream, frames=frames)
            yield writer
            writer.finish()
        part.replace(path)
    except OSError as exc:  # FFmpeg's errors are OSErrors too
        raise Retryable(f"The video can't be written: {exc.strerror}.") from exc
    finally:
        part.unlink(missing_ok=True)


class _Writer:
    """Encodes frames into an open file."""

    def __init__(self, container: OutputContainer, stream: VideoStream, *, frames: int) -> None:
        self._container, self._stream, self._frames = container, stream, frames
        #: Frames that were written.
        self.count = 0
        #: ``(H, W, 3) uint8``.
        self.middle_frame = np.zeros((stream.codec_context.height, stream.codec_context.width, 3), np.uint8)

    def write(self, pictures: Pictures) -> None:
        """Write some frames."""
        if pictures.middle is not None:
            self.middle_frame = pictures.middle
        for frame in pictures.frames:
            self._container.mux(self._stream.encode(frame))
            self.count += 1

    def finish(self) -> None:
        """Write what the encoder still holds. Raises `Permanent` where frames are missing."""
        if self.count != self._frames:
            raise Permanent(f"{self.count} frames instead of {self._frames}.")
        self._container.mux(self._stream.encode(None))


def h264_stream(stream: VideoStream, *, width: int, height: int) -> VideoStream:
    """The stream, set up for what every browser and phone decodes."""
    context = stream.codec_context
    context.width, context.height = width, height
    context.pix_fmt = "yuv420p"
    context.thread_count = THREADS
    context.colorspace = Colorspace.ITU709
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709
    context.color_range = ColorRange.MPEG
    return stream


def yuv_frame(picture: NDArray[np.uint8], reformatter: VideoReformatter, *, index: int) -> av.VideoFrame:
    """Convert ``(H, W, 3) uint8`` to BT.709, limited range."""
    frame = reformatter.reformat(
        av.VideoFrame.from_ndarray(picture, format="rgb24"),
        format="yuv420p",
        src_color_range=ColorRange.JPEG,
        dst_colorspace=Colorspace.ITU709,
        dst_color_range=ColorRange.MPEG,
        # Without the last two, rounding depends on the processor.
        interpolation=Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT,
        threads=1,
    )
    frame.pts, frame.duration = index, 1
    return frame
