"""The untrained pipeline of the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

torch = pytest.importorskip("torch")

from diffusers import DiffusionPipeline, WanPipeline  # noqa: E402

from tests.render import untrained_wan  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.render


def test_it_loads_like_any_other_model(models_dir: Path) -> None:
    pipe = DiffusionPipeline.from_pretrained(
        models_dir / untrained_wan.SOURCE, local_files_only=True, dtype=torch.float32
    )
    assert type(pipe) is WanPipeline


def test_its_weights_are_the_same_at_every_build_and_the_global_random_state_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = untrained_wan.pipeline(), untrained_wan.pipeline()
    assert (torch.random.get_rng_state() == before).all()
    for part in ("text_encoder", "transformer", "vae"):
        pairs = zip(getattr(first, part).parameters(), getattr(second, part).parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs)
