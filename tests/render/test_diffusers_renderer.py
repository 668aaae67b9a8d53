"""The real renderer on real pipeline classes with random weights: no download, no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import diffusers  # noqa: E402
from huggingface_hub import errors as hub  # noqa: E402
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]  # noqa: E402

from gpu_job import loading  # noqa: E402
from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: E402
from gpu_job.loading import load_error  # noqa: E402
from gpu_job.renderer import RenderStopped  # noqa: E402
from shared.documents import Stage  # noqa: E402
from shared.errors import ErrorCode, Permanent, Retryable  # noqa: E402
from tests.render import tiny_models, untrained_wan  # noqa: E402
from tests.unit.renderer_world import SPEC, Listener, Sketching, drawn  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

    from shared.requests import RenderSpec

pytestmark = pytest.mark.render

LOADED = [(Stage.LOADING, 0, 1), (Stage.LOADING, 1, 1)]


def changed(**changes: object) -> RenderSpec:
    return SPEC.model_copy(update=changes)


@pytest.fixture(scope="session")
def models_dir(models_dir: Path) -> Path:
    """The folder with one tiny model of each other kind in it."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        tiny_models.cogvideox().save_pretrained(models_dir / "someone" / "cogvideox")
        tiny_models.text_to_video_sd().save_pretrained(models_dir / "zeroscope")
    scheduler = diffusers.DDPMScheduler()
    diffusers.DDPMPipeline(
        diffusers.UNet2DModel(
            block_out_channels=(32, 32),
            down_block_types=["DownBlock2D"] * 2,
            up_block_types=["UpBlock2D"] * 2,
            layers_per_block=1,
        ),
        scheduler,
    ).save_pretrained(models_dir / "pictures")
    return models_dir


@pytest.fixture(scope="session")
def renderer(models_dir: Path) -> DiffusersRenderer:
    return DiffusersRenderer(models_dir, device="cpu", threads=2)


def test_it_draws_what_was_ordered(renderer: DiffusersRenderer) -> None:
    chunks = list(renderer.render(SPEC, watch=Listener()))
    assert [chunk.shape for chunk in chunks] == [(1, 48, 64, 3), (4, 48, 64, 3), (4, 48, 64, 3)]
    frames = np.concatenate(chunks)
    assert frames.dtype == np.float32
    assert frames.min() >= 0
    assert frames.max() <= 1


def test_the_untrained_model_draws_coloured_clouds_that_move(renderer: DiffusersRenderer) -> None:
    frames = drawn(renderer)
    assert frames[1:].std(axis=(1, 2)).min() > 0.03
    assert 0.002 < np.abs(np.diff(frames, axis=0)).mean() < 0.2


def test_frames_decoded_group_by_group_are_those_of_the_pipeline(renderer: DiffusersRenderer, models_dir: Path) -> None:
    pipe = diffusers.DiffusionPipeline.from_pretrained(models_dir / SPEC.model_source, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    output = pipe(
        SPEC.prompt,
        num_frames=SPEC.frames,
        width=SPEC.width,
        height=SPEC.height,
        num_inference_steps=SPEC.steps,
        guidance_scale=SPEC.guidance,
        generator=torch.Generator().manual_seed(SPEC.seed),
    )
    assert (drawn(renderer) == output.frames[0]).all()


def test_the_same_spec_draws_the_same_frames(renderer: DiffusersRenderer) -> None:
    assert (drawn(renderer) == drawn(renderer)).all()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 8},
        {"prompt": "a cat looks at a bird"},
        {"guidance": 5.0},
        {"guidance": 5.0, "negative_prompt": "a house"},
    ],
)
def test_another_wish_draws_other_frames(renderer: DiffusersRenderer, change: dict[str, object]) -> None:
    usual = changed(guidance=5.0) if "negative_prompt" in change else SPEC
    assert (drawn(renderer, usual) != drawn(renderer, changed(**change))).any()


def test_without_guidance_the_negative_prompt_changes_nothing(renderer: DiffusersRenderer) -> None:
    assert (drawn(renderer) == drawn(renderer, changed(negative_prompt="a house"))).all()


def test_it_reports_every_step(renderer: DiffusersRenderer) -> None:
    watch = Listener()
    drawn(renderer, changed(steps=3), watch=watch)
    assert watch.heard == LOADED + [(Stage.RENDERING, step, 3) for step in (1, 2, 3)]


@pytest.mark.parametrize("source", [untrained_wan.SOURCE, "zeroscope"])
def test_after_a_stop_between_two_steps_the_next_render_is_as_ever(renderer: DiffusersRenderer, source: str) -> None:
    spec = changed(model_source=source)
    before = drawn(renderer, spec)
    watch = Listener(enough=4)
    with pytest.raises(RenderStopped):
        drawn(renderer, spec, watch=watch)
    assert watch.heard == [*LOADED, (Stage.RENDERING, 1, 4), (Stage.RENDERING, 2, 4)]
    assert (drawn(renderer, spec) == before).all()
    assert renderer.load_s == 0


def test_after_a_render_left_while_decoding_the_next_is_as_ever(renderer: DiffusersRenderer) -> None:
    before = drawn(renderer)
    frames = renderer.render(SPEC, watch=Listener())
    next(frames)
    next(frames)
    del frames
    assert (drawn(renderer) == before).all()


def test_reading_frames_leaves_gradients_as_they_were(renderer: DiffusersRenderer) -> None:
    for _ in renderer.render(SPEC, watch=Listener()):
        assert torch.is_grad_enabled()


def test_a_model_is_loaded_once(models_dir: Path) -> None:
    renderer = DiffusersRenderer(models_dir, device="cpu", threads=2)
    drawn(renderer)
    assert renderer.load_s > 0
    drawn(renderer, changed(seed=8))
    assert renderer.load_s == 0
    drawn(renderer, changed(dtype="bfloat16"))
    assert renderer.load_s > 0


def test_the_device_is_named(renderer: DiffusersRenderer) -> None:
    assert renderer.device_name == "cpu (2 threads)"


@pytest.mark.parametrize("source", ["someone/cogvideox", "zeroscope"])
def test_other_pipelines_are_served_too(renderer: DiffusersRenderer, source: str) -> None:
    spec = changed(model_source=source, guidance=6.0)
    watch = Listener()
    frames = drawn(renderer, spec, watch=watch)
    assert frames.shape == (9, 48, 64, 3)
    assert watch.heard == LOADED + [(Stage.RENDERING, step, 4) for step in (1, 2, 3, 4)]
    assert (drawn(renderer, spec) == frames).all()
    assert (drawn(renderer, spec.model_copy(update={"seed": 8})) != frames).any()


def test_nothing_is_drawn_on_the_terminal(models_dir: Path, capfd: pytest.CaptureFixture[str]) -> None:
    drawn(DiffusersRenderer(models_dir, device="cpu", threads=2))
    spoken = capfd.readouterr()
    assert (spoken.out, spoken.err) == ("", "")


@pytest.mark.parametrize("source", ["no-such-model", "someone", "pictures", "../models", "/etc"])
def test_what_is_no_text_to_video_model_is_refused_for_good(renderer: DiffusersRenderer, source: str) -> None:
    with pytest.raises(Permanent) as caught:
        drawn(renderer, changed(model_source=source))
    assert caught.value.code is ErrorCode.MODEL_UNAVAILABLE


def test_a_folder_of_models_that_is_not_mounted_may_be_there_later(tmp_path: Path) -> None:
    with pytest.raises(Retryable):
        drawn(DiffusersRenderer(tmp_path / "models", device="cpu"))


def test_a_model_of_the_hub_is_asked_of_the_hub_though_there_is_no_folder_of_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, dict[str, Any]]] = []

    def download(source: Any, **options: Any) -> None:
        asked.append((source, options))
        raise httpx.ConnectError("no route")

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", download)
    renderer = DiffusersRenderer(tmp_path / "models", device="cpu")

    with pytest.raises(Retryable, match="can't be reached"):
        drawn(renderer, changed(model_source="owner/name", model_revision="abc"))

    assert asked == [("owner/name", {"revision": "abc"})]


def test_what_came_from_the_hub_is_read_from_where_it_was_put(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diffusers.WanPipeline, "download", lambda *_, **__: str(models_dir / untrained_wan.SOURCE))
    renderer = DiffusersRenderer(tmp_path, device="cpu", threads=2)
    frames = drawn(renderer, changed(model_source="owner/name", pipeline_class="WanPipeline"))
    assert (frames == drawn(DiffusersRenderer(models_dir, device="cpu", threads=2))).all()
    seconds = renderer.account.seconds
    assert 0 < seconds["download"] < seconds["read"]


def test_weights_in_a_mounted_bucket_are_read_ahead(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead: list[Path] = []
    monkeypatch.setattr(loading, "is_mounted_bucket", lambda _: True)
    monkeypatch.setattr(loading, "read_ahead", ahead.append)
    drawn(DiffusersRenderer(models_dir, device="cpu", threads=2))
    assert ahead == [models_dir / untrained_wan.SOURCE]


@pytest.mark.parametrize("source", ["/etc", "../models"])
def test_what_is_no_name_of_a_model_is_refused_though_there_is_no_folder_of_models(tmp_path: Path, source: str) -> None:
    with pytest.raises(Permanent):
        drawn(DiffusersRenderer(tmp_path / "models", device="cpu"), changed(model_source=source))


def test_a_model_that_is_broken_on_this_machine_may_be_whole_on_another(tmp_path: Path) -> None:
    untrained_wan.pipeline().save_pretrained(tmp_path / "broken")
    next((tmp_path / "broken" / "vae").glob("*.safetensors")).unlink()
    with pytest.raises(Retryable):
        drawn(DiffusersRenderer(tmp_path, device="cpu"), changed(model_source="broken"))


@pytest.mark.parametrize("change", [{"frames": 10}, {"width": 72}])
def test_what_the_model_can_not_do_exactly_is_refused(renderer: DiffusersRenderer, change: dict[str, object]) -> None:
    with pytest.raises(Permanent) as caught:
        drawn(renderer, changed(**change))
    assert caught.value.code is ErrorCode.RENDER_FAILED


def test_frames_that_are_not_finite_are_refused(models_dir: Path) -> None:
    renderer = DiffusersRenderer(models_dir, device="cpu", threads=2)
    drawn(renderer)
    assert renderer._models.latest is not None
    with torch.no_grad():
        renderer._models.latest.pipe.vae.decoder.conv_out.bias.fill_(float("nan"))
    with pytest.raises(Permanent, match="finite"):
        drawn(renderer)


def answer(error: type[Any], status: int) -> Exception:
    """An error of the hub as its client raises it."""
    request = httpx.Request("GET", "https://hub.invalid/api/models/owner/name")
    raised: Exception = error("the hub says", response=httpx.Response(status, request=request))
    return raised


#: Every way in which the hub can fail a load, and what it decides.
HUB_ERRORS: list[tuple[Exception, type[Exception]]] = [
    (answer(hub.RepositoryNotFoundError, 401), Permanent),
    (answer(hub.GatedRepoError, 403), Permanent),
    (answer(hub.DisabledRepoError, 403), Permanent),
    (answer(hub.RevisionNotFoundError, 404), Permanent),
    (answer(hub.RemoteEntryNotFoundError, 404), Permanent),
    (hub.HFValidationError("owner/na me"), Permanent),
    (answer(hub.HfHubHTTPError, 429), Retryable),
    (answer(hub.HfHubHTTPError, 503), Retryable),
    (hub.LocalEntryNotFoundError("offline and not in the cache"), Retryable),
    (hub.OfflineModeIsEnabled("offline"), Retryable),
    (httpx.ConnectError("no route"), Retryable),
    (httpx.ReadTimeout("too slow"), Retryable),
    (OSError("no space left on device"), Retryable),
]


@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "wrapped"])
@pytest.mark.parametrize(("error", "decision"), HUB_ERRORS, ids=[type(error).__name__ for error, _ in HUB_ERRORS])
def test_why_a_model_can_not_be_had_decides_whether_to_try_again(
    error: Exception, decision: type[Exception], *, wrapped: bool
) -> None:
    if wrapped:
        outer = OSError("Can't load the model.")  # what diffusers makes of it
        outer.__context__ = error
        error = outer
    translated = load_error(error, "owner/name")
    assert type(translated) is decision
    if isinstance(translated, Permanent):
        assert translated.code is ErrorCode.MODEL_UNAVAILABLE


@pytest.mark.parametrize(
    "error",
    [AttributeError("module diffusers has no attribute SomeonesPipeline"), ValueError("needs trust_remote_code")],
)
def test_a_pipeline_class_that_diffusers_does_not_have_is_refused_for_good(error: Exception) -> None:
    translated = load_error(error, "owner/name")
    assert isinstance(translated, Permanent)
    assert translated.code is ErrorCode.MODEL_UNAVAILABLE


# --- decoding some frames at a time, sketches ---


@pytest.mark.parametrize(("source", "groups"), [("someone/cogvideox", [9]), ("zeroscope", [4, 4, 1])])
def test_frames_of_other_models_decoded_by_group_are_those_of_their_pipelines(
    renderer: DiffusersRenderer, models_dir: Path, source: str, groups: list[int]
) -> None:
    spec = changed(model_source=source, guidance=6.0)
    chunks = list(renderer.render(spec, watch=Listener()))
    pipe = diffusers.DiffusionPipeline.from_pretrained(models_dir / source, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    output = pipe(
        spec.prompt,
        negative_prompt=spec.negative_prompt,
        num_frames=spec.frames,
        width=spec.width,
        height=spec.height,
        num_inference_steps=spec.steps,
        guidance_scale=spec.guidance,
        generator=torch.Generator().manual_seed(spec.seed),
        output_type="np",
    )
    assert [len(chunk) for chunk in chunks] == groups
    assert np.abs(np.concatenate(chunks) - output.frames[0]).max() < 1e-5


def test_a_longer_clip_of_cogvideox_comes_in_several_groups(renderer: DiffusersRenderer) -> None:
    spec = changed(model_source="someone/cogvideox", guidance=6.0, frames=17, steps=1)
    chunks = [len(chunk) for chunk in renderer.render(spec, watch=Listener())]
    assert chunks == [9, 8]


@pytest.mark.parametrize("source", [untrained_wan.SOURCE, "someone/cogvideox", "zeroscope"])
def test_what_is_being_drawn_can_be_sketched_after_every_step_and_no_frame_changes(
    renderer: DiffusersRenderer, source: str
) -> None:
    spec = changed(model_source=source)
    before = drawn(renderer, spec)
    watch = Sketching(renderer)

    assert (drawn(renderer, spec, watch=watch) == before).all()

    assert len(watch.sketches) == spec.steps
    for sketch in watch.sketches:
        assert sketch is not None
        assert sketch.shape == (6, 8, 3)
        assert np.isfinite(sketch).all()
        assert 0 <= sketch.min() <= sketch.max() <= 1
    assert renderer.sketch() is None, "once it is drawn"
