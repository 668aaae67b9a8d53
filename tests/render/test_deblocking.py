"""Seams between patches."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from gpu_job.pocket.deblocking import deblocked  # noqa: E402

pytestmark = pytest.mark.render

SIZE = 32


def jump_at_seams(video: Any) -> float:
    """Mean difference between the pixels on both sides of the seams."""
    return float((video[..., SIZE::SIZE] - video[..., SIZE - 1 : -1 : SIZE]).abs().mean())


def stripes(step: float) -> Any:
    """A clip of plain patches, each column a step darker or brighter than those beside it."""
    return (torch.tensor([0.0, step] * 2) - step / 2).repeat_interleave(SIZE).expand(1, 3, 2, 2 * SIZE, -1).clone()


def test_patches_of_unlike_brightness_meet_without_a_seam() -> None:
    before = stripes(0.1)
    after = deblocked(before, SIZE)
    assert jump_at_seams(after) < 0.2 * jump_at_seams(before)
    assert float(after.mean()) == pytest.approx(float(before.mean()), abs=1e-4)


def test_an_edge_between_patches_stays() -> None:
    before = stripes(1.8)
    assert torch.allclose(deblocked(before, SIZE), before, atol=0.01)


def test_a_slope_across_patches_stays() -> None:
    before = torch.linspace(-1, 1, 4 * SIZE).expand(1, 3, 2, 4 * SIZE, -1).clone()
    assert torch.allclose(deblocked(before, SIZE), before, atol=1e-5)


def test_what_lies_inside_a_patch_stays() -> None:
    noise = torch.rand(1, 3, 2, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    assert torch.equal(deblocked(noise, SIZE), noise)
    tiny = torch.rand(1, 3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.equal(deblocked(tiny, 2), tiny)
