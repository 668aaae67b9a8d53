"""``lifeasnotme see``: one's own pictures and videos, judged by what comes back out of the file."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageCms

pytest.importorskip("torch")

import cli.see
from cli import own_files, own_pictures, own_videos
from cli.main import main
from cli.own_files import NotSeenError
from cli.see import see_file
from gpu_job.vision.eye import through
from shared.perspectives import perspectives

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.render

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


# --- pictures ---


def test_a_picture_becomes_a_picture_as_the_creature_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(a_picture()).save("garden.png")

    done = command("curious-cat", "garden.png")

    assert (done.exit_code, done.output) == (0, "Saved garden-curious-cat.png\n")
    before, after = a_picture().astype(int), pixels_of(tmp_path / "garden-curious-cat.png").astype(int)
    assert after.shape == before.shape
    red, green = after[20, 20], after[20, 76]
    assert abs(red[0] - red[1]) < 30 > abs(green[0] - green[1]), "a cat tells red from green by brightness alone"
    assert names_in(tmp_path) == ["garden-curious-cat.png", "garden.png"]


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.png", "PNG"), ("a.webp", "WEBP")])
def test_a_picture_is_written_as_what_its_name_says(tmp_path: Path, name: str, kind: str) -> None:
    Image.fromarray(a_picture()).save(tmp_path / "own.png")

    assert command("loyal-dog", tmp_path / "own.png", "--out", tmp_path / name).exit_code == 0

    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == (kind, (WIDTH, HEIGHT))


def test_a_photo_is_seen_as_the_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(np.rot90(a_picture())).save(tmp_path / "turned.jpg", exif=exif, quality=100, subsampling=0)
    Image.fromarray(a_picture()).save(tmp_path / "upright.jpg", quality=100, subsampling=0)

    for name in ("turned", "upright"):
        seen_by("colour-deficient-walker", tmp_path / f"{name}.jpg", tmp_path / f"{name}.png")

    turned, upright = (pixels_of(tmp_path / f"{name}.png").astype(int) for name in ("turned", "upright"))
    assert turned.shape == upright.shape == (HEIGHT, WIDTH, 3)
    assert np.abs(turned - upright).mean() < 3


def test_what_is_transparent_is_seen_as_white(tmp_path: Path) -> None:
    clear = np.dstack([a_picture(), np.zeros((HEIGHT, WIDTH), np.uint8)])
    Image.fromarray(clear).save(tmp_path / "clear.png")

    seen_by("colour-deficient-walker", tmp_path / "clear.png", tmp_path / "seen.png")

    assert pixels_of(tmp_path / "seen.png").min() >= 254


def test_deep_greys_keep_their_steps(tmp_path: Path) -> None:
    grey = np.broadcast_to(np.linspace(0, 65535, WIDTH).astype(np.uint16), (HEIGHT, WIDTH))
    Image.fromarray(grey.copy()).save(tmp_path / "deep.png")

    seen_by("colour-deficient-walker", tmp_path / "deep.png", tmp_path / "seen.png")

    assert pixels_of(tmp_path / "seen.png")[0, WIDTH // 2].mean() == pytest.approx(128, abs=3)


def test_colours_of_another_space_become_those_of_srgb_before_they_are_seen(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    Image.fromarray(a_picture()).save(tmp_path / "own.png", icc_profile=profile.tobytes())
    Image.fromarray(a_picture()).save(tmp_path / "plain.png")

    for name in ("own", "plain"):
        seen_by("colour-deficient-walker", tmp_path / f"{name}.png", tmp_path / f"{name}-seen.png")

    own, plain = (pixels_of(tmp_path / f"{name}-seen.png").astype(int) for name in ("own", "plain"))
    assert np.abs(own - plain).max() <= 2


def test_a_large_picture_is_seen_smaller_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (own_files, own_pictures):
        monkeypatch.setattr(module, "MAX_EDGE", 48)
    Image.fromarray(a_picture()).save(tmp_path / "large.png")

    said = seen_by("curious-cat", tmp_path / "large.png", tmp_path / "seen.png")

    assert said == ["Seen at 48x32, not 96x64: an edge has 48 pixels at most."]
    assert pixels_of(tmp_path / "seen.png").shape == (32, 48, 3)


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(a_picture()).save(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)

    done = command("curious-cat", tmp_path / "bomb.png")

    assert done.exit_code == 1
    assert done.output == f"Error: {tmp_path / 'bomb.png'} has more than 0 million pixels; make it smaller first.\n"


def test_an_upright_picture_spans_along_its_longer_edge_what_the_eye_declares_of_the_width(tmp_path: Path) -> None:
    for name, picture in {"flat": a_picture(96, 48), "upright": np.rot90(a_picture(96, 48))}.items():
        Image.fromarray(np.ascontiguousarray(picture)).save(tmp_path / f"{name}.png")
        seen_by("clouded-grandmother", tmp_path / f"{name}.png", tmp_path / f"{name}-seen.png")

    flat, upright = (pixels_of(tmp_path / f"{name}-seen.png").astype(int) for name in ("flat", "upright"))
    inner = np.s_[8:-8, 8:-8]
    assert np.abs(np.rot90(flat)[inner] - upright[inner]).mean() < 8


# --- videos ---


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


# --- what can't be seen ---


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
