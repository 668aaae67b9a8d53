"""LoRAs on the untrained model: fused, they draw what their product says; those that don't fit are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: E402
from shared.errors import ErrorCode, Permanent, Retryable  # noqa: E402
from tests.render import untrained_wan  # noqa: E402
from tests.unit.renderer_world import SPEC, drawn  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.render

LAYER = "blocks.0.attn1.to_q"
NAME = "few-steps:lora.safetensors"


@pytest.fixture
def models_with_lora(models_dir: Path) -> Path:
    """The models, and beside them a LoRA of rank 2 for one layer, with a bias."""
    noise = torch.Generator().manual_seed(1)
    (models_dir / "few-steps").mkdir(exist_ok=True)
    weights = {
        f"transformer.{LAYER}.lora_A.weight": torch.randn(2, 64, generator=noise),
        f"transformer.{LAYER}.lora_B.weight": torch.randn(64, 2, generator=noise),
        f"transformer.{LAYER}.lora_B.bias": torch.randn(64, generator=noise),
    }
    save_file(weights, models_dir / "few-steps" / "lora.safetensors")
    save_file({f"transformer.{LAYER}.lora_A.weight": torch.ones(2, 64)}, models_dir / "few-steps" / "half.safetensors")
    save_file(
        {f"transformer.nowhere.{part}.weight": torch.ones(1, 1) for part in ("lora_A", "lora_B")},
        models_dir / "few-steps" / "other.safetensors",
    )
    return models_dir


def test_an_adapter_changes_the_weights_by_its_product_and_the_pictures_with_them(models_with_lora: Path) -> None:
    renderer = DiffusersRenderer(models_with_lora, device="cpu")
    without = drawn(renderer)
    with_adapter = drawn(renderer, SPEC.model_copy(update={"adapters": (NAME,)}))
    assert renderer._warm is not None
    changed = renderer._warm.pipe.transformer.get_submodule(LAYER)
    usual = untrained_wan.pipeline().transformer.get_submodule(LAYER)
    noise = torch.Generator().manual_seed(1)
    down, up, bias = (torch.randn(*shape, generator=noise) for shape in ((2, 64), (64, 2), (64,)))
    torch.testing.assert_close(changed.weight, usual.weight + up @ down)
    torch.testing.assert_close(changed.bias, usual.bias + bias)
    assert np.abs(with_adapter - without).max() > 0.001
    assert (drawn(renderer) == without).all()


@pytest.mark.parametrize(
    "name",
    [
        "few-steps",
        "few-steps:lora.bin",
        "few-steps:../lora.safetensors",
        "/etc:lora.safetensors",
        "transformer_2=few-steps:lora.safetensors",
        "few-steps:half.safetensors",
        "few-steps:other.safetensors",
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_and_never_left_out(models_with_lora: Path, name: str) -> None:
    renderer = DiffusersRenderer(models_with_lora, device="cpu")
    with pytest.raises(Permanent) as caught:
        drawn(renderer, SPEC.model_copy(update={"adapters": (name,)}))
    assert caught.value.code is ErrorCode.MODEL_UNAVAILABLE
    assert name in caught.value.detail


def test_an_adapter_whose_file_is_not_there_may_be_there_later(models_with_lora: Path) -> None:
    name = "few-steps:nothing.safetensors"
    with pytest.raises(Retryable, match=name):
        drawn(DiffusersRenderer(models_with_lora, device="cpu"), SPEC.model_copy(update={"adapters": (name,)}))
