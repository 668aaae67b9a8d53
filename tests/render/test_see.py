"""``lifeasnotme see``: what can't be seen is told in a line, and leaves nothing behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import cli.see
from cli.own_files import NotSeenError
from gpu_job.vision.eye import through
from tests.render.own_files import a_picture, a_video, command, names_in, seen_by

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.render


def test_stopping_in_the_middle_leaves_no_half_file_and_the_one_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_video(tmp_path / "walk.mp4", sound="aac")
    (tmp_path / "seen.mp4").write_bytes(b"earlier")

    def stopped(*arguments: Any, **named: Any) -> Iterator[Any]:
        yield next(iter(through(*arguments, **named)))[:3]
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.see, "through", stopped)

    done = command("curious-cat", tmp_path / "walk.mp4", "-o", tmp_path / "seen.mp4")

    assert (done.exit_code, done.output) == (130, "\nStopped; nothing was written.\n")
    assert names_in(tmp_path) == ["seen.mp4", "walk.mp4"]
    assert (tmp_path / "seen.mp4").read_bytes() == b"earlier"


def a_song(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=44100, layout="mono")
        block = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16p", layout="mono")
        block.sample_rate, block.pts = 44100, 0
        container.mux(stream.encode(block))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("empty.mp4", b"", "is no picture and no video that can be read: Invalid data"),
        ("noise.jpg", bytes(range(256)) * 4, "is broken: Invalid data"),
        ("letter.txt", b"dear cat\n" * 100, "is a text."),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n", "no video that can be read"),
    ],
)
def test_a_file_that_is_neither_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)

    done = command("curious-cat", tmp_path / name, "-o", tmp_path / "seen.mp4")

    assert done.exit_code == 1
    assert done.output.startswith(f"Error: {tmp_path / name} ")
    assert reason in done.output
    assert done.output.count("\n") == 1
    assert names_in(tmp_path) == [name]


def test_a_song_is_refused_and_so_is_a_picture_that_breaks_off(tmp_path: Path) -> None:
    a_song(tmp_path / "song.mp3")
    Image.fromarray(a_picture()).save(tmp_path / "whole.bmp")
    (tmp_path / "half.bmp").write_bytes((tmp_path / "whole.bmp").read_bytes()[:5000])

    assert "song.mp3 holds no moving picture." in command("curious-cat", tmp_path / "song.mp3").output
    assert "half.bmp is broken: image file is truncated" in command("curious-cat", tmp_path / "half.bmp").output


def test_facets_that_the_picture_is_too_small_for_are_told(tmp_path: Path) -> None:
    Image.fromarray(a_picture(32, 32)).save(tmp_path / "icon.png")

    with pytest.raises(NotSeenError, match=r"icon.png can't be seen by this eye. Facets of 1.9 degrees are smaller"):
        seen_by("busy-bee", tmp_path / "icon.png", tmp_path / "seen.png")


def test_a_name_of_the_wrong_kind_is_refused_before_anything_is_seen(tmp_path: Path) -> None:
    Image.fromarray(a_picture()).save(tmp_path / "own.png")
    a_video(tmp_path / "own.mp4")

    for source, output, reason in [
        ("own.png", "seen.mp4", r"own.png is a picture: .* must end in .jpg or .jpeg or .png or .webp"),
        ("own.mp4", "seen.png", r"own.mp4 is a video: .* must end in .mp4"),
        ("own.mp4", "own.mp4", "is the file itself"),
    ]:
        with pytest.raises(NotSeenError, match=reason):
            seen_by("curious-cat", tmp_path / source, tmp_path / output)


def test_a_place_where_nothing_can_be_written_is_told(tmp_path: Path) -> None:
    Image.fromarray(a_picture()).save(tmp_path / "own.png")
    a_video(tmp_path / "own.mp4")

    for ending in (".png", ".mp4"):
        with pytest.raises(NotSeenError, match="can't be written: No such file or directory"):
            seen_by("curious-cat", tmp_path / f"own{ending}", tmp_path / "gone" / f"seen{ending}")
