"""Of those who write to a job store at the same moment, exactly one wins."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from shared.errors import Conflict
from shared.job_store import JobStore, Replace
from shared.jobs import claim_render
from shared.testing import a_render
from tests.contract.job_store_world import NOW, PATIENCE_S, STORES, each_store, put, stored_render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.documents import Render


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[JobStore]:
    """Every store in turn, empty."""
    yield from each_store(request)


@pytest.fixture
def render() -> Render:
    return a_render(now=NOW)


def test_of_eight_who_replace_the_same_version_exactly_one_wins_each_round(store: JobStore, render: Render) -> None:
    put(store, render)
    barrier = threading.Barrier(8)

    def claims(number: int) -> list[int]:
        won = []
        for round_number in range(8):
            barrier.wait(PATIENCE_S)
            found = stored_render(store, render)
            barrier.wait(PATIENCE_S)
            try:
                leased = claim_render(found.value, holder=f"worker-{number}", lease_s=60, now=NOW)
                store.commit(Replace(stored=found, value=leased))
                won.append(round_number)
            except Conflict:
                pass
        return won

    with ThreadPoolExecutor(8) as pool:
        won = [round_number for rounds in pool.map(claims, range(8)) for round_number in rounds]

    assert sorted(won) == list(range(8))
    assert stored_render(store, render).value.token == 8


def test_of_eight_who_create_the_same_document_exactly_one_wins(store: JobStore, render: Render) -> None:
    barrier = threading.Barrier(8)

    def creates(number: int) -> bool:
        mine = render.model_copy(update={"holder": f"worker-{number}"})
        barrier.wait(PATIENCE_S)
        try:
            put(store, mine)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(creates, range(8)))

    assert won.count(True) == 1
    assert stored_render(store, render).value.holder == f"worker-{won.index(True)}"
