"""What a video costs: its price from the catalogue, and how those share it who waited for it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from shared.catalogue import BrokenCatalogueError
from shared.documents import Cost, Status, Usage
from shared.errors import Retryable
from shared.jobs import follow, revive_render
from shared.prices import Price, cost_of, prices
from shared.requests import Priority
from shared.settling import BATCH_JOBS, settle
from shared.testing import a_job, put_video
from tests.unit.settling_world import World

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shared.job_store import Kept, Stored, Write

#: Of `put_video`: seconds of drawing on a CPU, which has no price.
GPU_S = 4.5
A_PRICE = """
version = 1
name = "A GPU"
summary = "Some machine."
devices = ["{device}"]
amount_an_hour = {amount}
currency = "{currency}"
machine = "a machine, on demand"
as_of = 2026-01-01
source = "https://example.org/prices"
"""


def usage(device: str) -> Usage:
    return Usage(load_s=60, render_s=30, see_s=9, encode_s=9, device=device)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in place of the repository's, not read yet."""
    monkeypatch.setattr("shared.catalogue.HERE", tmp_path)
    (tmp_path / "prices").mkdir()
    prices.cache_clear()
    yield tmp_path / "prices"
    prices.cache_clear()


# --- prices ---


def test_loading_and_drawing_are_paid_at_the_price_of_the_device() -> None:
    assert cost_of(usage("NVIDIA L4")) == Cost(gpu_s=90, amount=0.01, currency="USD")


def test_a_device_without_a_price_has_its_seconds_counted_and_no_money() -> None:
    assert cost_of(usage("cpu (2 threads)")) == Cost(gpu_s=90, amount=None, currency=None)


def test_every_price_says_when_and_where_somebody_looked() -> None:
    assert prices()
    for each in prices().values():
        assert isinstance(each, Price)
        assert each.source or each.estimate


def test_two_prices_of_one_device_or_two_currencies_are_faults(catalogue: Path) -> None:
    (catalogue / "one.toml").write_text(A_PRICE.format(device="A GPU", amount=1, currency="USD"))
    (catalogue / "two.toml").write_text(A_PRICE.format(device="A GPU", amount=1, currency="EUR"))
    with pytest.raises(BrokenCatalogueError) as told:
        prices()
    assert "A GPU has more than one price" in str(told.value)
    assert "EUR, USD" in str(told.value)


@pytest.mark.parametrize(
    ("amount", "currency", "field"),
    [("0", "USD", "amount_an_hour"), ("inf", "USD", "amount_an_hour"), ("1", "$", "currency")],
)
def test_a_price_that_is_none_is_a_fault(catalogue: Path, amount: str, currency: str, field: str) -> None:
    (catalogue / "one.toml").write_text(A_PRICE.format(device="A GPU", amount=amount, currency=currency))
    with pytest.raises(BrokenCatalogueError, match=f"prices/one.toml: {field}"):
        prices()


def test_a_price_from_nowhere_is_a_fault(catalogue: Path) -> None:
    text = A_PRICE.format(device="A GPU", amount=1, currency="USD")
    (catalogue / "one.toml").write_text(text.replace('source = "https://example.org/prices"', ""))
    with pytest.raises(BrokenCatalogueError, match="needs a source or an estimate"):
        prices()


# --- shares ---


def shares(world: World, *job_ids: str) -> list[float]:
    costs = [world.job(job_id).cost for job_id in job_ids]
    return [cost.gpu_s if cost else -1 for cost in costs]


def draw(world: World) -> None:
    world.claim()
    finish(world)


def finish(world: World) -> None:
    put_video(world.artifacts, world.key)
    done = world.complete()
    assert done
    settle(done, store=world.store, publisher=world.publisher, now=world.clock.now)


def test_who_waits_alone_pays_the_whole(world: World) -> None:
    world.attach("job-alone")
    draw(world)
    assert shares(world, "job-alone") == [GPU_S]
    assert world.render.value.cost == Cost(gpu_s=GPU_S, amount=None, currency=None)


def test_those_who_wait_together_share_in_equal_parts(world: World) -> None:
    world.attach("job-of-one", "job-of-two", "job-of-three")
    draw(world)
    assert shares(world, "job-of-one", "job-of-two", "job-of-three") == [1.5] * 3


def test_who_canceled_before_it_was_there_pays_nothing_and_no_share_is_lost(world: World) -> None:
    world.attach("job-gone", status=Status.CANCELED)
    world.attach("job-left")
    draw(world)
    assert world.job("job-gone").cost is None
    assert shares(world, "job-left") == [GPU_S]


def test_an_old_video_that_is_found_again_is_not_paid_for_again(world: World) -> None:
    """Its render's time was up and a new one has its key, so nobody has worked on that."""
    world.attach("job-again")
    finish(world)
    assert (world.render.value.cost, world.render.value.shared_by) == (None, 1)
    assert world.job("job-again").cost is None
    assert world.store.cost_of_renders(since=world.clock.now(), until=world.clock.now() + timedelta(1)).gpu_s == 0


def test_those_who_wait_for_what_failed_are_not_counted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.store, "count_jobs_waiting_for", lambda _: pytest.fail("nothing is shared"))
    world.attach(*(f"job-{number:05}" for number in range(BATCH_JOBS + 1)))
    world.fail()
    world.settle()
    assert world.store.waiting_jobs(world.key) == []


def test_who_comes_when_it_is_there_pays_nothing(world: World) -> None:
    world.attach("job-first")
    draw(world)
    world.clock.pass_s(1)
    late = a_job(world.example, job_id="job-late", now=world.clock.now())
    assert follow(late, world.render.value, now=world.clock.now()).cost == Cost(gpu_s=0, amount=None, currency=None)


def test_more_than_one_write_can_tell_share_as_all_of_them_even_when_it_ends_in_the_middle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_ids = [f"job-{number:05}" for number in range(BATCH_JOBS + 50)]
    world.attach(*job_ids)
    world.claim()
    put_video(world.artifacts, world.key)
    done = world.complete()
    assert done

    # The first commit goes through, then nobody answers.
    answers = iter([None, Retryable("away")])
    commit = world.store.commit

    def committed(*writes: Write) -> Sequence[Stored[Kept]]:
        if (failure := next(answers, None)) is not None:
            raise failure
        return commit(*writes)

    monkeypatch.setattr(world.store, "commit", committed)
    with pytest.raises(Retryable):
        settle(done, store=world.store, publisher=world.publisher, now=world.clock.now)
    assert world.render.value.shared_by == len(job_ids)
    settle(world.render, store=world.store, publisher=world.publisher, now=world.clock.now)

    assert sum(shares(world, *job_ids)) == pytest.approx(GPU_S, rel=1e-4)
    assert len(set(shares(world, *job_ids))) == 1


def test_money_is_shared_as_seconds_are() -> None:
    assert Cost(gpu_s=90, amount=0.03, currency="USD").part(1 / 3) == Cost(gpu_s=30, amount=0.01, currency="USD")


def test_a_video_that_is_made_again_costs_again(world: World) -> None:
    world.attach("job-first")
    draw(world)
    revived = revive_render(world.render.value, priority=Priority.BULK, now=world.clock.now() + timedelta(days=1))
    assert (revived.cost, revived.shared_by) == (None, None)
