"""The encoder, judged by what comes back out of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

from gpu_job.encoder import TAGS, Encoded, converted, encode
from gpu_job.pictures import read_frames
from gpu_job.renderer import Account, RenderStopped
from gpu_job.tail import Target, film
from shared.documents import Stage
from shared.errors import Permanent, Retryable
from shared.testing import a_spec
from tests.unit.renderer_world import Listener

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.requests import RenderSpec

WIDTH, HEIGHT, FPS, FRAMES = 96, 64, 16, 17
#: Colours whose conversion shows a wrong matrix or a wrong range at once.
PATCHES = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 120, 40)]


def clip(frames: int = FRAMES) -> NDArray[np.float32]:
    """A soft gradient that moves, ``(frames, HEIGHT, WIDTH, 3)``."""
    time = np.arange(frames)[:, None, None, None] / FRAMES
    y = np.linspace(0, 1, HEIGHT)[None, :, None, None]
    x = np.linspace(0, 1, WIDTH)[None, None, :, None]
    return (0.5 + 0.4 * np.sin(2 * np.pi * (x + y / 2 + time + np.arange(3) / 3))).astype(np.float32)


def chunked(frames: NDArray[np.float32], size: int = 4) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(frames), size):
        yield frames[first : first + size]


class Drawn:
    """A renderer of a clip that is drawn already."""

    device_name = "none"
    load_s = 0.0
    account = Account()

    def __init__(self, frames: NDArray[np.float32]) -> None:
        self._frames = frames

    def sketch(self) -> None:
        return None

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:  # noqa: ARG002
        return chunked(self._frames)


def encoded(
    path: Path, frames: NDArray[np.float32], *, watch: Listener | None = None, expected: int = FRAMES
) -> Encoded:
    return encode(
        converted(chunked(frames), width=WIDTH, height=HEIGHT, frames=expected),
        path,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        frames=expected,
        metadata={"title": "Curious cat", "comment": "Made by AI"},
        watch=watch,
    )


def test_what_comes_back_is_what_went_in(tmp_path: Path) -> None:
    encoded(tmp_path / "a.mp4", clip())
    error = read_frames(tmp_path / "a.mp4") / 255 - clip()
    assert -10 * np.log10((error**2).mean()) > 34  # a wrong matrix costs about 10 dB


def test_the_file_is_what_browsers_play(tmp_path: Path) -> None:
    encoded(tmp_path / "a.mp4", clip())
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        frame = next(container.decode(video=0))
        assert (stream.codec_context.name, stream.profile, stream.pix_fmt) == ("h264", "High", "yuv420p")
        assert (stream.width, stream.height, stream.frames) == (WIDTH, HEIGHT, FRAMES)
        assert stream.average_rate == FPS
        assert float(stream.duration * stream.time_base) == pytest.approx(FRAMES / FPS, abs=1e-3)
        assert (frame.colorspace, frame.color_primaries, frame.color_trc, frame.color_range) == (1, 1, 1, 1)
        assert container.metadata["title"] == "Curious cat"
        assert container.metadata["comment"] == "Made by AI"


def test_the_index_stands_before_the_pictures(tmp_path: Path) -> None:
    encoded(tmp_path / "a.mp4", clip())
    content = (tmp_path / "a.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("colour", PATCHES)
def test_colours_are_bt709_in_limited_range(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    red, green, blue = np.array(colour) / 255
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    encoded(tmp_path / "a.mp4", np.full((FRAMES, HEIGHT, WIDTH, 3), np.array(colour) / 255, np.float32))
    with av.open(str(tmp_path / "a.mp4")) as container:
        planes = next(container.decode(video=0)).to_ndarray()
    assert planes[HEIGHT // 2, WIDTH // 2] == pytest.approx(16 + 219 * luma, abs=1.5)
    cb, cr = planes[HEIGHT:].reshape(2, HEIGHT // 2, WIDTH // 2)[:, HEIGHT // 4, WIDTH // 4]
    assert cb == pytest.approx(128 + 224 * (blue - luma) / 1.8556, abs=1.5)
    assert cr == pytest.approx(128 + 224 * (red - luma) / 1.5748, abs=1.5)
    assert read_frames(tmp_path / "a.mp4")[FRAMES // 2, HEIGHT // 2, WIDTH // 2] == pytest.approx(colour, abs=3)


def test_equal_frames_make_equal_bytes(tmp_path: Path) -> None:
    encoded(tmp_path / "a.mp4", clip())
    encoded(tmp_path / "b.mp4", clip())
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_converting_in_a_thread_of_its_own_changes_no_byte(tmp_path: Path) -> None:
    form = {"width": WIDTH, "height": HEIGHT, "fps": FPS, "frames": FRAMES}
    spec = a_spec().model_copy(update={**form, "optics": None})
    video = Target(path=tmp_path / "a.mp4", metadata={"title": "Curious cat", "comment": "Made by AI"})
    made = film(spec, renderer=Drawn(clip()), video=video, human_view=None, device=None, watch=Listener())
    in_one_thread = encoded(tmp_path / "b.mp4", clip())
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert (made.video.middle_frame == in_one_thread.middle_frame).all()


def test_it_says_what_it_made(tmp_path: Path) -> None:
    video = encoded(tmp_path / "a.mp4", clip())
    assert (video.path, video.frames, video.width, video.height) == (tmp_path / "a.mp4", FRAMES, WIDTH, HEIGHT)
    assert video.duration_s == pytest.approx(FRAMES / FPS)
    assert video.size_bytes == (tmp_path / "a.mp4").stat().st_size
    assert video.middle_frame / 255 == pytest.approx(clip()[FRAMES // 2], abs=0.5 / 255 + 1e-6)


def test_the_watch_hears_of_every_chunk(tmp_path: Path) -> None:
    watch = Listener()
    encoded(tmp_path / "a.mp4", clip(), watch=watch)
    assert watch.heard == [(Stage.ENCODING, done, FRAMES) for done in (4, 8, 12, 16, 17)]


@pytest.mark.parametrize("frames", [0, FRAMES - 1, FRAMES + 1])
def test_a_wrong_number_of_frames_is_refused_and_leaves_no_file(tmp_path: Path, frames: int) -> None:
    with pytest.raises(Permanent):
        encoded(tmp_path / "a.mp4", clip(frames))
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_size_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(Permanent):
        encoded(tmp_path / "a.mp4", clip()[:, :-2])
    assert list(tmp_path.iterdir()) == []


def test_an_odd_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent):
        encode(iter([]), tmp_path / "a.mp4", width=95, height=64, fps=16, frames=1, metadata={}, watch=None)


def test_a_tag_that_an_mp4_would_drop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="render_key"):
        encode(
            iter([]),
            tmp_path / "a.mp4",
            width=96,
            height=64,
            fps=16,
            frames=1,
            metadata={"render_key": "1"},
            watch=None,
        )


def test_stopping_in_the_middle_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"earlier")
    with pytest.raises(RenderStopped):
        encoded(tmp_path / "a.mp4", clip(), watch=Listener(enough=2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"earlier"


def test_a_folder_that_is_not_there_may_be_there_later(tmp_path: Path) -> None:
    with pytest.raises(Retryable):
        encoded(tmp_path / "gone" / "a.mp4", clip())


def test_all_tags_reach_the_file(tmp_path: Path) -> None:
    tags = {tag: f"the {tag}" for tag in TAGS}
    encode(
        converted(chunked(clip()), width=WIDTH, height=HEIGHT, frames=FRAMES),
        tmp_path / "a.mp4",
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        frames=FRAMES,
        metadata=tags,
        watch=None,
    )
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.metadata.items() >= tags.items()
