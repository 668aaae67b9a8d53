"""What the benchmark of estimates tells the page of intervals that held."""

from __future__ import annotations

import pytest

from bench.estimates import findings
from bench.replay import Shown
from shared.documents import State
from shared.estimates import Eta
from shared.requests import Priority


def looks(*, held: int, missed: int) -> list[Shown]:
    """So many wishes that were told 10 to 30 s."""
    came_s = [20.0] * held + [31.0] * missed
    eta = Eta(seconds=20, low=10, high=30)
    return [Shown(priority=Priority.INTERACTIVE, state=State.IDLE, eta=eta, came_s=each) for each in came_s]


def test_each_trace_has_its_share_and_all_count_the_same_however_many_wishes_they_have() -> None:
    found = findings("told when wished", {"steady": looks(held=9, missed=1), "viral": looks(held=62, missed=38)})

    assert [(each.what.split(":")[0], each.measured) for each in found[:3]] == [
        ("told when wished, steady", 90),
        ("told when wished, viral", 62),
        ("told when wished, all traces", 76),
    ]
    assert found[3].measured == pytest.approx(4)
    assert found[3].reached


@pytest.mark.parametrize("held", [74, 86])
def test_intervals_that_hold_too_rarely_miss_the_goal_and_so_do_those_that_hold_too_often(held: int) -> None:
    *_, distance = findings("told while made", {"steady": looks(held=held, missed=100 - held)})

    assert distance.reached is False
