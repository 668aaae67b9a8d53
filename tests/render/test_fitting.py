"""What fits into a device's memory: asked before anything is loaded, and how many models stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from accelerate import cpu_offload_with_hook  # type: ignore[import-untyped]  # noqa: E402

from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: E402
from gpu_job.memory import Fit, call_up, how_it_fits  # noqa: E402
from gpu_job.sketches import Sketcher, Step  # noqa: E402
from shared.errors import ErrorCode, Permanent  # noqa: E402
from shared.models import models  # noqa: E402
from tests.render import tiny_models, untrained_wan  # noqa: E402
from tests.render.test_every_model import spec_of  # noqa: E402
from tests.unit.renderer_world import Listener, Sketching, drawn  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from shared.requests import RenderSpec

pytestmark = pytest.mark.render

SMALL, QUALITY = "wan2.1-t2v-1.3b", "wan2.2-ti2v-5b"


class SomeMemory:
    """A device with so much memory; of what is in use it knows what it is told."""

    def __init__(self, available_gb: float) -> None:
        self.available = available_gb
        self.renderer: DiffusersRenderer | None = None

    def available_gb(self) -> float:
        return self.available

    def room_gb(self) -> float:
        assert self.renderer
        models = self.renderer._models
        warm = [each for each in (models.latest, *models.others) if each]
        return self.available - 20.0 * len(warm)  # that much in use by each model


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for model in (SMALL, QUALITY, "fastwan2.2-ti2v-5b"):
        tiny_models.write(models()[model], folder)
    return folder


def renderer_with(available_gb: float, models_dir: Path) -> DiffusersRenderer:
    renderer = DiffusersRenderer(models_dir, device="cpu", threads=1)
    renderer._models.memory = memory = SomeMemory(available_gb)  # type: ignore[assignment]
    memory.renderer = renderer
    return renderer


def fit_of(renderer: DiffusersRenderer) -> Fit:
    assert renderer._models.latest
    return renderer._models.latest.fit


def in_memory(renderer: DiffusersRenderer) -> int:
    models = renderer._models
    return len([each for each in (models.latest, *models.others) if each])


@pytest.mark.parametrize(
    ("model", "gb", "fit"),
    [
        ("pocket", 2, Fit.WHOLE),
        ("fastwan2.2-ti2v-5b", 23.6, Fit.BY_PARTS),  # an L4
        ("fastwan2.2-ti2v-5b", 84, Fit.WHOLE),  # an H100
        ("wan2.2-ti2v-5b", 23.6, Fit.BY_PARTS),
        ("wan2.1-t2v-1.3b", 23.6, Fit.WHOLE),
        ("wan2.2-t2v-a14b-4step", 84, Fit.WHOLE),
        ("wan2.2-t2v-a14b-4step", 47, Fit.BY_PARTS),  # an L40S
    ],
)
def test_the_first_clip_of_a_model_fits_where_it_was_chosen_for(model: str, gb: float, fit: Fit) -> None:
    assert how_it_fits(models()[model], models()[model].clips[0], available_gb=gb) is fit


def test_what_does_not_fit_is_refused_with_what_does() -> None:
    fast = models()["fastwan2.2-ti2v-5b"]
    with pytest.raises(Permanent) as caught:
        how_it_fits(fast, fast.clips[4], available_gb=18)
    assert caught.value.code is ErrorCode.RENDER_FAILED
    assert caught.value.detail == (
        "1280x704 with 121 frames by fastwan2.2-ti2v-5b takes 21.4 GB of memory; the machine that renders it has "
        "18.0 GB. What fits: 832x480 with 121 frames, 832x480 with 73 frames, 480x832 with 121 frames, "
        "480x832 with 73 frames, 1280x704 with 73 frames, 704x1280 with 73 frames."
    )
    with pytest.raises(Permanent, match=r"No clip of this model fits\.$"):
        how_it_fits(fast, fast.clips[0], available_gb=8)


def test_a_clip_that_can_not_fit_is_refused_before_its_model_is_loaded(models_dir: Path) -> None:
    renderer = renderer_with(8, models_dir)
    watch = Listener()
    with pytest.raises(Permanent, match="takes"):
        drawn(renderer, spec_of(SMALL, width=832, height=480, frames=81), watch=watch)
    assert len(watch.heard) == 1
    assert renderer.load_s == 0
    assert in_memory(renderer) == 0


def test_a_model_whose_parts_take_turns_draws_the_same_frames_group_by_group(models_dir: Path) -> None:
    usual = drawn(DiffusersRenderer(models_dir, device="cpu", threads=1), spec_of(QUALITY))
    renderer = renderer_with(14, models_dir)
    assert (drawn(renderer, spec_of(QUALITY), watch=(watch := Sketching(renderer))) == usual).all()
    assert all(sketch is not None for sketch in watch.sketches)
    assert renderer._models.latest
    assert renderer._models.latest.fit is Fit.BY_PARTS
    assert not renderer._models.latest.pipe.vae.use_tiling
    assert (drawn(renderer, spec_of(QUALITY)) == usual).all()


def test_a_model_whose_layers_wait_one_by_one_is_not_sketched() -> None:
    pipe = untrained_wan.pipeline()
    step = Step(
        model_output=torch.zeros(1, 16, 3, 6, 8), timestep=torch.tensor(500), sample=torch.zeros(1, 16, 3, 6, 8)
    )
    assert Sketcher(pipe).sketch(step, spec_of(SMALL)) is not None
    pipe.enable_sequential_cpu_offload(device="cpu")
    assert Sketcher(pipe).sketch(step, spec_of(SMALL)) is None


def test_a_part_that_waits_is_brought_to_the_device_when_it_is_called_up() -> None:
    part = torch.nn.Linear(2, 2)
    call_up(part)  # it waits for nothing
    cpu_offload_with_hook(part, execution_device=torch.device("meta"))
    assert part.weight.device.type == "cpu"
    call_up(part)
    assert part.weight.device.type == "meta"


def test_for_a_larger_clip_the_parts_of_a_loaded_model_begin_to_take_turns(models_dir: Path) -> None:
    renderer = renderer_with(15.52, models_dir)
    drawn(renderer, spec_of(SMALL))
    assert fit_of(renderer) is Fit.WHOLE
    drawn(renderer, spec_of(SMALL, width=256, height=128, frames=9))
    assert fit_of(renderer) is Fit.BY_PARTS
    assert renderer.load_s == 0


def load_s(renderer: DiffusersRenderer, spec: RenderSpec) -> float:
    drawn(renderer, spec)
    return renderer.load_s


def test_models_stay_loaded_while_there_is_room_and_the_longest_unused_goes_first(models_dir: Path) -> None:
    renderer = renderer_with(65, models_dir)
    assert load_s(renderer, spec_of(SMALL)) > 0
    assert load_s(renderer, spec_of(QUALITY)) > 0
    assert load_s(renderer, spec_of(SMALL)) == 0
    assert in_memory(renderer) == 2
    assert load_s(renderer, spec_of("fastwan2.2-ti2v-5b")) > 0  # 24 GB, of 25
    assert in_memory(renderer) == 3
    renderer._models.memory.available = 55  # type: ignore[attr-defined]
    assert load_s(renderer, spec_of(SMALL, dtype="bfloat16")) > 0
    assert load_s(renderer, spec_of("fastwan2.2-ti2v-5b")) == 0, "it was used after the two others"


def test_where_nobody_knows_how_much_there_is_one_model_stays(models_dir: Path) -> None:
    renderer = DiffusersRenderer(models_dir, device="cpu", threads=1)
    drawn(renderer, spec_of(SMALL))
    drawn(renderer, spec_of(QUALITY))
    assert in_memory(renderer) == 1
    assert load_s(renderer, spec_of(SMALL)) > 0
