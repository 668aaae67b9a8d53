"""The eye as a whole: every creature of the catalogue, from display values to display values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from gpu_job.vision import eye, low_light  # noqa: E402
from shared.optics import Figure, Optics  # noqa: E402
from shared.perspectives import Perspective, perspectives  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

pytestmark = pytest.mark.render

OPTICS = {name: each.optics for name, each in perspectives().items()}
#: Of those whose picture is not the world's own shape, with facets or seams or spots.
SMOOTH = [name for name, each in OPTICS.items() if not (each.facets_deg or each.eyes or each.scotoma)]
#: Of these, those whose view does not end within a frame.
WHOLE = [name for name in SMOOTH if not (end := OPTICS[name].field_deg) or end.value >= OPTICS[name].frame_deg]


def clip(frames: int = 3, height: int = 24, width: int = 40, *, seed: int = 1) -> Tensor:
    """As display values, ``(T, H, W, 3)``."""
    values: Tensor = torch.rand(frames, height, width, 3, generator=torch.Generator().manual_seed(seed))
    return values


def a_figure(value: float) -> Figure:
    return Figure(value=value, estimate="for a test")


@pytest.fixture
def no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(low_light, "GRAIN", 0.0)


def test_optics_that_say_nothing_change_no_bit() -> None:
    frames = clip()
    before = frames.clone()
    assert eye.see(frames, Optics(frame_deg=72), fps=16) is frames
    [passed] = eye.through([frames], Optics(frame_deg=72), fps=16)
    assert passed is frames
    assert torch.equal(frames, before)


@pytest.mark.parametrize("perspective", perspectives().values(), ids=lambda each: each.id)
def test_every_creature_sees_something_of_its_own_and_the_frames_stay_as_they_were(perspective: Perspective) -> None:
    frames = clip(5, 48, 160)
    before = frames.clone()
    seen = eye.see(frames, perspective.optics, fps=16)
    assert seen.shape == frames.shape
    assert seen.dtype == torch.float32
    assert torch.isfinite(seen).all()
    assert 0 <= seen.min() <= seen.max() <= 1
    assert float((seen - frames).abs().mean()) > 0.005
    assert torch.equal(frames, before)


@pytest.mark.parametrize("name", OPTICS)
def test_a_clip_in_pieces_is_the_clip_as_a_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = clip(7, 48, 160)
    whole = eye.see(frames, OPTICS[name], fps=16)
    for chunks in ([1] * 7, [3, 4], [5, 1, 1]):
        assert torch.equal(torch.cat(list(eye.through(torch.split(frames, chunks), OPTICS[name], fps=16))), whole)
    monkeypatch.setattr(eye, "PIECE_PX", 1)
    assert torch.allclose(eye.see(frames, OPTICS[name], fps=16), whole, atol=2e-4)


@pytest.mark.parametrize("name", [name for name, each in OPTICS.items() if not each.fusion_hz and not each.threshold])
def test_a_frame_alone_is_the_frame_among_others(name: str) -> None:
    frames = clip(3, 48, 160)
    alone = torch.cat([eye.see(frame, OPTICS[name], fps=16) for frame in torch.split(frames, 1)])
    assert torch.allclose(alone, eye.see(frames, OPTICS[name], fps=16), atol=2e-4)


@pytest.mark.parametrize("name", OPTICS)
@pytest.mark.usefixtures("no_noise")
def test_a_still_clip_stays_still(name: str) -> None:
    seen = eye.see(clip(1, 48, 160).expand(6, -1, -1, -1), OPTICS[name], fps=16)
    assert torch.allclose(seen[:1].expand_as(seen), seen, atol=1e-6)


def test_the_noise_of_the_dark_does_not_make_a_still_clip_brighter_or_darker() -> None:
    seen = eye.see(clip(1, 96, 160).mul(0.1).expand(6, -1, -1, -1), OPTICS["moonlit-gecko"], fps=16)
    means = seen.mean(dim=(1, 2, 3))
    assert float(seen[0].sub(seen[1]).abs().max()) > 0.001
    assert float(means.max() - means.min()) < 0.001


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("grey", [0.0, 0.02, 0.5, 1.0])
@pytest.mark.usefixtures("no_noise")
def test_an_even_frame_stays_even_up_to_its_edges(name: str, grey: float) -> None:
    seen = eye.see(torch.full((1, 96, 160, 3), grey), OPTICS[name], fps=16)
    assert torch.allclose(seen, seen[:, :1, :1].expand_as(seen), atol=2e-4)


@pytest.mark.parametrize("name", [name for name in WHOLE if not OPTICS[name].heat])
@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.usefixtures("no_noise")
def test_what_grows_brighter_bit_by_bit_does_so_for_every_eye(name: str, axis: int) -> None:
    """No band, no halo: each row or column is brighter than the one before, and by little."""
    length = (480, 832)[axis - 1]
    shape = [1, 1, 1, 1]
    shape[axis] = length
    ramp = torch.linspace(0, 1, length).view(shape).expand(1, 480, 832, 3).contiguous()
    middle = eye.see(ramp, OPTICS[name], fps=16).select(3 - axis, (832, 480)[axis - 1] // 2)
    steps = middle.diff(dim=1)
    assert steps.min() >= -1e-4
    threshold = OPTICS[name].threshold
    assert steps.max() <= 2 / length / (threshold.value if threshold else 1)


@pytest.mark.parametrize("name", ["hidden-octopus", "clouded-grandmother"])
def test_no_more_of_a_clip_is_read_than_an_eye_needs(name: str) -> None:
    read = 0

    def frames() -> Iterator[Tensor]:
        nonlocal read
        for frame in torch.split(clip(40), 1):
            read += 1
            yield frame

    come = eye.through(frames(), OPTICS[name], fps=16)
    for number in range(30):
        assert len(next(come)) == 1
        assert read <= number + 5


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        (torch.zeros(0, 8, 8, 3), "something in them"),
        (torch.zeros(1, 0, 8, 3), "something in them"),
        (torch.zeros(8, 8, 3), "must be"),
        (torch.zeros(1, 8, 8, 4), "must be"),
        (torch.zeros(1, 8, 8, 3, dtype=torch.uint8), "must be float32"),
        (torch.full((1, 8, 8, 3), float("nan")), "not numbers"),
        (torch.zeros(2, 8, 8, 3).index_fill_(0, torch.tensor([1]), float("nan")), "not numbers"),
        (torch.full((1, 8, 8, 3), float("inf")), "in \\[0, 1\\]"),
        (torch.full((1, 8, 8, 3), 1.5), "in \\[0, 1\\]"),
        (torch.full((1, 8, 8, 3), -0.1), "in \\[0, 1\\]"),
    ],
)
@pytest.mark.parametrize("optics", [Optics(frame_deg=72), Optics(frame_deg=72, acuity_cpd=a_figure(5))])
def test_frames_that_are_none_are_refused(frames: Tensor, reason: str, optics: Optics) -> None:
    with pytest.raises(ValueError, match=reason):
        eye.see(frames, optics, fps=16)
    with pytest.raises(ValueError, match=reason):
        list(eye.through([torch.zeros(1, 8, 8, 3), frames], optics, fps=16))


def test_frames_of_different_sizes_are_no_clip() -> None:
    with pytest.raises(ValueError, match="must be alike"):
        list(eye.through([torch.zeros(1, 8, 8, 3), torch.zeros(1, 8, 9, 3)], OPTICS["curious-cat"], fps=16))


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_a_clip_without_a_rate_is_refused_by_eyes_that_need_one(fps: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        eye.see(clip(), OPTICS["curious-cat"], fps=fps)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", OPTICS)
def test_a_gpu_sees_what_a_processor_sees(name: str) -> None:
    frames = clip(3, 96, 160)
    seen = eye.see(frames.cuda(), OPTICS[name], fps=16)
    assert seen.is_cuda
    assert torch.allclose(seen.cpu(), eye.see(frames, OPTICS[name], fps=16), atol=2e-3)
