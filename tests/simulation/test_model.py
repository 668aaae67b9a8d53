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
def test_only_a_claim_that_outlives_a_retired_message_needs_reconcile(are_void: bool) -> None:  # noqa: FBT001
    """Two deliveries of one message.

    The worker that found nobody waiting acknowledges it, while the other claims for a job that attached in between,
    says that a message is on its way, and dies.
    """
    with pytest.raises(BrokenError, match="nobody has anything left to do"):
        explore(Rules(old_acknowledgements_are_void=are_void), start=TWO_WORKERS)

    explore(Rules(old_acknowledgements_are_void=are_void, retirement_outlives_a_claim=True), start=TWO_WORKERS)


@pytest.mark.parametrize(
    "planted", ["acknowledges_when_held", "attach_reads_first", "never_looks_again_after_retiring"]
)
def test_the_model_finds_a_planted_bug(planted: str) -> None:
    with pytest.raises(BrokenError):
        explore(Rules(retirement_outlives_a_claim=True, **{planted: True}), start=TWO_WORKERS)
