"""Every interleaving of three workers and two jobs over one render."""

from __future__ import annotations

import pytest

from tests.simulation.model import explore
from tests.simulation.model_world import START, BrokenError, Rules

TWO_WORKERS = START._replace(workers=START.workers[:2])


def test_whatever_the_order_every_job_can_become_final(capsys: pytest.CaptureFixture[str]) -> None:
    states, steps = explore(Rules())

    with capsys.disabled():
        print(f" {states} states, {steps} steps", end=" ")  # noqa: T201
    assert states > 100_000


def test_reconcile_makes_up_for_an_acknowledgement_that_counts_too_late(capsys: pytest.CaptureFixture[str]) -> None:
    """Two workers have the same message, and that of the one who found nobody waiting takes it away from the other."""
    rules = Rules(old_acknowledgements_are_void=False)
    with pytest.raises(BrokenError):
        explore(rules, start=TWO_WORKERS)

    states, steps = explore(Rules(old_acknowledgements_are_void=False, reconciles=True), start=TWO_WORKERS)

    with capsys.disabled():
        print(f" {states} states, {steps} steps", end=" ")  # noqa: T201


@pytest.mark.parametrize(
    "planted", ["acknowledges_when_held", "attach_reads_first", "never_looks_again_after_retiring"]
)
def test_the_model_finds_a_planted_bug(planted: str) -> None:
    with pytest.raises(BrokenError):
        explore(Rules(**{planted: True}), start=TWO_WORKERS)
