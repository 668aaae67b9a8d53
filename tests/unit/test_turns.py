"""Whose turn it is: bulk gets its share of all pulls, however short its workers live."""

import secrets
from collections import Counter
from itertools import islice

import pytest

from gpu_job.message_source import BULK_SHARE, turns
from shared.requests import Priority


@pytest.mark.parametrize("pulls", [1, 2, BULK_SHARE - 1, BULK_SHARE, 3 * BULK_SHARE + 2])
def test_of_workers_that_begin_at_each_place_as_often_bulk_has_its_share_of_all_pulls(pulls: int) -> None:
    workers = [turns(lambda _, drawn=drawn: drawn) for drawn in range(BULK_SHARE)]  # type: ignore[misc]

    of_all = Counter(first for worker in workers for first in islice(worker, pulls))

    assert of_all[Priority.BULK] * BULK_SHARE == of_all.total()


def test_many_workers_that_live_for_one_pull_leave_bulk_its_share() -> None:
    first = Counter(next(turns(secrets.randbelow)) for _ in range(5000))

    # The standard deviation is 28: this fails by chance once in 10^12 runs.
    assert first[Priority.BULK] == pytest.approx(1000, abs=200)


def test_one_worker_alone_gives_bulk_every_fifth_turn() -> None:
    order = list(islice(turns(lambda _: 0), 2 * BULK_SHARE))

    assert [number for number, first in enumerate(order, start=1) if first is Priority.BULK] == [5, 10]
