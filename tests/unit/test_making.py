"""From a render spec to the commit: what lies in the bucket afterwards, and what does not lie on the disk."""

from __future__ import annotations

import io
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from gpu_job.pictures import read_frames
from gpu_job.renderer import Account, RenderStopped, StartOverError
from gpu_job.test_pattern import TestPatternRenderer
from shared.artifact_paths import poster_path, preview_path, receipt_path, video_path
from shared.commits import Commit, find_commit
from shared.documents import Stage, Usage, Video
from shared.errors import ErrorCode, Permanent, Retryable
from shared.optics import OPTICS_VERSION
from shared.receipts import Receipt
from shared.safety import Category, Refusal
from tests.unit.worker_world import ATTEMPT, GreyRenderer, World, make, no_answer, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from gpu_job.renderer import Renderer, Watch
    from shared.requests import RenderSpec


class Witness:
    """A watch that remembers all movements, and stops the work at one of them."""

    def __init__(self, *, stop_at: tuple[Stage, int] | None = None) -> None:
        self.seen: list[tuple[Stage, int, int]] = []
        self.previews: list[str] = []
        self._stop_at = stop_at

    def moved(self, stage: Stage, done: int, total: int) -> None:
        if (stage, done) == self._stop_at:
            raise RenderStopped
        self.seen.append((stage, done, total))

    def previewed(self, path: str) -> None:
        self.previews.append(path)


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa")
    return world


def committed(world: World) -> tuple[Commit, Video]:
    """What the object says."""
    found = find_commit(world.key, artifacts=world.artifacts)
    assert found
    return found


def test_the_commit_is_the_last_upload(world: World) -> None:
    make(world)

    beside = {path(world.key, ATTEMPT) for path in (preview_path, poster_path, receipt_path)}
    assert set(world.artifacts.created[:-1]) == beside
    assert world.artifacts.created[-1] == video_path(world.key)


def test_the_video_has_the_frames_that_were_asked_for_and_the_poster_is_one_of_them(
    world: World, tmp_path: Path
) -> None:
    make(world)

    file = tmp_path / "downloaded.mp4"
    file.write_bytes(world.artifacts.read(video_path(world.key)))
    frames = read_frames(file)
    assert frames.shape == (33, 256, 256, 3)
    poster = Image.open(io.BytesIO(world.artifacts.read(poster_path(world.key, ATTEMPT))))
    assert (poster.format, poster.size) == ("JPEG", (256, 256))


def test_the_commit_tells_all_that_the_render_needs_to_be_completed(world: World) -> None:
    make(world)

    commit, video = committed(world)
    assert (commit.render_key, commit.attempt) == (world.key, ATTEMPT)
    assert (video.width, video.height, video.frames, video.fps, video.duration_s) == (256, 256, 33, 16, 33 / 16)
    assert video.poster_path == poster_path(world.key, ATTEMPT)
    assert video.size_bytes == len(world.artifacts.read(video_path(world.key)))


def test_loading_rendering_and_encoding_are_counted_apart(world: World) -> None:
    class SlowToLoad(TestPatternRenderer):
        load_s = 0.02

    make(world, renderer=SlowToLoad(step_s=0.01))

    commit, _ = committed(world)
    usage = commit.usage
    assert (usage.device, usage.load_s) == ("test pattern", 0.02)
    assert usage.render_s >= 4 * 0.01 - 0.02
    assert usage.encode_s > 0


def test_what_no_eye_changed_is_the_human_view_itself(world: World) -> None:
    make(world)

    commit, video = committed(world)
    assert (commit.human_view_path, video.human_view_path, commit.usage.see_s) == (None, None, 0)
    receipt = Receipt.model_validate_json(world.artifacts.read(receipt_path(world.key, ATTEMPT)))
    assert receipt.optics_version == 0


def test_a_worker_leaves_what_a_newer_eye_shall_see_to_newer_workers(world: World) -> None:
    spec = world.render.spec.model_copy(update={"optics_version": OPTICS_VERSION + 1})
    world.change_render(spec=spec)

    with pytest.raises(Retryable, match="older than the eye"):
        make(world)

    assert world.artifacts.created == []


def test_a_wish_from_before_there_were_eyes_is_drawn_as_it_was_wished_for(world: World) -> None:
    spec = world.render.spec.model_copy(update={"optics_version": 0})
    world.change_render(spec=spec)

    make(world)

    assert committed(world)[1].human_view_path is None


def test_the_receipt_holds_all_that_is_needed_to_make_the_video_again(world: World) -> None:
    make(world)

    receipt = Receipt.model_validate_json(world.artifacts.read(receipt_path(world.key, ATTEMPT)))
    assert (receipt.made_by, receipt.render_key, receipt.attempt) == ("AI", world.key, ATTEMPT)
    assert receipt.spec == world.render.spec
    assert isinstance(receipt.usage, Usage)
    assert {"numpy", "av", "python"} <= receipt.software.keys()
    assert {"encode_video", "whole"} <= receipt.seconds.keys()
    assert receipt.started_at == receipt.finished_at == world.clock.now()


def test_the_receipt_tells_what_the_renderer_took(world: World) -> None:
    class Accountable(TestPatternRenderer):
        account = Account(
            seconds={"download": 0.0114, "compile": 2.5},
            peak_memory_bytes=7,
            software={"cuda": "13.0"},
            acceleration={"transformer.compile": "on"},
        )

    make(world, renderer=Accountable())

    receipt = Receipt.model_validate_json(world.artifacts.read(receipt_path(world.key, ATTEMPT)))
    assert (receipt.seconds["download"], receipt.seconds["compile"]) == (0.011, 2.5)
    assert (receipt.peak_memory_bytes, receipt.software["cuda"]) == (7, "13.0")
    assert receipt.acceleration == {"transformer.compile": "on"}


def test_progress_goes_through_every_stage_in_order(world: World) -> None:
    witness = Witness()

    make(world, watch=witness)

    stages = [stage for stage, _, _ in witness.seen]
    assert list(dict.fromkeys(stages)) == list(Stage)
    steps = world.render.spec.steps
    assert (Stage.RENDERING, steps, steps) in witness.seen
    assert (Stage.ENCODING, 33, 33) in witness.seen


def test_where_another_attempt_was_first_its_video_stays_and_that_is_success(world: World) -> None:
    world.commit_video("7-another")

    make(world)

    commit, _ = committed(world)
    assert commit.attempt == "7-another"


def test_an_upload_that_was_answered_to_nobody_is_not_in_the_way_of_the_same_attempt(world: World) -> None:
    for name in (poster_path(world.key, ATTEMPT), receipt_path(world.key, ATTEMPT)):
        world.artifacts.create(name, b"half a thought", content_type="image/jpeg")

    make(world)

    assert video_path(world.key) in world.artifacts.created


def stopped_at_upload(world: World) -> None:
    with pytest.raises(RenderStopped):
        make(world, watch=Witness(stop_at=(Stage.UPLOADING, 2)))


def stopped_while_encoding(world: World) -> None:
    with pytest.raises(RenderStopped):
        make(world, watch=Witness(stop_at=(Stage.ENCODING, 8)))


def no_answer_to_the_poster(world: World) -> None:
    world.artifacts.meddling.before("create", nothing, no_answer)
    with pytest.raises(Retryable):
        make(world)


def no_answer_to_the_video(world: World) -> None:
    world.artifacts.meddling.before("create", nothing, nothing, nothing, no_answer)
    with pytest.raises(Retryable):
        make(world)


def a_broken_renderer(world: World) -> None:
    def broken(_: Watch) -> None:
        raise Permanent("Frames are not finite.")

    with pytest.raises(Permanent):
        make(world, renderer=GreyRenderer(broken))


@pytest.mark.parametrize(
    "happens",
    [
        make,
        stopped_at_upload,
        stopped_while_encoding,
        no_answer_to_the_poster,
        no_answer_to_the_video,
        a_broken_renderer,
    ],
)
def test_no_file_is_left_behind_whatever_happens(world: World, happens: Callable[[World], None]) -> None:
    happens(world)

    assert list(world.folder.iterdir()) == []


def test_nothing_is_committed_when_the_work_was_stopped(world: World) -> None:
    stopped_at_upload(world)

    assert world.artifacts.get(video_path(world.key)) is None


class HalfAndHalf(TestPatternRenderer):
    """Hands over some frames, and says that they are void; so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self._left = times

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        for chunk in super().render(spec, watch=watch):
            yield np.zeros_like(chunk) if self._left else chunk
            if self._left:
                self._left -= 1
                raise StartOverError("not enough free memory")


def test_a_render_that_starts_over_gives_the_same_video_as_one_that_does_not(world: World, tmp_path: Path) -> None:
    def made(renderer: Renderer) -> NDArray[np.uint8]:
        make(world, renderer=renderer)
        file = tmp_path / "downloaded.mp4"
        file.write_bytes(world.artifacts.read(video_path(world.key)))
        world.artifacts.forget(video_path(world.key))
        return read_frames(file)

    usual, started_over = made(TestPatternRenderer()), made(HalfAndHalf(1))
    # Equal frames, that is, but x264 does not make equal bytes of frames as small as these.
    assert usual.shape == started_over.shape
    assert np.abs(usual.astype(int) - started_over).mean() < 1


def test_a_render_starts_over_no_more_than_once(world: World) -> None:
    with pytest.raises(StartOverError):
        make(world, renderer=HalfAndHalf(2))

    assert world.artifacts.get(video_path(world.key)) is None
    assert list(world.folder.iterdir()) == []


# --- preview ---


def test_a_preview_is_uploaded_half_way_and_told_of(world: World) -> None:
    witness = Witness()

    make(world, watch=witness)

    name = preview_path(world.key, ATTEMPT)
    assert witness.previews == [name]
    assert world.artifacts.created[0] == name
    picture = Image.open(io.BytesIO(world.artifacts.read(name)))
    assert (picture.format, picture.size) == ("JPEG", (256, 256))


def test_without_a_preview_the_video_is_made_all_the_same(world: World) -> None:
    world.artifacts.meddling.before("create", no_answer)
    witness = Witness()

    make(world, watch=witness)

    assert witness.previews == []
    assert committed(world)[0].attempt == ATTEMPT


def test_a_sketch_that_holds_no_numbers_is_not_shown(world: World) -> None:
    class Blind(TestPatternRenderer):
        def sketch(self) -> NDArray[np.float32]:
            return np.full((8, 8, 3), np.nan, np.float32)

    witness = Witness()

    make(world, renderer=Blind(), watch=witness)

    assert witness.previews == []
    assert preview_path(world.key, ATTEMPT) not in world.artifacts.created


def test_a_renderer_that_can_not_sketch_has_no_preview(world: World) -> None:
    witness = Witness()

    make(world, renderer=GreyRenderer(), watch=witness)

    assert witness.previews == []
    assert preview_path(world.key, ATTEMPT) not in world.artifacts.created


def test_no_thread_outlives_the_render_whatever_happens(world: World) -> None:
    before = threading.active_count()

    stopped_while_encoding(world)

    assert threading.active_count() == before


class Censor:
    """An output check that remembers what it was shown, and refuses all of it or nothing."""

    def __init__(self, refusal: Refusal | None) -> None:
        self.shown: list[tuple[int, ...]] = []
        self._refusal = refusal

    def refusal(self, frames: NDArray[np.uint8]) -> Refusal | None:
        self.shown.append(frames.shape)
        return self._refusal


def test_the_output_check_is_shown_frames_of_the_whole_clip_and_the_preview(world: World) -> None:
    censor = Censor(None)

    make(world, output_check=censor)

    spec = world.render.spec
    assert censor.shown[-1] == (7, spec.height, spec.width, 3), "of 33 frames every fifth"
    assert [shape[0] for shape in censor.shown[:-1]] == [1]
    assert video_path(world.key) in world.artifacts.created


def test_nothing_is_uploaded_of_what_the_output_check_refuses(world: World, caplog: pytest.LogCaptureFixture) -> None:
    refusal = Refusal(category=Category.SEXUAL, rule="nudity>0.9")

    with pytest.raises(Permanent, match="shows nudity") as refused:
        make(world, output_check=Censor(refusal))

    assert refused.value.code is ErrorCode.OUTPUT_REFUSED
    assert world.artifacts.created == []
    [decision] = [each for each in caplog.records if each.message == "output refused"]
    assert (decision.__dict__["category"], decision.__dict__["rule"]) == ("sexual", "nudity>0.9")


def test_an_output_check_that_does_not_answer_lets_nothing_through(world: World) -> None:
    class Silent:
        def refusal(self, frames: NDArray[np.uint8]) -> None:  # noqa: ARG002 - of the seam
            raise Retryable("the moderator does not answer")

    with pytest.raises(Retryable, match="moderator"):
        make(world, output_check=Silent())

    assert world.artifacts.created == []
