"""``lifeasnotme see``: one's own videos, judged by what comes back out of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from cli import own_files, own_videos
from tests.render.own_files import (
    FRAMES,
    HEIGHT,
    NTSC,
    WIDTH,
    a_picture,
    a_video,
    command,
    frames_of,
    names_in,
    seen_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.render


def test_a_video_becomes_a_video_that_every_browser_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    a_video(tmp_path / "walk.mp4", sound="aac")

    done = command("curious-cat", "walk.mp4")

    assert (done.exit_code, done.output) == (0, "Saved walk-curious-cat.mp4\n")
    with av.open("walk.mp4") as before, av.open("walk-curious-cat.mp4") as after:
        video, sound = after.streams.video[0], after.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, video.frames) == (WIDTH, HEIGHT, FRAMES)
        assert video.average_rate == NTSC
        assert after.duration == pytest.approx(before.duration, abs=2000)
        assert after.metadata["title"] == "Life As Not Me: Curious cat"
        heard = [bytes(packet) for packet in before.demux(audio=0)]
        assert [bytes(packet) for packet in after.demux(sound)] == heard
    content = (tmp_path / "walk-curious-cat.mp4").read_bytes()
    assert 0 < content.index(b"moov") < content.index(b"mdat"), "it plays while it loads"
    seen = frames_of(tmp_path / "walk-curious-cat.mp4")[6].to_ndarray(format="rgb24").astype(int)
    assert np.abs(seen[20, 20, 0] - seen[20, 20, 1]) < 30, "red is yellow to a cat"
    assert names_in(tmp_path) == ["walk-curious-cat.mp4", "walk.mp4"]


def test_frames_that_come_as_they_please_keep_their_times(tmp_path: Path) -> None:
    times_ms = [0, 33, 66, 166, 200, 233, 400, 433]
    a_video(tmp_path / "phone.mov", times_ms=times_ms)

    seen_by("newborn-child", tmp_path / "phone.mov", tmp_path / "seen.mp4")

    assert [float(frame.time) * 1000 for frame in frames_of(tmp_path / "seen.mp4")] == pytest.approx(times_ms, abs=1)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p", "size": (97, 65)}),
        ("a.webm", {"codec": "libvpx-vp9", "sound": "libopus"}),
        ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
        ("a.ts", {"sound": "aac"}),
    ],
    ids=["odd size", "webm", "10 bits", "does not begin at 0"],
)
def test_other_kinds_of_videos_are_seen_too(tmp_path: Path, name: str, how: dict[str, Any]) -> None:
    a_video(tmp_path / name, **how)

    assert seen_by("loyal-dog", tmp_path / name, tmp_path / "seen.mp4") == []

    frames = frames_of(tmp_path / "seen.mp4")
    assert len(frames) == FRAMES
    assert (frames[0].width % 2, frames[0].height % 2, frames[0].format.name) == (0, 0, "yuv420p")
    assert frames[-1].time - frames[0].time == pytest.approx(float((FRAMES - 1) / NTSC), abs=2e-3)
    before, after = (np.stack([each.to_ndarray(format="rgb24")[16:24, 70:80] for each in frames_of(path)[:3]])
                     for path in (tmp_path / name, tmp_path / "seen.mp4"))  # fmt: skip
    assert before[..., 2].mean() == pytest.approx(after[..., 2].mean(), abs=20), "no wrong matrix or range"


def test_sound_that_an_mp4_does_not_hold_is_left_out_and_it_says_so(tmp_path: Path) -> None:
    a_video(tmp_path / "walk.mkv", sound="pcm_s16le")

    said = seen_by("curious-cat", tmp_path / "walk.mkv", tmp_path / "seen.mp4")

    assert said == ["Its sound (pcm_s16le) is left out: an MP4 does not hold it."]
    with av.open(str(tmp_path / "seen.mp4")) as container:
        assert not container.streams.audio


def test_hdr_becomes_what_a_common_display_shows(tmp_path: Path) -> None:
    a_video(tmp_path / "hlg.mp4", codec="libx265", pix_fmt="yuv420p10le", trc=18)

    said = seen_by("curious-cat", tmp_path / "hlg.mp4", tmp_path / "seen.mp4")

    assert said == ["Its HDR colours became those of a common display."]
    assert frames_of(tmp_path / "seen.mp4")[0].color_trc == 1


def test_a_video_of_a_phone_that_was_held_upright_is_seen_upright(tmp_path: Path) -> None:
    identity = bytes.fromhex("00010000 00000000 00000000 00000000 00010000 00000000 00000000 00000000 40000000")
    clockwise = bytes.fromhex("00000000 00010000 00000000 ffff0000 00000000 00000000 00000000 00000000 40000000")
    content = a_video(tmp_path / "flat.mp4").read_bytes()
    place = content.index(identity, content.index(b"tkhd"))
    (tmp_path / "upright.mp4").write_bytes(content[:place] + clockwise + content[place + len(clockwise) :])

    seen_by("colour-deficient-walker", tmp_path / "upright.mp4", tmp_path / "seen.mp4")

    seen = frames_of(tmp_path / "seen.mp4")[0]
    assert (seen.width, seen.height, seen.rotation) == (HEIGHT, WIDTH, 0)
    left, right = seen.to_ndarray(format="rgb24")[:, [4, -4]].mean(axis=0)
    assert left[2] > right[2] + 60, "what was below is at the left"


def test_a_gif_that_moves_is_a_video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, *others = (Image.fromarray(np.roll(a_picture(), 8 * step, axis=1)) for step in range(4))
    first.save("dance.gif", save_all=True, append_images=others, duration=100)

    assert command("curious-cat", "dance.gif").output == "Saved dance-curious-cat.mp4\n"

    assert [round(float(frame.time), 2) for frame in frames_of(tmp_path / "dance-curious-cat.mp4")] == [
        0,
        0.1,
        0.2,
        0.3,
    ]


def test_a_large_video_is_seen_smaller_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (own_files, own_videos):
        monkeypatch.setattr(module, "MAX_EDGE", 48)
    a_video(tmp_path / "large.mp4")

    said = seen_by("curious-cat", tmp_path / "large.mp4", tmp_path / "seen.mp4")

    assert said == ["Seen at 48x32, not 96x64: an edge has 48 pixels at most."]
    assert {(frame.width, frame.height) for frame in frames_of(tmp_path / "seen.mp4")} == {(48, 32)}


def test_of_a_long_video_some_frames_are_in_memory_at_a_time_and_its_progress_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_videos, "CHUNK_PIXELS", 5 * WIDTH * HEIGHT)
    a_video(tmp_path / "long.mp4")
    events: list[tuple[str, int]] = []

    def eye(chunks: Iterator[NDArray[np.uint8]], fps: float) -> Iterator[NDArray[np.uint8]]:
        assert fps == pytest.approx(29.97, abs=0.01)
        for chunk in chunks:
            events.append(("read", len(chunk)))
            yield chunk

    own_videos.see_video(
        tmp_path / "long.mp4",
        tmp_path / "seen.mp4",
        title="",
        through=eye,
        seen=lambda done, total: events.append(("written", done)) if total == FRAMES else None,
        say=print,
    )

    assert events == [("read", 5), ("written", 5), ("read", 5), ("written", 10), ("read", 2), ("written", 12)]
