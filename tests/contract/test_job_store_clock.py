"""The clock of every job store: what it writes, and what is left of a lease by it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import pytest

from shared.documents import Render, Stage
from shared.job_store import JobStore, Replace, Stored
from shared.jobs import SERVER_TIME, claim_render, publish, renew_render
from shared.testing import a_render
from tests.contract.job_store_world import NOW, PATIENCE_S, STORES, each_store, put, stored_render

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Iterator[JobStore]:
    """Every store in turn, empty."""
    yield from each_store(request)


@pytest.fixture
def render() -> Render:
    return a_render(now=NOW)


def test_the_store_writes_its_own_clock_where_server_time_stands(store: JobStore, render: Render) -> None:
    put(store, render)
    leased = claim_render(render, holder="worker-a", lease_s=60, now=NOW)
    assert leased.renewed_at == SERVER_TIME

    [written] = store.commit(Replace(stored=stored_render(store, render), value=leased))

    found = stored_render(store, render).value
    assert found.renewed_at
    assert abs(found.renewed_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert written.value == found
    assert found.updated_at == NOW


def test_what_is_left_of_a_lease_is_judged_by_the_stores_clock_at_the_moment_of_reading(
    store: JobStore, render: Render
) -> None:
    put(store, render)
    leased = claim_render(render, holder="worker-a", lease_s=0.3, now=NOW)
    [written] = store.commit(Replace(stored=stored_render(store, render), value=leased))
    assert cast("Stored[Render]", written).value.lease_left_s(written.read_at) == pytest.approx(0.3, abs=0.1)

    left_s: list[float] = []
    give_up_at = time.monotonic() + PATIENCE_S
    while not left_s or left_s[-1] > 0:
        assert time.monotonic() < give_up_at
        found = stored_render(store, render)
        left_s.append(found.value.lease_left_s(found.read_at))

    assert left_s == sorted(left_s, reverse=True)
    assert left_s[0] <= 0.3


def test_renewing_moves_the_stores_time_and_every_other_write_leaves_it(store: JobStore, render: Render) -> None:
    put(store, render)
    leased = claim_render(render, holder="worker-a", lease_s=60, now=NOW)
    store.commit(Replace(stored=stored_render(store, render), value=leased))
    first = stored_render(store, render)

    [written] = store.commit(Replace(stored=first, value=publish(first.value, now=NOW)))
    assert stored_render(store, render).value.renewed_at == first.value.renewed_at

    current = cast("Stored[Render]", written)
    store.commit(Replace(stored=current, value=renew_render(current.value, stage=Stage.LOADING, progress=1, now=NOW)))
    second = stored_render(store, render).value.renewed_at
    assert second
    assert first.value.renewed_at
    assert second > first.value.renewed_at
