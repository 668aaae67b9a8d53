"""What tests of ``lifeasnotme see`` share: somebody's picture and video, the command, and what came out."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from click.testing import CliRunner
from PIL import Image

from cli.main import main
from cli.see import see_file
from shared.perspectives import perspectives

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WIDTH, HEIGHT, FRAMES = 96, 64, 12
NTSC = Fraction(30000, 1001)
RED, GREEN, BLUE = (200, 40, 40), (40, 160, 40), (40, 40, 200)


def a_picture(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Red at the left, green at the right, blue below."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:, : width // 2], picture[:, width // 2 :], picture[height * 3 // 4 :] = RED, GREEN, BLUE
    return picture


def a_video(
    path: Path,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    fps: Fraction = NTSC,
    times_ms: list[int] | None = None,
    sound: str | None = None,
    trc: int | None = None,
) -> Path:
    """Twelve frames, or one at each time; a tone as long as they are."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options={"x265-params": "log-level=none"})
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        if trc:
            stream.codec_context.color_trc, stream.codec_context.color_primaries = trc, 9
        if times_ms:
            stream.codec_context.time_base = Fraction(1, 1000)
        tone = container.add_stream(sound, rate=48000, layout="stereo") if sound else None
        for index in range(len(times_ms or range(FRAMES))):
            frame = av.VideoFrame.from_ndarray(np.roll(a_picture(*size), index, axis=1).copy(), format="rgb24")
            frame.pts, frame.time_base = (times_ms[index], Fraction(1, 1000)) if times_ms else (index, 1 / fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if tone is not None:
            resampler = av.AudioResampler(format=tone.codec_context.format.name, layout="stereo", rate=48000)
            for start in range(0, int(48000 * FRAMES / fps), 1024):
                wave = np.sin(np.arange(start, start + 1024) / 20).astype(np.float32) / 4
                block = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
                block.sample_rate, block.pts = 48000, start
                for each in resampler.resample(block):
                    container.mux(tone.encode(each))
            container.mux(tone.encode(None))
    return path


def seen_by(who: str, path: Path, output: Path) -> list[str]:
    """What was said."""
    said: list[str] = []
    see_file(path, output, perspectives()[who], seen=lambda _done, _total: None, say=said.append)
    return said


def command(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["see", *map(str, arguments)])


def pixels_of(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def frames_of(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def names_in(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())
