"""Rendering where memory runs out, on real pipelines whose parts say that it did."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import diffusers  # noqa: E402

from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: E402
from gpu_job.memory import save_memory  # noqa: E402
from gpu_job.renderer import StartOverError  # noqa: E402
from shared.documents import Stage  # noqa: E402
from shared.errors import ErrorCode, Permanent, Retryable  # noqa: E402
from tests.render import untrained_wan  # noqa: E402
from tests.unit import renderer_world  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from shared.requests import RenderSpec

pytestmark = pytest.mark.render

SPEC = renderer_world.SPEC.model_copy(update={"frames": 17, "steps": 2})
ALWAYS = range(1, 1000)


class Listener(renderer_world.Listener):
    """Counts the tries."""

    @property
    def tries(self) -> int:
        return self.heard.count((Stage.LOADING, 0, 1))


class ShortMemory:
    """Has no room for the calls with these numbers, counted from 1."""

    def __init__(self, *calls: int) -> None:
        self._calls = calls
        self._count = 0

    def __call__(self, *_: object) -> None:
        self._count += 1
        if self._count in self._calls:
            raise torch.OutOfMemoryError("as CUDA says it")


@pytest.fixture
def renderer(models_dir: Path) -> DiffusersRenderer:
    """A renderer with a loaded pipeline."""
    renderer = DiffusersRenderer(models_dir, device="cpu", threads=2)
    drawn(renderer, SPEC.model_copy(update={"frames": 1, "steps": 1}))
    return renderer


@pytest.fixture(scope="session")
def usual(models_dir: Path) -> NDArray[np.float32]:
    """The frames where memory suffices."""
    return drawn(DiffusersRenderer(models_dir, device="cpu", threads=2))


def drawn(
    renderer: DiffusersRenderer, spec: RenderSpec = SPEC, *, watch: Listener | None = None
) -> NDArray[np.float32]:
    return renderer_world.drawn(renderer, spec, watch=watch)


def pipe_of(renderer: DiffusersRenderer) -> Any:
    assert renderer._models.latest is not None
    return renderer._models.latest.pipe


def shorten(renderer: DiffusersRenderer, part: str, *calls: int) -> None:
    pipe = pipe_of(renderer)
    module = pipe.vae.decoder if part == "decoder" else pipe.components[part]
    module.register_forward_pre_hook(ShortMemory(*calls))


def warnings_in(caplog: pytest.LogCaptureFixture) -> Iterator[dict[str, Any]]:
    return (vars(record) for record in caplog.records if record.levelno == logging.WARNING)


@pytest.mark.parametrize(
    ("part", "call"),
    [("text_encoder", 1), ("transformer", 1), ("transformer", 2), ("decoder", 1), ("decoder", 2), ("decoder", 3)],
)
def test_memory_that_ran_out_once_costs_time_and_nothing_else(
    renderer: DiffusersRenderer, usual: NDArray[np.float32], caplog: pytest.LogCaptureFixture, part: str, call: int
) -> None:
    shorten(renderer, part, call)
    watch = Listener()

    frames = drawn(renderer, watch=watch)

    assert frames.shape == usual.shape
    assert (frames == usual).all()  # smaller than a tile
    assert watch.tries == 2
    (line,) = warnings_in(caplog)
    assert (line["action"], line["settings"]) == ("save_memory", ["tiling", "slicing"])


def test_memory_is_saved_for_as_long_as_the_model_is_loaded(
    renderer: DiffusersRenderer, usual: NDArray[np.float32], caplog: pytest.LogCaptureFixture
) -> None:
    shorten(renderer, "transformer", 1)
    drawn(renderer)
    watch = Listener()
    assert (drawn(renderer, watch=watch) == usual).all()
    assert watch.tries == 1
    assert renderer.load_s == 0
    assert pipe_of(renderer).vae.use_tiling
    drawn(renderer, SPEC.model_copy(update={"dtype": "bfloat16"}))
    assert not pipe_of(renderer).vae.use_tiling
    assert len(list(warnings_in(caplog))) == 1


@pytest.mark.parametrize("part", ["text_encoder", "transformer", "decoder"])
def test_a_clip_that_does_not_fit_in_two_tries_is_refused_for_good(
    renderer: DiffusersRenderer, usual: NDArray[np.float32], part: str
) -> None:
    shorten(renderer, part, *ALWAYS)
    watch = Listener()
    with pytest.raises(Permanent) as caught:
        drawn(renderer, watch=watch)
    assert caught.value.code is ErrorCode.RENDER_FAILED
    assert caught.value.detail == (
        "The clip does not fit into the memory of the machine that renders it; a smaller or shorter one may."
    )
    assert watch.tries == 2
    # Nothing of it stays behind.
    assert (drawn(renderer) == usual).all()
    assert renderer.load_s > 0
    assert not pipe_of(renderer).vae.use_tiling


def test_a_clip_that_does_not_fit_although_memory_is_saved_already_is_not_tried_twice(
    renderer: DiffusersRenderer,
) -> None:
    shorten(renderer, "transformer", 1, 4)
    drawn(renderer)
    watch = Listener()
    with pytest.raises(Permanent):
        drawn(renderer, watch=watch)
    assert watch.tries == 1


def test_after_the_first_frames_a_render_does_not_begin_again_but_the_next_saves_memory(
    renderer: DiffusersRenderer, usual: NDArray[np.float32]
) -> None:
    shorten(renderer, "decoder", 4)
    watch = Listener()
    chunks = renderer.render(SPEC, watch=watch)
    seen = np.concatenate([next(chunks), next(chunks), next(chunks)])
    with pytest.raises(Retryable):
        next(chunks)
    assert watch.tries == 1
    assert (seen == usual[:9]).all()
    assert (drawn(renderer) == usual).all()
    assert renderer.load_s == 0
    assert pipe_of(renderer).vae.use_tiling


def test_a_model_that_memory_was_too_short_for_is_loaded_in_a_way_that_saves_it(
    models_dir: Path, usual: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(diffusers.WanPipeline, "to", ShortMemory(1))
    renderer = DiffusersRenderer(models_dir, device="cpu", threads=2)
    watch = Listener()
    assert (drawn(renderer, watch=watch) == usual).all()
    assert watch.tries == 2
    assert renderer.load_s > 0
    assert pipe_of(renderer).vae.use_tiling
    assert len(list(warnings_in(caplog))) == 1


def test_a_model_that_does_not_fit_in_two_tries_is_refused_for_good(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = ShortMemory(1, 2)
    monkeypatch.setattr(diffusers.DiffusionPipeline, "from_pretrained", lambda *_, **__: short())
    watch = Listener()
    with pytest.raises(Permanent, match=r"^The model does not fit into the memory") as caught:
        drawn(DiffusersRenderer(models_dir, device="cpu", threads=2), watch=watch)
    assert caught.value.code is ErrorCode.RENDER_FAILED
    assert watch.tries == 2


def test_frames_larger_than_a_tile_differ_little(renderer: DiffusersRenderer) -> None:
    wide = SPEC.model_copy(update={"width": 288, "frames": 5})
    whole = drawn(renderer, wide)
    shorten(renderer, "transformer", 1)
    tiled = drawn(renderer, wide)
    assert tiled.shape == whole.shape == (5, 48, 288, 3)
    assert 0 < np.abs(tiled - whole).mean() < whole.std() / 4


def test_on_a_gpu_the_models_wait_elsewhere_until_they_are_needed(caplog: pytest.LogCaptureFixture) -> None:
    pipe = untrained_wan.pipeline()
    save_memory(pipe, torch.device("cuda"))
    parts = [pipe.text_encoder, pipe.transformer, pipe.vae]
    assert {part.device.type for part in parts} == {"cpu"}
    assert {part._hf_hook.execution_device for part in parts} == {torch.device("cuda:0")}
    (line,) = warnings_in(caplog)
    assert line["settings"] == ["tiling", "slicing", "model offload"]


def test_on_a_gpu_a_pipeline_that_knows_no_order_of_its_models_moves_them_layer_by_layer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Unordered:
        vae = None
        model_cpu_offload_seq = None
        offloads_to: object = None

        def enable_sequential_cpu_offload(self, *, device: object) -> None:
            self.offloads_to = device

    pipe = Unordered()
    save_memory(pipe, torch.device("cuda"))
    assert pipe.offloads_to == torch.device("cuda")
    (line,) = warnings_in(caplog)
    assert line["settings"] == ["sequential offload"]


def test_models_that_come_and_go_draw_the_same_frames(renderer: DiffusersRenderer, usual: NDArray[np.float32]) -> None:
    shorten(renderer, "transformer", 1)
    drawn(renderer)
    pipe_of(renderer).enable_model_cpu_offload(device="cpu")  # the hooks of a GPU's offload, without a GPU
    assert (drawn(renderer) == usual).all()
    assert (drawn(renderer) == usual).all()


def test_an_autoencoder_that_can_do_nothing_of_it_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    class Autoencoder:
        """Refuses, as diffusers' do that can't."""

        def enable_tiling(self) -> None:
            raise NotImplementedError

    class Pipeline:
        vae = Autoencoder()

    save_memory(Pipeline(), torch.device("cpu"))
    (line,) = warnings_in(caplog)
    assert line["settings"] == []


# --- what else memory that ran out looks like, and late ---


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        torch.AcceleratorError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp] . DefaultCPUAllocator: not enough memory: you tried to allocate"),
        MemoryError(),
    ],
    ids=lambda error: f"{type(error).__name__}: {str(error)[:40]}",
)
def test_memory_that_ran_out_is_told_from_other_faults_whoever_says_so(
    renderer: DiffusersRenderer, usual: NDArray[np.float32], error: Exception
) -> None:
    def run_out(*_: object) -> None:
        raise left.pop()

    left = [error]
    handle = pipe_of(renderer).transformer.register_forward_pre_hook(lambda *_: run_out() if left else None)
    watch = Listener()
    assert (drawn(renderer, watch=watch) == usual).all()
    assert watch.tries == 2
    handle.remove()


def test_a_fault_that_is_not_about_memory_is_not_tried_again(renderer: DiffusersRenderer) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    pipe_of(renderer).transformer.register_forward_pre_hook(broken)
    watch = Listener()
    with pytest.raises(RuntimeError, match="mat1"):
        drawn(renderer, watch=watch)
    assert watch.tries == 1
    assert not pipe_of(renderer).vae.use_tiling


def test_memory_that_runs_out_late_has_the_caller_start_over_once_and_then_ends_for_good(
    renderer: DiffusersRenderer,
) -> None:
    shorten(renderer, "decoder", 4, *range(5, 1000))
    chunks = renderer.render(SPEC, watch=Listener())
    for _ in range(3):
        next(chunks)
    with pytest.raises(StartOverError):
        next(chunks)
    with pytest.raises(Permanent, match="a smaller or shorter one may"):
        drawn(renderer)


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "cuda:x", "meta"])
def test_a_device_that_this_machine_does_not_have_is_refused_when_the_renderer_is_made(
    models_dir: Path, device: str
) -> None:
    with pytest.raises(ValueError, match=f"^DEVICE is {device}, which torch can't use on this machine"):
        DiffusersRenderer(models_dir, device=device)
