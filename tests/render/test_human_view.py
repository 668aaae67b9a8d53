"""One render, two videos: what the creature sees is the video, and what was drawn lies beside it as the human view."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from gpu_job import sight  # noqa: E402
from gpu_job.pictures import read_frames  # noqa: E402
from gpu_job.renderer import RenderStopped, StartOverError  # noqa: E402
from gpu_job.sight import see  # noqa: E402
from gpu_job.test_pattern import TestPatternRenderer  # noqa: E402
from gpu_job.vision import eye  # noqa: E402
from shared.artifact_paths import human_view_path, poster_path, preview_path, receipt_path, video_path  # noqa: E402
from shared.commits import find_commit  # noqa: E402
from shared.documents import Stage  # noqa: E402
from shared.errors import Retryable  # noqa: E402
from shared.optics import OPTICS_VERSION, Optics  # noqa: E402
from shared.perspectives import perspectives  # noqa: E402
from shared.receipts import Receipt  # noqa: E402
from tests.unit.renderer_world import Listener, drawn  # noqa: E402
from tests.unit.worker_world import ATTEMPT, World, make, no_answer, nothing  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from gpu_job.renderer import Watch
    from shared.commits import Commit
    from shared.perspectives import Perspective
    from shared.requests import RenderSpec

pytestmark = pytest.mark.render

CAT = perspectives()["curious-cat"].optics


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa")
    look_through(world, CAT)
    return world


def look_through(world: World, optics: Optics) -> None:
    """Have the render seen by this eye."""
    world.change_render(spec=world.render.spec.model_copy(update={"optics": optics}))


def commit_of(world: World) -> Commit:
    found = find_commit(world.key, artifacts=world.artifacts)
    assert found
    return found[0]


def frames_of(world: World, name: str) -> NDArray[np.float64]:
    """A video of the bucket, ``(T, H, W, 3)`` in [0, 1]."""
    file = world.folder.parent / "downloaded.mp4"
    file.write_bytes(world.artifacts.read(name))
    return read_frames(file) / 255


def both(world: World) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the creature sees, and what a person would."""
    return frames_of(world, video_path(world.key)), frames_of(world, human_view_path(world.key, ATTEMPT))


def pattern(world: World) -> NDArray[np.float32]:
    """As the renderer draws it."""
    return drawn(TestPatternRenderer(), world.render.spec)


def psnr_db(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    return float(-10 * np.log10(((one - other) ** 2).mean()))


# --- two videos ---


def test_the_video_is_what_the_creature_sees_and_the_human_view_is_what_was_drawn(world: World) -> None:
    make(world)

    creature, human = both(world)
    assert creature.shape == human.shape == (33, 256, 256, 3)
    as_drawn = pattern(world)
    as_seen = eye.see(torch.from_numpy(as_drawn), CAT, fps=16).numpy()
    assert psnr_db(human, as_drawn) > 25
    assert psnr_db(creature, as_seen) > 25
    assert psnr_db(as_drawn, as_seen) < 20, "or they would not tell"


def test_both_are_there_before_the_commit_and_it_names_them(world: World) -> None:
    make(world)

    assert world.artifacts.created[-1] == video_path(world.key)
    assert set(world.artifacts.created[:-1]) == {
        preview_path(world.key, ATTEMPT),
        poster_path(world.key, ATTEMPT),
        human_view_path(world.key, ATTEMPT),
        receipt_path(world.key, ATTEMPT),
    }
    assert set(commit_of(world).companions) == set(world.artifacts.created[:-1])
    human_view = world.artifacts.get(human_view_path(world.key, ATTEMPT))
    assert human_view
    assert human_view.content_type == "video/mp4"


def test_the_poster_is_of_the_creatures_view(world: World) -> None:
    make(world)

    creature, human = both(world)
    poster = np.asarray(Image.open(io.BytesIO(world.artifacts.read(poster_path(world.key, ATTEMPT))))) / 255
    assert psnr_db(poster, creature[16]) > 25
    assert psnr_db(poster, human[16]) < 20


def test_the_receipt_says_which_eye_saw_and_where_its_numbers_come_from(world: World) -> None:
    make(world)

    receipt = Receipt.model_validate_json(world.artifacts.read(receipt_path(world.key, ATTEMPT)))
    assert receipt.optics_version == OPTICS_VERSION
    assert receipt.spec.optics == CAT
    assert receipt.spec.optics.threshold
    assert "Miller & Murphy 1995" in (receipt.spec.optics.threshold.source or "")


def test_seeing_is_counted_apart_from_rendering_and_encoding(world: World) -> None:
    make(world, renderer=TestPatternRenderer(step_s=0.01))

    usage = commit_of(world).usage
    assert usage.see_s > 0
    assert usage.encode_s > 0
    assert usage.render_s >= 0.01 * world.render.spec.steps


def test_equal_wishes_are_seen_alike(world: World, tmp_path: Path) -> None:
    other = World(tmp_path)
    other.wish("job-aaaa")
    look_through(other, CAT)

    make(world)
    make(other)

    for one, another in zip(both(world), both(other), strict=True):
        assert np.array_equal(one, another)


def test_an_eye_without_any_number_changes_nothing_and_has_no_second_video(world: World) -> None:
    look_through(world, Optics(frame_deg=60))

    make(world)

    assert commit_of(world).human_view_path is None
    assert human_view_path(world.key, ATTEMPT) not in world.artifacts.created
    assert psnr_db(frames_of(world, video_path(world.key)), pattern(world)) > 25


# --- when it does not go well ---


def stopped_while_seeing(world: World) -> None:
    with pytest.raises(RenderStopped):
        make(world, watch=StopAt(Stage.ENCODING, 8))


def stopped_at_upload(world: World) -> None:
    with pytest.raises(RenderStopped):
        make(world, watch=StopAt(Stage.UPLOADING, 3))


def no_answer_to_an_upload(world: World) -> None:
    world.artifacts.meddling.before("create", nothing, nothing, no_answer)
    with pytest.raises(Retryable):
        make(world)


class StopAt(Listener):
    """A watch that stops the work once so much of a stage is done."""

    def __init__(self, stage: Stage, done: int) -> None:
        super().__init__()
        self._at = (stage, done)

    def moved(self, stage: Stage, done: int, total: int) -> None:
        if stage is self._at[0] and done >= self._at[1]:
            raise RenderStopped
        super().moved(stage, done, total)


@pytest.mark.parametrize(
    "happens",
    [make, stopped_while_seeing, stopped_at_upload, no_answer_to_an_upload],
    ids=lambda each: each.__name__,
)
def test_no_file_is_left_behind_whatever_happens(world: World, happens: Callable[[World], None]) -> None:
    happens(world)

    assert list(world.folder.iterdir()) == []


def test_a_human_view_that_was_answered_to_nobody_is_not_in_the_way_of_the_same_attempt(world: World) -> None:
    world.artifacts.create(human_view_path(world.key, ATTEMPT), b"the same", content_type="video/mp4")

    make(world)

    assert commit_of(world).attempt == ATTEMPT


def test_the_stages_are_those_of_any_render_since_frames_are_seen_as_they_are_encoded(world: World) -> None:
    watch = Listener()

    make(world, watch=watch)

    assert list(dict.fromkeys(stage for stage, _, _ in watch.heard)) == list(Stage)
    assert (Stage.ENCODING, 33, 33) in watch.heard
    assert [done for stage, done, total in watch.heard if stage is Stage.UPLOADING and total == 4] == [0, 1, 2, 3]


class Counting(TestPatternRenderer):
    """Remembers how many frames were encoded when each chunk was asked for."""

    def __init__(self, watch: Listener) -> None:
        super().__init__()
        self._watch = watch
        self.encoded: list[int] = []

    def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        for chunk in super().render(spec, watch=watch):
            self.encoded.append(
                max([done for stage, done, _ in self._watch.heard if stage is Stage.ENCODING], default=0)
            )
            yield chunk


def test_no_more_than_some_frames_wait_between_renderer_and_file(world: World) -> None:
    world.change_render(spec=world.render.spec.model_copy(update={"frames": 81}))
    watch = Listener()
    renderer = Counting(watch)

    make(world, renderer=renderer, watch=watch)

    waiting = [4 * chunk - encoded for chunk, encoded in enumerate(renderer.encoded)]
    assert len(waiting) == 21
    # A chunk is in work at the eye and at the encoder, one waits before each, and one is being handed over.
    assert max(waiting) <= 5 * 4


# --- memory that runs out ---


def test_where_the_eyes_device_has_no_memory_left_it_sees_on_the_cpu(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for a GPU: the first look fails as one does there."""
    tried: list[str] = []

    def short_of_memory(
        chunks: Iterator[NDArray[np.float32]], optics: Optics, *, fps: int, device: str
    ) -> Iterator[NDArray[np.float32]]:
        tried.append(device)
        monkeypatch.setattr(sight, "see", noted)
        yield from see(iter([next(chunks)]), optics, fps=fps, device="cpu")
        raise StartOverError("not enough")

    def noted(
        chunks: Iterator[NDArray[np.float32]], optics: Optics, *, fps: int, device: str
    ) -> Iterator[NDArray[np.float32]]:
        tried.append(device)
        return see(chunks, optics, fps=fps, device=device)

    monkeypatch.setattr(sight, "see", short_of_memory)

    make(world, device="cuda:7")

    assert tried == ["cuda:7", "cpu"]
    creature, human = both(world)
    assert psnr_db(human, pattern(world)) > 25
    assert len(creature) == 33


def looked(*chunks: NDArray[np.float32], device: str | None = "cpu") -> NDArray[np.float32]:
    return np.concatenate(list(see(iter(chunks), CAT, fps=16, device=device)))


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()], ids=repr)
def test_memory_that_runs_out_at_a_look_has_the_render_start_over(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def through(chunks: Iterator[Tensor], *_: object, **__: object) -> Iterator[Tensor]:
        yield next(chunks)
        raise error

    monkeypatch.setattr(sight, "through", through)
    with pytest.raises(StartOverError, match="memory on cpu"):
        looked(np.zeros((2, 8, 8, 3), np.float32))


def test_any_other_fault_of_a_look_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def through(_chunks: object, *_: object, **__: object) -> Iterator[Tensor]:
        raise RuntimeError("shapes do not match")
        yield

    monkeypatch.setattr(sight, "through", through)
    with pytest.raises(RuntimeError, match="shapes"):
        looked(np.zeros((2, 8, 8, 3), np.float32))


# --- one look ---


def test_a_look_takes_and_gives_what_renderers_give(world: World) -> None:
    frames = pattern(world)
    seen = looked(frames[:5], frames[5:])
    assert seen.shape == frames.shape
    assert seen.dtype == np.float32
    assert 0 <= seen.min() <= seen.max() <= 1
    assert np.array_equal(seen, looked(frames[:5], frames[5:], device=None)), "without a GPU"


def test_a_renderers_last_rounding_is_no_fault() -> None:
    beside = np.array([-1e-6, 1 + 1e-6], np.float32).repeat(192).reshape(2, 8, 8, 3)
    assert looked(beside).shape == beside.shape


def test_what_is_no_number_is_not_looked_at() -> None:
    frames = np.zeros((2, 8, 8, 3), np.float32)
    frames[1, 2, 3, 0] = np.nan
    with pytest.raises(ValueError, match="not numbers"):
        looked(frames)


@pytest.mark.parametrize("perspective", perspectives().values(), ids=lambda each: each.id)
def test_every_perspective_sees_something_else_than_was_drawn(world: World, perspective: Perspective) -> None:
    frames = pattern(world)
    seen = np.concatenate(list(see(iter([frames[:7], frames[7:]]), perspective.optics, fps=16, device="cpu")))
    assert seen.shape == frames.shape
    assert np.abs(seen - frames).mean() > 0.002
