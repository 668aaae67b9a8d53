"""A person's own videos. Enters: a file that FFmpeg reads, an eye. Leaves: an MP4 of the same length, with its sound.

Each frame keeps its time, so that a video of a phone, whose frames come as they please, stays in step with its sound.
Frames are turned as the phone was held, their pixels become square, HDR becomes what a common display shows. Some
frames are in memory at a time, whatever the length.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc, Interpolation, VideoReformatter

from cli.own_files import MAX_EDGE, NotSeenError, smaller, whole
from gpu_job.encoder import X264, h264_stream, yuv_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

#: Pixels in work at a time, a frame of 1920x1080: 25 MB in single precision, and the eye holds some such.
CHUNK_PIXELS = 1920 * 1080
#: Sound that an MP4 holds as it is.
SOUNDS = frozenset({"aac", "ac3", "alac", "eac3", "flac", "mp3", "opus"})
#: Pictures of phones, of which FFmpeg reads single tiles.
HEIF_BRANDS = frozenset({"heic", "heix", "mif1", "msf1"})
HDR = frozenset({ColorTrc.SMPTE2084, ColorTrc.ARIB_STD_B67})
#: Of FFmpeg's colour spaces.
UNSPECIFIED = 2
#: A video that does not tell its colour space has that of HD from this height on, as players take it.
HD_HEIGHT = 720
#: Rate of a video that does not tell it.
USUAL_FPS = 25


def see_video(
    path: Path,
    output: Path,
    *,
    title: str,
    through: Callable[[Iterator[NDArray[np.uint8]], float], Iterator[NDArray[np.uint8]]],
    seen: Callable[[int, int | None], None],
    say: Callable[[str], None],
) -> None:
    """Write the MP4.

    Args:
        path: the video.
        output: the MP4, replaced if it exists.
        title: of the MP4.
        through: the eye. Takes chunks of frames ``(n, H, W, 3)`` and their rate; its chunks may be other pieces.
        seen: hears how many of how many frames are written, where the file says how many it has.
        say: hears what is not as it was in the file, a sentence each.

    Raises:
        NotSeenError: it can't be read.
        OSError: the MP4 can't be written.
    """
    with _opened(path) as source, _opened(path) as again:
        stream = _moving(source, path)
        frames = _read(source.decode(stream), path)
        first = next(frames, None)
        if first is None:
            raise NotSeenError(f"{path} holds no frames.")
        clip = _Clip(first, stream, start_s=Fraction(source.start_time or 0, 1_000_000))
        if clip.is_smaller:
            say(smaller(clip.own_size, clip.size))
        if clip.is_hdr:
            say("Its HDR colours became those of a common display.")
        width, height = clip.size
        options = {"movflags": "+faststart"}
        with whole(output) as part, av.open(str(part), "w", format="mp4", options=options) as container:
            container.metadata["title"] = title
            written = h264_stream(
                container.add_stream("libx264", rate=clip.fps, options=X264), width=width, height=height
            )
            written.codec_context.time_base = clip.time_base
            sound = _Sound(again, container, start_s=clip.start_s, say=say)
            reformatter, done = VideoReformatter(), 0
            for chunk in through(clip.chunks(first, frames), float(clip.fps)):
                for pixels in chunk:
                    pts, duration = clip.times.popleft()
                    frame = yuv_frame(pixels, reformatter, index=pts)
                    frame.time_base, frame.duration = clip.time_base, duration
                    container.mux(written.encode(frame))
                    sound.play_until(pts * clip.time_base)
                    done += 1
                seen(done, clip.count)
            container.mux(written.encode(None))
            sound.play_until(None)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        # a playlist must not fetch what it names: nothing leaves this machine
        container = av.open(f"file:{path}", options={"protocol_whitelist": "file"})
    except av.FFmpegError as exc:
        raise NotSeenError(f"{path} is no picture and no video that can be read: {exc.strerror}.") from exc
    with container:
        yield container


def _moving(source: Any, path: Path) -> Any:  # noqa: ANN401 - PyAV has no types
    """The stream to be seen: not the cover of a song."""
    if source.format.name == "tty":
        raise NotSeenError(f"{path} is a text.")
    if source.metadata.get("major_brand") in HEIF_BRANDS:
        raise NotSeenError(f"{path} is a HEIF picture; save it as JPEG first.")
    for stream in source.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise NotSeenError(f"{path} holds no moving picture.")


def _read(frames: Iterator[av.VideoFrame], path: Path) -> Iterator[av.VideoFrame]:
    try:
        yield from frames
    except av.FFmpegError as exc:
        raise NotSeenError(f"{path} is broken: {exc.strerror}.") from exc


class _Clip:
    """How a video is to be read: upright, in square pixels and display sRGB, each frame with its time."""

    def __init__(self, first: av.VideoFrame, stream: Any, *, start_s: Fraction) -> None:  # noqa: ANN401
        self.start_s = start_s
        self.fps = Fraction(stream.average_rate or stream.guessed_rate or USUAL_FPS)
        self.time_base = Fraction(first.time_base or 1 / self.fps)
        #: When each frame is shown that was read and not yet written, and for how long, in `time_base`.
        self.times: deque[tuple[int, int]] = deque()
        seconds = stream.duration * stream.time_base if stream.duration and stream.time_base else None
        self.count: int | None = stream.frames or (round(seconds * self.fps) if seconds else None)
        self._turns = round(first.rotation / 90)
        width, height = round(first.width * (stream.sample_aspect_ratio or 1)), first.height
        scale = min(1.0, MAX_EDGE / max(width, height))
        self.is_smaller = scale < 1
        # yuv420p has even edges
        self._width, self._height = (max(2, round(edge * scale / 2) * 2) for edge in (width, height))
        self.own_size, self.size = self._upright(width, height), self._upright(self._width, self._height)
        self.is_hdr = first.color_trc in HDR
        self._colours: dict[str, int] = {}
        if first.colorspace == UNSPECIFIED:
            self._colours["src_colorspace"] = Colorspace.ITU709 if height >= HD_HEIGHT else Colorspace.ITU601
        if self.is_hdr:
            self._colours["dst_color_trc"] = ColorTrc.IEC61966_2_1
            self._colours["dst_color_primaries"] = ColorPrimaries.BT709

    def _upright(self, width: int, height: int) -> tuple[int, int]:
        return (height, width) if self._turns % 2 else (width, height)

    def chunks(self, first: av.VideoFrame, rest: Iterable[av.VideoFrame]) -> Iterator[NDArray[np.uint8]]:
        """All frames, ``(n, H, W, 3)``."""
        most = max(1, CHUNK_PIXELS // (self._width * self._height))
        pictures = self._pictures(chain([first], rest))
        while chunk := list(islice(pictures, most)):
            yield np.stack(chunk)

    def _pictures(self, frames: Iterable[av.VideoFrame]) -> Iterator[NDArray[np.uint8]]:
        reformatter, usual = VideoReformatter(), max(1, round(1 / self.fps / self.time_base))
        start, last = round(self.start_s / self.time_base), -usual
        for frame in frames:
            pts = last + usual if frame.pts is None else frame.pts - start
            last = max(pts, last + 1)  # some files go back in time
            self.times.append((last, frame.duration or usual))
            shown = reformatter.reformat(
                frame,
                width=self._width,
                height=self._height,
                format="rgb24",
                interpolation=Interpolation.BICUBIC,
                **self._colours,
            )
            yield np.rot90(shown.to_ndarray(), self._turns)


class _Sound:
    """A video's sound, packet by packet beside the frames, so that little of it is in memory."""

    def __init__(
        self,
        source: Any,  # noqa: ANN401 - PyAV has no types
        container: Any,  # noqa: ANN401
        *,
        start_s: Fraction,
        say: Callable[[str], None],
    ) -> None:
        self._container, self._start_s = container, start_s
        self._packets: Iterator[Any] = iter(())
        stream = next(iter(source.streams.audio), None)
        if stream is not None and (name := stream.codec.canonical_name) not in SOUNDS:
            say(f"Its sound ({name}) is left out: an MP4 does not hold it.")
        elif stream is not None:
            self._written = container.add_stream_from_template(stream)
            self._packets = (packet for packet in source.demux(stream) if packet.dts is not None)
        self._next = next(self._packets, None)

    def play_until(self, time_s: Fraction | None) -> None:
        """Write what sounds up to that time, or all that is left."""
        while (packet := self._next) is not None:
            shift = round(self._start_s / packet.time_base)
            if time_s is not None and (packet.dts - shift) * packet.time_base > time_s:
                return
            packet.dts -= shift
            packet.pts = packet.dts if packet.pts is None else packet.pts - shift
            packet.stream = self._written
            self._container.mux(packet)
            self._next = next(self._packets, None)
