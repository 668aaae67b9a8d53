"""The renderer without a model keeps the promises of the real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gpu_job.renderer import RenderStopped
from gpu_job.test_pattern import TestPatternRenderer
from shared.documents import Stage
from tests.unit import renderer_world

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shared.requests import RenderSpec


SPEC = renderer_world.SPEC.model_copy(update={"frames": 10, "width": 96, "height": 64})


def drawn(spec: RenderSpec = SPEC) -> NDArray[np.float32]:
    return renderer_world.drawn(TestPatternRenderer(), spec)


def test_it_draws_what_was_ordered() -> None:
    frames = drawn()
    assert frames.shape == (10, 64, 96, 3)
    assert frames.dtype == np.float32
    assert frames.min() >= 0
    assert frames.max() <= 1
    assert frames.std() > 0.1


def test_it_moves() -> None:
    frames = drawn()
    assert all((frames[index] != frames[index + 1]).any() for index in range(9))


def test_the_same_spec_draws_the_same_frames() -> None:
    assert (drawn() == drawn()).all()


@pytest.mark.parametrize("change", [{"seed": 8}, {"prompt": "a cat looks at a bird"}])
def test_another_wish_draws_other_frames(change: dict[str, object]) -> None:
    assert (drawn() != drawn(SPEC.model_copy(update=change))).mean() > 0.5


def test_it_reports_every_step() -> None:
    watch = renderer_world.Listener()
    list(TestPatternRenderer().render(SPEC, watch=watch))
    loading = [(Stage.LOADING, 0, 1), (Stage.LOADING, 1, 1)]
    assert watch.heard == loading + [(Stage.RENDERING, step, 4) for step in (1, 2, 3, 4)]


def test_it_can_be_stopped_between_two_steps() -> None:
    watch = renderer_world.Listener(enough=4)
    with pytest.raises(RenderStopped):
        list(TestPatternRenderer().render(SPEC, watch=watch))
    assert watch.heard[-1] == (Stage.RENDERING, 2, 4)


def test_its_name_and_load_time_go_on_the_receipt() -> None:
    assert (TestPatternRenderer().device_name, TestPatternRenderer().load_s) == ("test pattern", 0.0)
