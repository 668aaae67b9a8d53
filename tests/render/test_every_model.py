"""Every model of the catalogue goes through the whole worker: loaded as its entry says, stopped, drawn, committed."""

from __future__ import annotations

import logging
import shutil
from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from cli.here import MODELS_DIR  # noqa: E402
from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: E402
from gpu_job.loading import LoadClock, load_pipeline  # noqa: E402
from gpu_job.pictures import read_frames  # noqa: E402
from gpu_job.renderer import RenderStopped  # noqa: E402
from shared.artifact_paths import preview_path, receipt_path, video_path  # noqa: E402
from shared.commits import find_commit  # noqa: E402
from shared.documents import Stage  # noqa: E402
from shared.errors import ErrorCode, Permanent, Retryable  # noqa: E402
from shared.models import models  # noqa: E402
from shared.receipts import Receipt  # noqa: E402
from shared.requests import Offer, Request, fill_in, render_spec  # noqa: E402
from tests.render import tiny_models  # noqa: E402
from tests.unit.renderer_world import Listener, drawn  # noqa: E402
from tests.unit.worker_world import ATTEMPT, World, make  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from diffusers import DiffusionPipeline
    from numpy.typing import NDArray

    from shared.requests import RenderSpec

pytestmark = pytest.mark.render

FASTWAN, OF_TWO = "fastwan2.2-ti2v-5b", "wan2.2-t2v-a14b-4step"


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every model, tiny but for the one that is small already."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(MODELS_DIR / "pocket", folder / "pocket")
    for model in models().values():
        if model.id != "pocket":
            tiny_models.write(model, folder)
    return folder


@pytest.fixture(scope="module")
def renderer(models_dir: Path) -> DiffusersRenderer:
    return DiffusersRenderer(models_dir, device="cpu", threads=1)


def spec_of(model_id: str, **changes: object) -> RenderSpec:
    """What a wish for the model becomes, but for a size and a length that take no time."""
    offer = Offer(served=(model_id,), seed_pool=8)
    wish = fill_in(Request(perspective="curious-cat", seed=1), job_id="any", offer=offer)
    spec = render_spec(wish, owner="ada", offer=offer)
    small: dict[str, object] = {"width": 64, "height": 64, "frames": 5, "dtype": "float32", "optics": None}
    small["recipe"] = spec.recipe.model_copy(update={"compile": False})  # takes minutes on a CPU
    if spec.sampler is None:
        small["steps"] = 2
    return spec.model_copy(update=small | changes)


def loaded(model_id: str, models_dir: Path, **changes: object) -> DiffusionPipeline:
    return load_pipeline(spec_of(model_id, **changes), models_dir=models_dir, clock=LoadClock())


@pytest.mark.parametrize("model", models())
def test_a_worker_stops_and_makes_a_video_with_every_model_of_the_catalogue(
    model: str, renderer: DiffusersRenderer, tmp_path: Path
) -> None:
    world, spec = World(tmp_path), spec_of(model)
    world.wish("job-aaaa")
    world.change_render(spec=spec)
    loading = [(Stage.LOADING, 0, 1), (Stage.LOADING, 1, 1)]
    steps = [(Stage.RENDERING, step, spec.steps) for step in range(1, spec.steps + 1)]

    with pytest.raises(RenderStopped):  # canceled in the middle
        make(world, renderer=renderer, watch=(stopped := Listener(enough=3)))
    assert stopped.heard == loading + steps[:1]
    assert find_commit(world.key, artifacts=world.artifacts) is None

    make(world, renderer=renderer, watch=(watch := Listener()))
    assert [each for each in watch.heard if each[0] in {Stage.LOADING, Stage.RENDERING}] == loading + steps
    assert {each[0] for each in watch.heard} == set(Stage)
    assert watch.previews == [preview_path(world.key, ATTEMPT)]
    assert renderer._models.latest
    assert type(renderer._models.latest.pipe).__name__ == models()[model].pipeline_class
    found = find_commit(world.key, artifacts=world.artifacts)
    assert found
    assert (found[1].width, found[1].height, found[1].frames) == (64, 64, 5)
    (tmp_path / "video.mp4").write_bytes(world.artifacts.read(video_path(world.key)))
    assert len(list(read_frames(tmp_path / "video.mp4"))) == 5
    receipt = Receipt.model_validate_json(world.artifacts.read(receipt_path(world.key, ATTEMPT)))
    assert receipt.spec == spec


@pytest.mark.parametrize("model", models())
def test_every_model_is_decoded_some_frames_at_a_time(
    model: str, renderer: DiffusersRenderer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    chunks = [len(chunk) for chunk in renderer.render(spec_of(model, frames=17), watch=Listener())]
    assert sum(chunks) == 17
    assert max(chunks) <= 4
    assert "this clip is decoded at once" not in caplog.messages


class Kept(logging.Handler):
    """Hears what a library says by a logger of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@pytest.mark.parametrize("model", models())
def test_no_library_logs_the_end_of_a_prompt_that_is_too_long(model: str, renderer: DiffusersRenderer) -> None:
    """Their warnings quote what they leave out."""
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers", "")]
    kept = Kept()
    for each in loggers:
        each.addHandler(kept)
    try:
        drawn(renderer, spec_of(model, prompt="a moth " * 300 + "xyzzy"))
    finally:
        for each in loggers:
            each.removeHandler(kept)

    assert not [each for each in kept.said if "moth" in each or "xyzzy" in each]


@pytest.mark.parametrize("model", [FASTWAN, OF_TWO])
def test_few_steps_draw_the_same_for_the_same_seed_and_leave_the_global_random_state_alone(
    model: str, renderer: DiffusersRenderer
) -> None:
    frames = drawn(renderer, spec_of(model))
    before = torch.random.get_rng_state()
    assert (drawn(renderer, spec_of(model)) == frames).all()
    assert (torch.random.get_rng_state() == before).all()
    assert (drawn(renderer, spec_of(model, seed=2)) != frames).any()


def test_a_distilled_model_is_sampled_at_the_levels_that_it_learned(models_dir: Path) -> None:
    pipe = loaded(FASTWAN, models_dir)
    assert pipe.config.expand_timesteps
    pipe.scheduler.set_timesteps(50, device="cpu")
    assert pipe.scheduler.timesteps.tolist() == pytest.approx([1000, 757, 522])
    assert pipe.scheduler.sigmas.tolist() == pytest.approx([1, 0.757, 0.522, 0])
    # The whole clip is guessed, and fresh noise is mixed in.
    clip, velocity = torch.full((2, 3), 0.5), torch.full((2, 3), 0.25)
    generator = torch.Generator().manual_seed(5)
    noise = torch.randn(2, 3, generator=torch.Generator().manual_seed(5))
    [step] = pipe.scheduler.step(velocity, pipe.scheduler.timesteps[0], clip, generator=generator, return_dict=False)
    assert torch.allclose(step, (1 - 0.757) * (clip - velocity) + 0.757 * noise)


def test_each_of_two_transformers_has_the_steps_of_its_adapter(
    renderer: DiffusersRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn(renderer, spec_of(OF_TWO))
    assert renderer._models.latest
    pipe, calls = renderer._models.latest.pipe, list[str]()
    for part in ("transformer", "transformer_2"):
        handle = getattr(pipe, part).register_forward_pre_hook(lambda *_, part=part: calls.append(part))
        monkeypatch.setattr(pipe, f"_{part}_hook", handle, raising=False)
    drawn(renderer, spec_of(OF_TWO))
    assert calls == ["transformer", "transformer", "transformer_2", "transformer_2"]


def test_an_adapter_changes_the_layers_that_it_is_for_and_no_others(models_dir: Path) -> None:
    plain, adapted = loaded(OF_TWO, models_dir, adapters=()), loaded(OF_TWO, models_dir)
    for part in ("transformer", "transformer_2"):
        pairs = zip(getattr(plain, part).named_parameters(), getattr(adapted, part).parameters(), strict=True)
        changed = {name for (name, before), after in pairs if not torch.equal(before, after)}
        assert changed == {
            f"blocks.{block}.{layer}.weight"
            for block in (0, 1)
            for layer in ("attn1.to_q", "attn2.to_out.0", "ffn.net.2")
        }


def test_a_file_that_is_no_adapter_of_this_model_is_refused_for_good(models_dir: Path) -> None:
    first, second = models()[OF_TWO].adapters
    wrong = second.model_copy(update={"source": models()[OF_TWO].source, "file": "model_index.json"})
    with pytest.raises((Permanent, Retryable)):
        loaded(OF_TWO, models_dir, adapters=(wrong,))
    missing = first.model_copy(update={"file": "nothing.safetensors"})
    with pytest.raises(Retryable):
        loaded(OF_TWO, models_dir, adapters=(missing,))


@pytest.mark.parametrize("name", ["WanDMDPipeline", "AutoencoderKLWan", "utils"])
def test_a_class_that_is_no_pipeline_of_diffusers_is_refused_for_good(models_dir: Path, name: str) -> None:
    with pytest.raises(Permanent) as caught:
        loaded(FASTWAN, models_dir, pipeline_class=name)
    assert caught.value.code is ErrorCode.MODEL_UNAVAILABLE


def test_a_worker_leaves_a_model_that_it_does_not_serve_to_others(models_dir: Path) -> None:
    renderer = DiffusersRenderer(models_dir, device="cpu", threads=1, served=("pocket",))
    with pytest.raises(Retryable, match=f"does not serve {FASTWAN}"):
        drawn(renderer, spec_of(FASTWAN))


def test_what_loading_took_is_told_by_parts(models_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    renderer = DiffusersRenderer(models_dir, device="cpu", threads=1)
    drawn(renderer, spec_of("wan2.1-t2v-1.3b"))
    seconds = renderer.account.seconds
    assert seconds["read"] > 0
    assert seconds["download"] + seconds["read"] + seconds["move"] <= seconds["load"] + 0.01
    [line] = [vars(each) for each in caplog.records if vars(each).get("action") == "load"]
    assert (line["model"], line["fit"], line["read_s"]) == ("wan2.1-t2v-1.3b", "whole", round(seconds["read"], 3))
    drawn(renderer, spec_of("wan2.1-t2v-1.3b", seed=2))
    seconds = renderer.account.seconds
    assert {seconds[part] for part in ("load", "download", "read", "move")} == {0}
    assert renderer.load_s == 0


def test_pipelines_that_are_not_in_the_catalogue_are_drawn_with_too(
    models_dir: Path, renderer: DiffusersRenderer
) -> None:
    tiny_models.ltx().save_pretrained(models_dir / "someone" / "ltx")
    unknown = {"model_source": "someone/ltx", "pipeline_class": None, "frames": 9}
    frames: NDArray[np.float32] = drawn(renderer, spec_of("wan2.1-t2v-1.3b", **unknown))
    assert frames.shape == (9, 64, 64, 3)
