"""The decoder's norms as one kernel each: the same pictures, and a compiler that fails costs no clip."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from bench.architectures import TINY, TINY_5B, Architecture  # noqa: E402
from bench.drawer import Drawer  # noqa: E402
from bench.likeness import psnr  # noqa: E402
from gpu_job import fused_norms  # noqa: E402
from gpu_job.acceleration import accelerate  # noqa: E402
from shared.recipes import Recipe  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.render

CPU, GPU = torch.device("cpu"), torch.device("cuda")
FUSED = Recipe(fused_norms=True)


@pytest.fixture(autouse=True)
def as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels are run as they are written: to compile them takes a GPU, or minutes."""
    monkeypatch.setattr(fused_norms, "_compiled", lambda function: function)


def a_drawer(architecture: Architecture = TINY) -> Drawer:
    return Drawer(replace(architecture, width=64, height=64, frames=17), CPU)


@pytest.mark.parametrize("architecture", [TINY, TINY_5B], ids=["2.1", "2.2"])
@pytest.mark.parametrize("channels_last", [False, True], ids=["planes", "rows"])
def test_a_clip_is_decoded_to_the_same_pictures(architecture: Architecture, channels_last: bool) -> None:  # noqa: FBT001
    drawer = a_drawer(architecture)
    for norm in fusible(drawer.pipe.vae.decoder):
        torch.nn.init.normal_(norm.gamma)
    plain = drawer.decoded(drawer.noise)
    # Told that it will run on a GPU; the levers themselves do not look.
    report = accelerate(drawer.pipe, Recipe(fused_norms=True, channels_last=channels_last), device=GPU)
    assert report["vae.fused_norms"] == "on"
    assert all("forward" in vars(norm) for norm in fusible(drawer.pipe.vae.decoder))
    assert psnr(drawer.decoded(drawer.noise), plain) > 100


@pytest.mark.parametrize("after", [0, 1, 30], ids=["first norm", "second norm", "in the middle of a clip"])
def test_a_kernel_that_fails_is_taken_off_and_the_clip_goes_on(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawer = a_drawer()
    plain = drawer.decoded(drawer.noise)
    report = accelerate(drawer.pipe, FUSED, device=GPU)
    monkeypatch.setattr(fused_norms, "_compiled", failing_after(after, RuntimeError("Failed to find C compiler.\nOh.")))
    assert psnr(drawer.decoded(drawer.noise), plain) > 100
    assert report == {"vae.fused_norms": "off: Failed to find C compiler."}
    assert (drawer.decoded(drawer.noise) == plain).all(), "it is as it was"


def test_memory_that_runs_out_is_not_its_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    drawer = a_drawer()
    report = accelerate(drawer.pipe, FUSED, device=GPU)
    monkeypatch.setattr(fused_norms, "_compiled", failing_after(0, torch.OutOfMemoryError("as CUDA says it")))
    with pytest.raises(torch.OutOfMemoryError):
        drawer.decoded(drawer.noise)
    assert report == {"vae.fused_norms": "on"}


def test_it_is_left_off_on_a_cpu_and_where_there_are_no_such_norms() -> None:
    drawer = a_drawer()
    report = accelerate(drawer.pipe, FUSED, device=CPU)
    assert report["vae.fused_norms"].startswith("off: it gains nothing on a CPU")
    assert not any("forward" in vars(norm) for norm in fusible(drawer.pipe.vae.decoder))

    class Pipeline:
        vae = torch.nn.Linear(1, 1)

    assert accelerate(Pipeline(), FUSED, device=GPU) == {"vae.fused_norms": "off: Linear has no norms of Wan's decoder"}


def fusible(decoder: Any) -> list[Any]:
    blocks = [each for each in decoder.modules() if hasattr(each, "norm1") and hasattr(each, "nonlinearity")]
    assert blocks
    return [norm for block in blocks for norm in (block.norm1, block.norm2)]


def failing_after(calls: int, error: Exception) -> Callable[..., Any]:
    left = [calls]

    def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
        if left[0] == 0:
            raise error
        left[0] -= 1
        return function

    return compiled
