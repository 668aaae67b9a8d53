"""What a GPU paints."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from models.pocket.clips import CPU, painted, scene_of  # noqa: E402
from models.pocket.recipe import read_recipe  # noqa: E402

pytestmark = pytest.mark.render


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_paints_what_a_processor_paints() -> None:
    pytest.importorskip("numba_cuda")
    scenes = [scene_of(1, number) for number in range(12)]
    shape = read_recipe("tiny").clip.model_copy(update={"supersampling": 2})
    for here, there in zip(painted(scenes, shape, CPU), painted(scenes, shape, torch.device("cuda")), strict=True):
        apart = np.abs(here.numpy().astype(int) - there.cpu().numpy())
        assert apart.max() <= 2
        assert (apart > 0).mean() < 0.001
