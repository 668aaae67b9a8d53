"""Work that is stopped in the middle: by preemption, by a hang, by its jobs, or by another worker."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from gpu_job import heartbeat
from gpu_job.heartbeat import HungError, Interrupted, PreemptedError
from gpu_job.renderer import RenderStopped
from shared.artifact_paths import video_path
from shared.documents import Stage, State, Status
from tests.unit.render_job_world import PATIENCE_S, handle, until_stopped
from tests.unit.worker_world import GreyRenderer, World, no_answer, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.requests import RenderSpec


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa", "job-bbbb")
    return world


@pytest.fixture
def fast_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beats that come soon enough for a test."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)


def test_preemption_gives_lease_and_message_back_at_once_and_costs_no_attempt(world: World) -> None:
    def told_to_go(watch: Watch) -> None:
        world.inbox.put(Interrupted())
        until_stopped(watch)

    with pytest.raises(PreemptedError):
        handle(world, GreyRenderer(told_to_go))

    assert (world.render.state, world.render.attempts) == (State.IDLE, 0)
    assert world.job("job-aaaa").status is Status.QUEUED
    assert world.source.put_back_after == [0]
    assert world.next_message()


def test_preemption_does_not_wait_for_a_step_that_lasts(world: World) -> None:
    end_of_test = threading.Event()

    def long_step(_: Watch) -> None:
        world.inbox.put(Interrupted())
        end_of_test.wait(PATIENCE_S)

    with pytest.raises(PreemptedError):
        handle(world, GreyRenderer(long_step))

    assert not end_of_test.is_set()
    assert world.render.state is State.IDLE
    end_of_test.set()


@pytest.mark.parametrize("service", ["store", "source"])
def test_preemption_ends_the_worker_even_when_nothing_can_be_given_back(world: World, service: str) -> None:
    def told_to_go(watch: Watch) -> None:
        if service == "store":
            world.store.meddling.before("waiting_jobs", *[no_answer] * 20)
        else:
            world.source.meddling.before("put_back", *[no_answer] * 20)
        world.inbox.put(Interrupted())
        until_stopped(watch)

    with pytest.raises(PreemptedError):
        handle(world, GreyRenderer(told_to_go))

    assert world.source.acknowledged == []


def test_a_hung_render_is_given_back_and_the_process_must_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)
    monkeypatch.setattr(heartbeat, "LIMIT_S", dict.fromkeys(Stage, 0.05))
    end_of_test = threading.Event()

    with pytest.raises(HungError):
        handle(world, GreyRenderer(lambda _: (end_of_test.wait(PATIENCE_S), None)[1]))

    assert (world.render.state, world.render.attempts) == (State.IDLE, 1)
    assert world.source.put_back_after == [0]
    end_of_test.set()


@pytest.mark.usefixtures("fast_heart")
def test_the_work_stops_when_the_last_job_is_canceled_and_the_message_is_acknowledged(world: World) -> None:
    def canceled(watch: Watch) -> None:
        world.cancel("job-aaaa", "job-bbbb")
        until_stopped(watch)

    handle(world, GreyRenderer(canceled))

    assert (world.render.state, world.render.attempts, world.render.published_at) == (State.IDLE, 0, None)
    assert world.artifacts.get(video_path(world.key)) is None
    assert len(world.source.acknowledged) == 1


@pytest.mark.usefixtures("fast_heart")
def test_a_job_that_attaches_to_work_that_was_just_stopped_is_served_by_the_same_message(world: World) -> None:
    class OneCancel(GreyRenderer):
        def render(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
            if self.renders == 0:
                world.cancel("job-aaaa", "job-bbbb")
                self.renders += 1
                try:
                    until_stopped(watch)
                except RenderStopped:
                    world.wish("job-cccc")
                    raise
            yield from super().render(spec, watch=watch)

    handle(world, OneCancel())

    assert world.render.state is State.COMPLETED
    assert len(world.source.acknowledged) == 1


@pytest.mark.usefixtures("fast_heart")
def test_the_work_stops_when_the_lease_went_to_another_and_the_message_waits_for_that_one(world: World) -> None:
    def robbed(watch: Watch) -> None:
        world.change_render(holder="worker-b", token=9)
        until_stopped(watch)

    handle(world, GreyRenderer(robbed))

    assert (world.render.state, world.render.holder, world.render.token) == (State.LEASED, "worker-b", 9)
    assert world.source.acknowledged == []
    assert world.source.put_back_after == [61]


@pytest.mark.usefixtures("fast_heart")
def test_the_work_stops_when_another_committed_first_and_the_jobs_get_that_video(world: World) -> None:
    def overtaken(watch: Watch) -> None:
        world.commit_video("7-another")
        world.claimant("worker-b").claim(world.key)
        until_stopped(watch)

    handle(world, GreyRenderer(overtaken))

    assert world.job("job-aaaa").status is Status.COMPLETED
    assert world.artifacts.created == [video_path(world.key)]
    assert len(world.source.acknowledged) == 1


@pytest.mark.usefixtures("fast_heart")
def test_a_render_that_is_deleted_during_its_uploads_leaves_no_poster_and_no_receipt(world: World) -> None:
    """The receipt holds the prompt."""

    noticed = threading.Event()

    def deleted() -> None:
        world.store.meddling.before("render", noticed.set)
        world.store.forget(world.key)
        assert noticed.wait(PATIENCE_S)

    world.artifacts.meddling.before("create", nothing, deleted)

    handle(world)

    assert world.artifacts._objects == {}
    assert len(world.source.acknowledged) == 1
