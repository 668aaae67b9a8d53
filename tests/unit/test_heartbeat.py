"""The heartbeat: a script in place of the inbox decides what is heard when, so no second is really waited for."""

from __future__ import annotations

import itertools
import queue
import threading
from contextvars import ContextVar
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
from gpu_job.lease import LeaseLostError, NobodyWaitsError
from gpu_job.renderer import RenderStopped
from shared.documents import Stage, Status
from shared.errors import Permanent
from tests.unit.worker_world import LEASE_S, World, no_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from gpu_job.lease import Lease
    from gpu_job.renderer import Watch

PATIENCE_S = 5.0
STOPPED = Ended(error=RenderStopped())


class Script(queue.SimpleQueue[Interrupted | Moved | Ended]):
    """An inbox that hears, at given times, what a test wrote down; waiting moves the world's clock and nothing else."""

    def __init__(self, world: World, *lines: tuple[float, Interrupted | Moved | Ended | Callable[[], None]]) -> None:
        super().__init__()
        self._clock = world.clock
        self._lines = list(lines)

    def put(self, *_: Any, **__: Any) -> None:
        """What the real thread says is not in the script."""

    def get(self, block: bool = True, timeout: float | None = None) -> Interrupted | Moved | Ended:  # noqa: FBT001, FBT002
        assert block
        assert timeout is not None
        give_up_at = self._clock.monotonic() + timeout
        while self._lines:
            at, line = self._lines[0]
            if at > give_up_at:
                break
            self._clock.pass_s(max(0.0, at - self._clock.monotonic()))
            del self._lines[0]
            if not callable(line):
                return line
            line()
        assert self._lines, "the script is over and the worker still listens"
        self._clock.pass_s(max(0.0, give_up_at - self._clock.monotonic()))
        raise queue.Empty


class Work:
    """Work that lasts until the test is over, and shows the watch that was given to it."""

    def __init__(self) -> None:
        self._watch: queue.SimpleQueue[Watch] = queue.SimpleQueue()
        self.over = threading.Event()

    def __call__(self, watch: Watch) -> None:
        self._watch.put(watch)
        self.over.wait(PATIENCE_S)

    def assert_stopped(self) -> None:
        with pytest.raises(RenderStopped):
            self._watch.get(timeout=PATIENCE_S).moved(Stage.RENDERING, 1, 4)


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


def rendering(step: int) -> Moved:
    return Moved(stage=Stage.RENDERING, done=step, total=4)


def listen(
    world: World, lease: Lease, work: Callable[[Watch], Any], *lines: Any, extend: Callable[[], None] = lambda: None
) -> Any:
    return attend(work, lease=lease, extend=extend, inbox=Script(world, *lines), monotonic=world.clock.monotonic)


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
