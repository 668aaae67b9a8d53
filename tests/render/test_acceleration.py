"""Levers on real pipelines at toy size: what each does to the pictures, and that none can fail a job."""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusers import UNet3DConditionModel, WanTransformer3DModel  # noqa: E402
from diffusers.models.attention_dispatch import _AttentionBackendRegistry  # noqa: E402

from gpu_job.acceleration import accelerate  # noqa: E402
from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: E402
from gpu_job.kernel_store import KernelStore  # noqa: E402
from shared.models import Model, models  # noqa: E402
from shared.recipes import Recipe  # noqa: E402
from tests.render import untrained_wan  # noqa: E402
from tests.unit.renderer_world import SPEC, drawn  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

pytestmark = pytest.mark.render

CPU = torch.device("cpu")
EIGHT_STEPS = SPEC.model_copy(update={"steps": 8})
#: Decibels above which a lever's pictures can't be told from the plain ones: 8 bits a channel are 59 dB.
SAME = 80.0


@pytest.fixture(scope="module")
def plain(models_dir: Path) -> NDArray[np.float32]:
    """The frames without any lever."""
    return drawn(DiffusersRenderer(models_dir, device="cpu"), EIGHT_STEPS)


@pytest.fixture
def quick_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are traced as ever, but not translated to C++, which takes minutes."""
    usual = WanTransformer3DModel.compile_repeated_blocks
    monkeypatch.setattr(
        WanTransformer3DModel, "compile_repeated_blocks", functools.partialmethod(usual, backend="aot_eager")
    )


def psnr(frames: NDArray[np.float32], others: NDArray[np.float32]) -> float:
    error = float(((frames - others) ** 2).mean())
    return 200.0 if error == 0 else -10 * np.log10(error)


def accelerated(models_dir: Path, **levers: Any) -> tuple[NDArray[np.float32], dict[str, str]]:
    renderer = DiffusersRenderer(models_dir, device="cpu")
    frames = drawn(renderer, EIGHT_STEPS.model_copy(update={"recipe": Recipe(**levers)}))
    return frames, dict(renderer.account.acceleration)


# --- what each does to the pictures ---


@pytest.mark.parametrize(
    ("levers", "report"),
    [
        ({"attention": ("_native_math",)}, {"transformer.attention": "on: _native_math"}),
        ({"channels_last": True}, {"vae.channels_last": "on"}),
    ],
)
def test_a_lever_that_moves_last_bits_alone_leaves_the_pictures_as_they_are(
    models_dir: Path, plain: NDArray[np.float32], levers: dict[str, Any], report: dict[str, str]
) -> None:
    frames, found = accelerated(models_dir, **levers)
    assert found == report
    assert psnr(frames, plain) > SAME


@pytest.mark.usefixtures("quick_compiling")
@pytest.mark.filterwarnings("ignore")  # of torch's compiler, at its import and about this machine
def test_compiled_blocks_draw_the_same_pictures(models_dir: Path, plain: NDArray[np.float32]) -> None:
    frames, found = accelerated(models_dir, compile=True)
    assert found == {"transformer.compile": "on"}
    assert psnr(frames, plain) > SAME


@pytest.mark.parametrize(
    ("levers", "report", "at_least"),
    [
        ({"fp8_weights": True}, {"transformer.fp8_weights": "on"}, 40.0),
        ({"step_cache": 0.1}, {"transformer.step_cache": "on: 0.1"}, 40.0),
    ],
)
def test_a_lever_that_says_that_it_changes_pictures_does_and_stays_near(
    models_dir: Path, plain: NDArray[np.float32], levers: dict[str, Any], report: dict[str, str], at_least: float
) -> None:
    frames, found = accelerated(models_dir, **levers)
    assert found == report
    assert at_least < psnr(frames, plain) < SAME


def test_cached_steps_of_one_clip_do_not_leak_into_the_next(models_dir: Path) -> None:
    renderer = DiffusersRenderer(models_dir, device="cpu")
    spec = EIGHT_STEPS.model_copy(update={"recipe": Recipe(step_cache=0.1)})
    first = drawn(renderer, spec)
    drawn(renderer, spec.model_copy(update={"seed": 8}))
    assert (drawn(renderer, spec) == first).all()


def test_weights_in_8_bits_take_less_memory() -> None:
    def size_of(recipe: Recipe) -> int:
        pipe = untrained_wan.pipeline()
        accelerate(pipe, recipe, device=CPU)
        return sum(each.nbytes for each in pipe.transformer.parameters())

    assert size_of(Recipe(fp8_weights=True)) < size_of(Recipe()) / 2


def test_levers_of_one_model_do_not_reach_another(models_dir: Path, plain: NDArray[np.float32]) -> None:
    renderer = DiffusersRenderer(models_dir, device="cpu")
    recipe = Recipe(attention=("_native_math",), step_cache=0.1, channels_last=True)
    drawn(renderer, EIGHT_STEPS.model_copy(update={"recipe": recipe}))
    assert _AttentionBackendRegistry.get_active_backend()[0].value == "native"
    assert (drawn(renderer, EIGHT_STEPS) == plain).all()
    assert renderer.account.acceleration == {}


# --- what can't be done is written down ---


def test_without_a_recipe_nothing_is_done_and_nothing_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert accelerate(untrained_wan.pipeline(), Recipe(), device=CPU) == {}
    assert not [record for record in caplog.records if record.name.startswith("gpu_job")]


def test_attention_that_the_machine_does_not_have_gives_way_to_the_next_and_then_to_torchs_own() -> None:
    pipe = untrained_wan.pipeline()
    report = accelerate(pipe, Recipe(attention=("flash", "_native_math")), device=CPU)
    assert report == {"transformer.attention": "on: _native_math"}
    report = accelerate(pipe, Recipe(attention=("_flash_3", "flash")), device=CPU)
    assert report["transformer.attention"].startswith("off: _flash_3: Flash Attention 3 backend '_flash_3' is not")
    assert {module.processor._attention_backend for module in attentions(pipe.transformer)} == {None}


def attentions(module: Any) -> list[Any]:
    return [each for each in module.modules() if hasattr(getattr(each, "processor", None), "_attention_backend")]


@pytest.mark.parametrize("lever", [{"step_cache": 0.1}, {"attention": ("_native_math",)}, {"compile": True}])
def test_a_denoiser_that_can_not_do_it_is_left_as_it_is(lever: dict[str, Any]) -> None:
    class Pipeline:
        unet = torch.nn.Linear(1, 1)

    report = accelerate(Pipeline(), Recipe(**lever), device=CPU)
    ((name, words),) = report.items()
    assert name == f"unet.{next(iter(lever))}"
    assert words.startswith("off: Linear ")


def test_a_unet_takes_the_levers_that_it_knows() -> None:
    class Pipeline:
        unet = UNet3DConditionModel(
            sample_size=8,
            block_out_channels=(32, 64),
            layers_per_block=1,
            down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
            up_block_types=("UpBlock3D", "CrossAttnUpBlock3D"),
            cross_attention_dim=16,
            attention_head_dim=4,
        )

    report = accelerate(Pipeline(), Recipe(fp8_weights=True, step_cache=0.1, channels_last=True), device=CPU)
    assert report["unet.fp8_weights"] == "on"
    assert report["unet.step_cache"] == "off: UNet3DConditionModel has no step cache"
    assert report["vae.channels_last"] == "off: the pipeline has no autoencoder of its own"


def test_both_denoisers_of_a_pipeline_are_accelerated() -> None:
    pipe, other = untrained_wan.pipeline(), untrained_wan.pipeline()
    pipe.transformer_2 = other.transformer
    report = accelerate(pipe, Recipe(step_cache=0.1), device=CPU)
    assert report == {"transformer.step_cache": "on: 0.1", "transformer_2.step_cache": "on: 0.1"}


def test_weights_in_8_bits_and_compiling_do_not_go_together() -> None:
    report = accelerate(untrained_wan.pipeline(), Recipe(fp8_weights=True, compile=True), device=CPU)
    assert report == {
        "transformer.fp8_weights": "on",
        "transformer.compile": "off: weights in 8 bits are cast layer by layer, which no graph can hold",
    }


# --- what fails in the middle of a render is taken off ---


def test_levers_that_fail_while_drawing_are_taken_off_from_the_last_to_the_first_and_the_clip_is_drawn(
    models_dir: Path, plain: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_compiler(*_: object, **__: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease specify one.")

    def compile_to_nothing(part: Any, **_: object) -> None:
        for block in part.blocks:
            block._compiled_call_impl = no_compiler

    monkeypatch.setattr(WanTransformer3DModel, "compile_repeated_blocks", compile_to_nothing)
    frames, found = accelerated(models_dir, attention=("_native_math",), compile=True)
    assert found == {
        "transformer.attention": "on: _native_math",
        "transformer.compile": "off: Failed to find C compiler.",
    }
    assert psnr(frames, plain) > SAME
    (line,) = [each for each in caplog.records if each.levelno == logging.WARNING and each.name.startswith("gpu_job")]
    assert (line.action, line.lever) == ("accelerate", "transformer.compile")  # type: ignore[attr-defined]


def test_a_pipeline_that_does_not_tell_its_steps_apart_is_drawn_without_the_cache_of_steps() -> None:
    part = untrained_wan.pipeline().transformer

    class Pipeline:
        transformer = part

    given = {
        "hidden_states": torch.randn(1, 16, 3, 6, 8),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 4, untrained_wan.TEXT_DIM),
    }
    with torch.no_grad():
        usual = part(**given).sample
        report = accelerate(Pipeline(), Recipe(step_cache=0.1), device=CPU)
        assert (part(**given).sample == usual).all()
    assert report["transformer.step_cache"].startswith("off: No cache context is set")


def test_memory_that_runs_out_is_no_levers_fault(models_dir: Path) -> None:
    renderer = DiffusersRenderer(models_dir, device="cpu")
    spec = SPEC.model_copy(update={"recipe": Recipe(attention=("_native_math",))})
    drawn(renderer, spec)
    assert renderer._models.latest is not None
    calls = []

    def run_out(*_: object) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("as CUDA says it")

    renderer._models.latest.pipe.transformer.register_forward_pre_hook(run_out)
    drawn(renderer, spec)
    assert renderer.account.acceleration == {"transformer.attention": "on: _native_math"}


def test_a_fault_of_the_job_is_still_a_fault_after_all_levers_are_off() -> None:
    part = untrained_wan.pipeline().transformer

    class Pipeline:
        transformer = part

    report = accelerate(Pipeline(), Recipe(attention=("_native_math",), step_cache=0.1), device=CPU)
    with pytest.raises(TypeError):
        part()
    assert all(words.startswith("off: ") for words in report.values())


# --- what is on by default ---


def test_no_model_has_a_lever_on_whose_gain_nobody_measured() -> None:
    assert Recipe().levers == {}
    for model in models().values():
        assert set(model.recipe.levers) <= set(model.gains)


def test_a_lever_without_its_gain_is_a_fault_of_the_catalogue() -> None:
    entry = models()["pocket"].model_dump()
    with pytest.raises(ValueError, match="has no measured gain for compile, step_cache"):
        Model.model_validate(entry | {"recipe": {"compile": True, "step_cache": 0.1}})
    entry |= {"recipe": {"compile": True}, "gains": {"compile": "denoise 1.2 times, 90 dB, a GPU, a date"}}
    assert Model.model_validate(entry).recipe.levers == {"compile": True}


# --- kernels that are kept ---


def test_kernels_are_stored_once_a_shape_and_fetched_by_the_next_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[bytes] = []
    monkeypatch.setattr(torch.compiler, "save_cache_artifacts", lambda: (b"kernels", None))
    monkeypatch.setattr(torch.compiler, "load_cache_artifacts", fetched.append)
    part = untrained_wan.pipeline().transformer
    store = KernelStore(tmp_path / "kernels")
    store.fetch(part)
    store.keep(part, [torch.zeros(1, 2), "a word"])
    (file,) = (tmp_path / "kernels").iterdir()
    assert file.read_bytes() == b"kernels"
    file.write_bytes(b"of another worker")
    store.keep(part, [torch.zeros(1, 2)])
    assert file.read_bytes() == b"of another worker"
    store.keep(part, [torch.zeros(1, 3)])
    assert file.read_bytes() == b"kernels"
    KernelStore(tmp_path / "kernels").fetch(part)
    assert fetched == [b"kernels"]


def test_a_store_that_is_broken_costs_nothing_but_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    part = untrained_wan.pipeline().transformer
    (tmp_path / "file").touch()
    store = KernelStore(tmp_path / "file")
    monkeypatch.setattr(torch.compiler, "save_cache_artifacts", lambda: (b"kernels", None))
    store.keep(part, [])
    assert "kernels can't be kept" in caplog.messages
    good = KernelStore(tmp_path)
    good.keep(part, [])
    (kept,) = tmp_path.glob("*.kernels")
    kept.write_bytes(b"half a fi")
    good.fetch(part)
    assert "Failed to un-pickle cache artifacts" in caplog.messages  # so says torch, and goes on
