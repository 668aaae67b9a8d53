"""What stops the work: nobody waits, the lease is lost, nobody answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gpu_job.heartbeat import (
    BEAT_S,
    Ended,
    Interrupted,
    PreemptedError,
)
from gpu_job.lease import LeaseLostError, NobodyWaitsError
from shared.documents import Stage
from tests.unit.heartbeat_world import STOPPED, Work, listen, rendering
from tests.unit.worker_world import LEASE_S, World, no_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from gpu_job.lease import Lease


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.wish("job-aaaa")
    return world


@pytest.fixture
def lease(world: World) -> Lease:
    return world.claim("worker-a")


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.over.set()


def test_nobody_waits_stops_the_work_and_is_told_when_it_has_stopped(world: World, lease: Lease, work: Work) -> None:
    with pytest.raises(NobodyWaitsError):
        listen(
            world,
            lease,
            work,
            (1.0, lambda: world.cancel("job-aaaa")),
            (1.5, rendering(1)),
            (2.5, rendering(2)),
            (5.0, STOPPED),
        )

    assert world.clock.monotonic() == 5.0
    assert world.render.progress == rendering(1).percent
    work.assert_stopped()


@pytest.mark.parametrize("canceled_at_s", [2.1, 3.0, 3.9, 9.5, 12.3])
def test_a_cancel_stops_the_work_within_a_beat_though_there_is_nothing_to_tell(
    world: World, lease: Lease, work: Work, canceled_at_s: float
) -> None:
    with pytest.raises(NobodyWaitsError):
        listen(
            world,
            lease,
            work,
            (canceled_at_s, lambda: world.cancel("job-aaaa")),
            (canceled_at_s + BEAT_S, work.assert_stopped),
            (15.0, STOPPED),
        )


def test_asking_who_waits_renews_nothing(world: World, lease: Lease, work: Work) -> None:
    renewed_at: list[datetime | None] = []

    listen(
        world, lease, work, *[(each, lambda: renewed_at.append(world.render.renewed_at)) for each in (3.0, 5.0, 7.0)],
        (8.0, Ended()),
    )  # fmt: skip

    assert renewed_at == [renewed_at[0]] * 3


def test_a_question_who_waits_that_nobody_answers_is_asked_again_with_the_next_beat(
    world: World, lease: Lease, work: Work
) -> None:
    def the_store_is_away_for_a_moment() -> None:
        world.cancel("job-aaaa")
        world.store.meddling.before("waiting_jobs", no_answer)

    with pytest.raises(NobodyWaitsError):
        listen(
            world,
            lease,
            work,
            (3.0, the_store_is_away_for_a_moment),
            (3.0 + 2 * BEAT_S, work.assert_stopped),
            (15.0, STOPPED),
        )


def test_a_video_that_was_committed_although_nobody_waited_any_more_counts(
    world: World, lease: Lease, work: Work
) -> None:
    result = listen(
        world,
        lease,
        work,
        (1.0, lambda: world.cancel("job-aaaa")),
        (1.5, rendering(1)),
        (5.0, Ended(result="a video")),
    )

    assert result == "a video"


def test_a_lost_lease_stops_the_work_and_is_not_renewed_again(world: World, lease: Lease, work: Work) -> None:
    with pytest.raises(LeaseLostError):
        listen(
            world,
            lease,
            work,
            (1.0, lambda: world.change_render(holder="worker-b", token=2)),
            (1.5, rendering(1)),
            (2.5, rendering(2)),
            (40.0, STOPPED),
        )

    assert (world.render.holder, world.render.stage) == ("worker-b", Stage.LOADING)
    work.assert_stopped()


def test_an_interruption_is_heard_even_while_stopped_work_does_not_end(world: World, lease: Lease, work: Work) -> None:
    with pytest.raises(PreemptedError):
        listen(
            world,
            lease,
            work,
            (1.0, lambda: world.cancel("job-aaaa")),
            (1.5, rendering(1)),
            (9.0, Interrupted()),
        )


def test_a_renewal_that_nobody_answered_is_tried_again_with_the_next_beat(
    world: World, lease: Lease, work: Work
) -> None:
    def the_store_is_away_for_a_moment() -> None:
        world.store.meddling.before("commit", no_answer)

    listen(
        world,
        lease,
        work,
        (1.0, the_store_is_away_for_a_moment),
        (1.5, rendering(1)),
        (4.5, Ended()),
    )

    assert world.job("job-aaaa").progress == 21


def test_a_message_that_could_not_be_extended_is_extended_with_the_next_beat(
    world: World, lease: Lease, work: Work
) -> None:
    calls: list[float] = []

    def extend() -> None:
        calls.append(world.clock.monotonic())
        if len(calls) == 1:
            no_answer()

    listen(world, lease, work, (4.5, Ended()), extend=extend)

    assert calls == [0.0, BEAT_S]


def test_a_store_that_never_answers_stops_the_work_once_the_lease_is_over(
    world: World, lease: Lease, work: Work
) -> None:
    world.store.meddling.before("waiting_jobs", *[no_answer] * 1000)

    with pytest.raises(LeaseLostError, match="nobody answered"):
        listen(world, lease, work, (30.0, rendering(1)), (LEASE_S, rendering(2)), (LEASE_S + 3 * BEAT_S, STOPPED))

    work.assert_stopped()


def test_a_fault_of_our_own_in_a_beat_stops_the_work_before_it_is_raised(
    world: World, lease: Lease, work: Work
) -> None:
    def fault() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        listen(world, lease, work, (3.0, STOPPED), extend=fault)

    assert world.clock.monotonic() == 3.0
    work.assert_stopped()
