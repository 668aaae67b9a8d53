"""Every interleaving of three workers and two jobs over one render."""

from __future__ import annotations

import pytest

from tests.simulation.model import explore
from tests.simulation.model_world import START, BrokenError, Rules

TWO_WORKERS = START._replace(workers=START.workers[:2])


def test_from_every_state_every_job_can_become_final(capsys: pytest.CaptureFixture[str]) -> None:
    states, steps = explore(Rules(reconciles=True))

    with capsys.disabled():
        print(f" {states} states, {steps} steps", end=" ")  # noqa: T201
    assert states > 100_000


@pytest.mark.parametrize("are_void", [True, False])
def test_where_nothing_gets_lost_it_goes_without_reconcile(are_void: bool) -> None:  # noqa: FBT001
    explore(Rules(old_acknowledgements_are_void=are_void), start=TWO_WORKERS)


@pytest.mark.parametrize(
    "planted",
    [
        "acknowledges_when_held",
        "attach_reads_first",
        "never_looks_again_after_retiring",
        "claim_says_that_a_message_is_on_its_way",
    ],
)
def test_the_model_finds_a_planted_bug(planted: str) -> None:
    with pytest.raises(BrokenError):
        explore(Rules(**{planted: True}), start=TWO_WORKERS)
