"""What is measured, by which names and labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from bulk_pause import measure_bulk_pause
from burying import bury_request
from queue_age import measure_queue_age

from gpu_job.cold_start import ColdStart, process_age_s
from gpu_job.heartbeat import LIMIT_S, HungError, Moved, _expect_movement
from shared.documents import Stage, Usage
from shared.errors import Retryable
from shared.job_store import StoreNotReadyError
from shared.job_store.memory import InMemoryJobStore
from shared.measures import (
    BULK_PAUSE,
    COST,
    DEAD_LETTERS,
    GPU,
    MEASURES,
    QUEUE_AGE,
    RENDER,
    STALLS,
    START,
)
from shared.messages import RenderRequested, encode
from shared.prices import prices
from shared.testing import Clock
from tests.unit.admission_world import a_budget
from tests.unit.notify_world import World as NotifyWorld
from tests.unit.recorded import recorded
from tests.unit.render_job_world import handle
from tests.unit.test_budget import NOON, spend
from tests.unit.worker_world import GreyRenderer, World

if TYPE_CHECKING:
    from datetime import datetime

    from shared.job_store import Sum
    from shared.requests import Priority


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def of(**labels: str) -> frozenset[tuple[str, str]]:
    return frozenset(labels.items())


def test_a_render_is_measured_by_model_gpu_and_stage(world: World) -> None:
    world.wish("job-aaaa")
    with recorded() as found:
        handle(world)

    about = {"model": world.render.spec.model, "gpu": "grey matter"}
    stages = {dict(each)["stage"] for each in found.measured(RENDER)}
    assert stages == {"load", "render", "see", "encode", "sign", "whole"}
    assert set(found.measured(GPU)) == {of(**about)}
    assert of(phase="first_render") in found.measured(START)
    assert found.measured(COST) == {}, "a device without a price"


def test_money_is_counted_for_a_gpu_that_has_a_price(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    price = next(iter(prices().values()))
    monkeypatch.setattr(GreyRenderer, "device_name", price.devices[0])
    world.wish("job-aaaa")
    with recorded() as found:
        handle(world)

    [gpu_s] = found.measured(GPU).values()
    [(about, amount)] = found.measured(COST).items()
    assert dict(about) == {"model": world.render.spec.model, "gpu": price.devices[0], "currency": price.currency}
    assert amount == pytest.approx(float(gpu_s) * price.amount_an_hour / 3600, abs=1e-6)


def test_the_phases_of_a_cold_start_are_told_once_and_none_has_seconds_of_another() -> None:
    renderer, cold = GreyRenderer(), ColdStart(process_s=2.0)
    usage = Usage(load_s=3, render_s=4, encode_s=1, whole_s=9, device="a GPU")
    with recorded() as found:
        cold.imported(lambda: renderer)
        cold.rendered(usage)
        cold.rendered(usage)

    told = {dict(each)["phase"]: seconds for each, seconds in found.measured(START).items()}
    assert (told["process"], told["load"], told["first_render"]) == (2, 3, 6)
    assert set(told) == {"process", "import", "load", "first_render"}


def test_a_process_knows_its_age() -> None:
    age_s = process_age_s()
    if Path("/proc/self/stat").exists():
        assert age_s is not None
        assert 0 < age_s < 24 * 3600
    else:
        assert age_s is None


def test_a_render_that_does_not_move_is_a_stall_of_its_stage() -> None:
    moved = Moved(stage=Stage.RENDERING, done=1, total=4)
    with recorded() as found, pytest.raises(HungError):
        _expect_movement(moved, still_s=LIMIT_S[Stage.RENDERING] + 1)

    assert found.measured(STALLS) == {of(stage="rendering"): 1}


def test_a_dead_letter_is_counted_by_what_was_done() -> None:
    world = NotifyWorld()
    world.wish("job-aaaa")
    with recorded() as found:
        bury_request(b"{", repairer=world.repairer)
        bury_request(encode(RenderRequested(render_key=world.key)), repairer=world.repairer)

    assert found.measured(DEAD_LETTERS) == {of(done="unreadable"): 1, of(done="published again"): 1}


def test_the_age_of_the_queue_is_that_of_the_oldest_wish_that_nobody_took() -> None:
    world = NotifyWorld()
    world.wish("job-aaaa")
    world.clock.pass_s(90)
    world.wish("job-bbbb")
    with recorded() as found:
        measure_queue_age(store=world.store, now=world.clock.now)

    assert found.measured(QUEUE_AGE) == {of(priority="interactive"): 90, of(priority="bulk"): 0}


def test_an_index_that_is_missing_costs_a_measurement_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_store: InMemoryJobStore, _priority: Priority) -> None:
        raise StoreNotReadyError("the index is being made")

    world = NotifyWorld()
    monkeypatch.setattr(InMemoryJobStore, "oldest_queued_job", refuse)
    with recorded() as found:
        measure_queue_age(store=world.store, now=world.clock.now)

    assert not found.measured(QUEUE_AGE)
    assert "queue not measured" in caplog.messages


@pytest.mark.parametrize(("spent", "left"), [(49, 0), (50, 12 * 3600)])
def test_how_long_bulk_waits_for_another_days_budget_is_told_and_that_it_does_not(spent: float, left: float) -> None:
    store, clock = InMemoryJobStore(), Clock(NOON)
    spend(store, spent, at=NOON)
    with recorded() as found:
        measure_bulk_pause(budget=a_budget(store, clock, budget_bulk_gpu_s=50), now=clock.now)

    assert found.measured(BULK_PAUSE) == {of(): left}


def test_a_budget_that_cannot_be_added_up_is_told_by_nobody_and_breaks_nothing() -> None:
    def no_answer(**_: datetime) -> Sum:
        raise Retryable("firestore does not answer: ServiceUnavailable")

    store, clock = InMemoryJobStore(), Clock(NOON)
    store.cost_of_renders = no_answer  # type: ignore[method-assign]
    with recorded() as found:
        measure_bulk_pause(budget=a_budget(store, clock, budget_bulk_gpu_s=50), now=clock.now)

    assert found.measured(BULK_PAUSE) == {}


def test_labels_that_a_measure_does_not_have_are_refused() -> None:
    with pytest.raises(AssertionError, match="has the labels"):
        QUEUE_AGE.take(1, owner="ada")


def test_every_name_says_its_unit_and_no_label_is_an_id() -> None:
    for each in MEASURES:
        assert each.name.startswith("lifeasnotme_")
        assert each.name.removesuffix("_total").endswith("_seconds") == (each.unit == "s")
        assert not each.labels & {"job_id", "render_key", "owner"}
