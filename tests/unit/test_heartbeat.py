"""The heartbeat: a script in place of the inbox decides what is heard when, so no second is really waited for."""

from __future__ import annotations

import itertools
import queue
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from gpu_job.heartbeat import (
    BEAT_S,
    LIMIT_S,
    PERCENT,
    Ended,
    HungError,
    Interrupted,
    Moved,
    PreemptedError,
    attend,
)
from shared.documents import Stage, Status
from shared.errors import Permanent
from tests.unit.heartbeat_world import Work, listen, rendering
from tests.unit.worker_world import LEASE_S, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from gpu_job.lease import Lease
    from gpu_job.renderer import Watch


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


def test_what_the_work_returns_comes_back(lease: Lease) -> None:
    result = attend(lambda _: "a video", lease=lease, extend=lambda: None, inbox=queue.SimpleQueue())

    assert result == "a video"


def test_what_the_work_raises_is_raised_here(lease: Lease) -> None:
    def broken(_: Watch) -> None:
        raise Permanent("Frames are not finite.")

    with pytest.raises(Permanent, match="not finite"):
        attend(broken, lease=lease, extend=lambda: None, inbox=queue.SimpleQueue())


def test_the_work_knows_the_context_of_who_attends_to_it_and_can_not_change_it(lease: Lease) -> None:
    told_of: ContextVar[str] = ContextVar("told_of", default="nothing")

    def work(_: Watch) -> str:
        before = told_of.get()
        told_of.set("another job")
        return before

    token = told_of.set("this job")
    try:
        assert attend(work, lease=lease, extend=lambda: None, inbox=queue.SimpleQueue()) == "this job"
        assert told_of.get() == "this job"
    finally:
        told_of.reset(token)


def test_the_lease_is_renewed_at_once_so_that_the_jobs_are_in_progress(world: World, lease: Lease, work: Work) -> None:
    listen(world, lease, work, (0.5, Ended()))

    assert (world.job("job-aaaa").status, world.job("job-aaaa").stage) == (Status.IN_PROGRESS, Stage.LOADING)


def test_progress_reaches_the_jobs_with_the_next_beat(world: World, lease: Lease, work: Work) -> None:
    seen: list[int] = []

    def look() -> None:
        seen.append(world.job("job-aaaa").progress)

    listen(
        world,
        lease,
        work,
        (0.5, rendering(1)),
        (1.0, rendering(2)),
        (1.9, look),
        (2.1, look),
        (2.5, rendering(4)),
        (4.1, look),
        (4.2, Ended()),
    )

    assert seen == [0, 37, 70]


def test_many_movements_make_one_write_a_beat(world: World, lease: Lease, work: Work) -> None:
    written_before = len(world.store.jobs_written)

    listen(world, lease, work, *[(n / 100, rendering(n)) for n in range(1, 1000)], (10.0, Ended()))

    assert len(world.store.jobs_written) - written_before == 10 / BEAT_S


def test_where_nothing_moves_the_lease_is_renewed_four_times_in_its_length(
    world: World, lease: Lease, work: Work
) -> None:
    extended: list[float] = []

    listen(world, lease, work, (130.0, Ended()), extend=lambda: extended.append(world.clock.monotonic()))

    gaps_s = [after - before for before, after in itertools.pairwise(extended)]
    assert max(gaps_s) <= LEASE_S / 4 + BEAT_S
    assert world.render.lease_left_s(world.clock.now()) > 0


def test_the_message_is_extended_after_each_renewal_of_the_lease_and_never_without(
    world: World, lease: Lease, work: Work
) -> None:
    lease_and_message: list[tuple[datetime | None, datetime]] = []

    listen(
        world,
        lease,
        work,
        *[(float(second), rendering(second)) for second in range(1, 9)],
        (9.0, Ended()),
        extend=lambda: lease_and_message.append((world.render.renewed_at, world.clock.now())),
    )

    assert len(lease_and_message) == 5
    assert all(renewed_at == extended_at for renewed_at, extended_at in lease_and_message)


def test_an_interruption_ends_it_at_once_and_stops_the_work(world: World, lease: Lease, work: Work) -> None:
    with pytest.raises(PreemptedError):
        listen(world, lease, work, (0.7, Interrupted()))

    assert world.clock.monotonic() == 0.7
    work.assert_stopped()


def test_work_that_does_not_move_within_its_stages_limit_hangs(world: World, lease: Lease, work: Work) -> None:
    with pytest.raises(HungError, match="no movement in rendering for 600 s"):
        listen(world, lease, work, (10.0, rendering(1)), (10_000.0, Ended()))

    assert LIMIT_S[Stage.RENDERING] <= world.clock.monotonic() - 10 + BEAT_S <= LIMIT_S[Stage.RENDERING] + 2 * BEAT_S
    work.assert_stopped()


def test_work_that_moves_now_and_then_does_not_hang(world: World, lease: Lease, work: Work) -> None:
    listen(world, lease, work, *[(500.0 * step, rendering(step)) for step in range(1, 5)], (2400.0, Ended()))

    assert world.render.progress == 70


def test_loading_may_take_longer_than_rendering_since_it_may_be_a_download(
    world: World, lease: Lease, work: Work
) -> None:
    listen(world, lease, work, (1700.0, rendering(1)), (1700.5, Ended()))


def test_the_percents_of_the_stages_follow_each_other_without_a_gap() -> None:
    begins, ends = zip(*[PERCENT[stage] for stage in Stage], strict=True)

    assert begins == (0, *ends[:-1])
    assert ends[-1] < 100


@pytest.mark.parametrize(
    ("moved", "percent"),
    [
        (Moved(stage=Stage.LOADING, done=0, total=1), 0),
        (Moved(stage=Stage.RENDERING, done=0, total=4), 5),
        (Moved(stage=Stage.RENDERING, done=4, total=4), 70),
        (Moved(stage=Stage.RENDERING, done=9, total=4), 70),
        (Moved(stage=Stage.ENCODING, done=0, total=0), 70),
        (Moved(stage=Stage.UPLOADING, done=2, total=3), 97),
    ],
)
def test_a_movement_tells_percent_of_the_whole_work(moved: Moved, percent: int) -> None:
    assert moved.percent == percent


def test_a_preview_is_told_of_at_the_next_beat_and_stays_known(world: World, lease: Lease, work: Work) -> None:
    told = []

    def look() -> None:
        told.append(world.job("job-aaaa").preview_path)

    seen = replace(rendering(2), preview_path="preview.jpg")
    lines = [(1.0, rendering(2)), (1.5, seen), (3.0, look), (5.0, replace(seen, done=3)), (7.0, look), (8.0, Ended())]
    listen(world, lease, work, *lines)

    assert told == ["preview.jpg", "preview.jpg"]


def test_what_the_work_says_of_its_preview_goes_with_all_that_it_says_later(lease: Lease) -> None:
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()

    class Noting(queue.SimpleQueue[Any]):
        def put(self, item: Any, *rest: Any, **more: Any) -> None:
            inbox.put(item)
            super().put(item, *rest, **more)

    def work(watch: Watch) -> None:
        watch.moved(Stage.RENDERING, 2, 4)
        watch.previewed("preview.jpg")
        watch.moved(Stage.RENDERING, 3, 4)

    attend(work, lease=lease, extend=lambda: None, inbox=Noting())

    said = [inbox.get_nowait() for _ in range(3)]
    assert said == [
        Moved(stage=Stage.RENDERING, done=2, total=4),
        Moved(stage=Stage.RENDERING, done=2, total=4, preview_path="preview.jpg"),
        Moved(stage=Stage.RENDERING, done=3, total=4, preview_path="preview.jpg"),
    ]
