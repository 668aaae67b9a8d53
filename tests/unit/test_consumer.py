"""How long a worker stays, and when it leaves."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any

import pytest

from gpu_job import heartbeat
from gpu_job.consumer import MAX_SILENT_PULLS, PULL_S, consume
from gpu_job.heartbeat import Ended, HungError, Interrupted, Moved, PreemptedError
from gpu_job.renderer import UnfitError
from shared.artifact_paths import video_path
from shared.documents import Stage, State
from shared.errors import Retryable
from tests.unit.worker_world import GreyRenderer, MeddledSource, World, no_answer, nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gpu_job.message_source import Message
    from gpu_job.render_job import Workshop
    from gpu_job.renderer import Renderer, Watch


class PatientSource(MeddledSource):
    """In memory; waiting for a message moves the world's clock and nothing else."""

    def __init__(self, world: World) -> None:
        super().__init__(world.publisher)
        self._clock = world.clock

    def pull(self, *, timeout_s: float) -> Message | None:
        found = super().pull(timeout_s=0)
        if found is None:
            self._clock.pass_s(timeout_s)
        return found


class PatientInbox(queue.SimpleQueue[Any]):
    """An inbox in which nobody really waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waited_s: list[float] = []

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002
        assert block
        try:
            return super().get_nowait()
        except queue.Empty:
            self.waited_s.append(timeout or 0.0)
            raise


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.source = PatientSource(world)
    return world


def work(
    world: World,
    *,
    workshop: Workshop | None = None,
    patience_s: float = 10,
    warm_s: float = 0,
    is_wanted: Callable[[], bool] = lambda: True,
) -> int:
    return consume(
        workshop=workshop or world.workshop(),
        patience_s=patience_s,
        warm_s=warm_s,
        monotonic=world.clock.monotonic,
        is_wanted=is_wanted,
    )


def workshop_without_renderer(world: World) -> Workshop:
    workshop = world.workshop()

    def no_renderer() -> Renderer:
        raise AssertionError("the renderer was touched")

    object.__setattr__(workshop, "renderer", no_renderer)
    return workshop


def test_a_worker_that_finds_an_empty_queue_leaves_without_touching_the_renderer(world: World) -> None:
    assert work(world, workshop=workshop_without_renderer(world), patience_s=10) == 0

    assert world.clock.monotonic() == pytest.approx(10, abs=0.1)


def test_a_worker_without_patience_leaves_after_one_look(world: World) -> None:
    assert work(world, patience_s=0) == 0

    assert world.clock.monotonic() < 0.1


def test_a_worker_without_patience_still_takes_the_message_that_is_there(world: World) -> None:
    world.wish("job-aaaa")

    assert work(world, patience_s=0) == 1
    assert world.render.state is State.COMPLETED


def test_the_queue_is_drained_and_every_message_handled(world: World) -> None:
    world.wish("job-aaaa")
    world.send_message()
    world.send_message(b"unreadable")

    assert work(world) == 3

    assert len(world.source.acknowledged) == 3
    assert world.render.state is State.COMPLETED


def test_a_worker_stays_warm_for_the_next_message_and_counts_anew_after_each(world: World) -> None:
    world.wish("job-aaaa")

    pulls_before = 1 + int(200 / PULL_S)
    world.source.meddling.before("pull", *[nothing] * pulls_before, world.send_message)

    assert work(world, patience_s=10, warm_s=300) == 2

    assert world.clock.monotonic() == pytest.approx(200 + 300, abs=2 * PULL_S)


def test_an_interruption_between_two_messages_leaves_the_next_one_in_the_queue(world: World) -> None:
    world.wish("job-aaaa")
    world.send_message()

    world.source.meddling.before("acknowledge", lambda: world.inbox.put(Interrupted()))

    assert work(world) == 1
    assert world.next_message()


def test_an_interruption_while_nothing_is_to_do_ends_the_worker(world: World) -> None:
    world.source.meddling.before("pull", nothing, lambda: world.inbox.put(Interrupted()))

    assert work(world, patience_s=600) == 0
    assert world.clock.monotonic() < 10


def test_an_interruption_in_the_middle_of_a_render_ends_the_worker(world: World) -> None:
    world.wish("job-aaaa")
    over = threading.Event()

    def told_to_go(_: Watch) -> None:
        world.inbox.put(Interrupted())
        over.wait(5)

    with pytest.raises(PreemptedError):
        work(world, workshop=world.workshop(GreyRenderer(told_to_go)))

    over.set()
    assert (world.render.state, world.render.attempts) == (State.IDLE, 0)
    assert world.artifacts.get(video_path(world.key)) is None


def test_a_source_that_stays_silent_is_given_up_after_growing_pauses(world: World) -> None:
    world.inbox = PatientInbox()
    world.source.meddling.before("pull", *[no_answer] * MAX_SILENT_PULLS)

    with pytest.raises(Retryable):
        work(world, patience_s=600)

    pauses_s = [waited_s for waited_s in world.inbox.waited_s if waited_s > 0]
    assert pauses_s == pytest.approx([1, 2, 4, 8, 16], abs=0.1)


def test_a_source_that_answers_again_is_forgiven(world: World) -> None:
    world.inbox = PatientInbox()
    silence: list[Callable[[], None]] = [no_answer] * (MAX_SILENT_PULLS - 1)
    world.source.meddling.before("pull", *silence, nothing, *silence)
    world.wish("job-aaaa")

    assert work(world) == 1
    assert world.render.state is State.COMPLETED


def test_an_interruption_during_such_a_pause_is_heard(world: World) -> None:
    world.inbox = PatientInbox()

    def silent_and_interrupted() -> None:
        world.inbox.put(Interrupted())
        no_answer()

    world.source.meddling.before("pull", silent_and_interrupted)

    assert work(world, patience_s=600) == 0


def test_a_message_that_can_not_even_be_put_back_is_left_to_its_deadline(world: World) -> None:
    world.wish("job-aaaa")
    world.store.meddling.before("render", no_answer)
    world.source.meddling.before("put_back", no_answer, no_answer)

    assert work(world, workshop=workshop_without_renderer(world)) == 1
    assert world.source.acknowledged == []
    assert world.source.put_back_after == []


def test_a_message_that_was_not_put_back_at_first_is_put_back_at_the_second_try(world: World) -> None:
    world.wish("job-aaaa")
    world.store.meddling.before("render", no_answer)
    world.source.meddling.before("put_back", no_answer)

    assert work(world, workshop=workshop_without_renderer(world)) == 1
    assert world.source.put_back_after == [10]


def a_fault_of_our_own() -> None:
    raise ValueError("nobody thought of this")


def test_a_message_that_breaks_the_worker_is_put_back_and_the_next_one_is_handled(world: World) -> None:
    world.wish("job-aaaa")
    world.store.meddling.before("render", a_fault_of_our_own)
    world.send_message()

    assert work(world) == 2

    assert world.render.state is State.COMPLETED
    assert len(world.source.acknowledged) == 1
    assert world.source.put_back_after == [10]


def test_a_message_that_breaks_the_worker_is_told_in_the_log_with_its_cause(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.wish("job-aaaa")
    world.store.meddling.before("render", a_fault_of_our_own)

    work(world, workshop=workshop_without_renderer(world))

    [line] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert line.message == "message put back"
    assert line.exc_info
    assert isinstance(line.exc_info[1], ValueError)


def test_work_that_hangs_ends_the_worker_and_no_other_message_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)
    monkeypatch.setattr(heartbeat, "LIMIT_S", dict.fromkeys(Stage, 0.05))
    world.wish("job-aaaa")
    world.send_message(b"unreadable")
    over = threading.Event()

    with pytest.raises(HungError):
        work(world, workshop=world.workshop(GreyRenderer(lambda _: (over.wait(5), None)[1])))

    over.set()
    assert world.source.acknowledged == []


def test_what_the_last_work_said_too_late_does_not_disturb_the_next(world: World) -> None:
    world.inbox.put(Moved(stage=Stage.UPLOADING, done=3, total=3))
    world.inbox.put(Ended(result="an old video"))
    world.wish("job-aaaa")

    assert work(world) == 1
    assert world.render.state is State.COMPLETED


def test_a_worker_that_can_render_nothing_leaves_the_messages_to_others(world: World) -> None:
    workshop = world.workshop()

    def no_renderer() -> Renderer:
        raise ValueError("DEVICE is nonsense")

    object.__setattr__(workshop, "renderer", no_renderer)
    world.wish("job-aaaa")
    world.send_message()

    with pytest.raises(UnfitError, match="DEVICE is nonsense"):
        work(world, workshop=workshop)

    assert (world.render.state, world.render.attempts) == (State.IDLE, 0)
    assert world.source.acknowledged == []
    assert world.next_message()


def test_a_worker_that_is_not_wanted_finishes_its_render_and_takes_no_other(world: World) -> None:
    world.wish("job-aaaa")
    world.send_message()
    world.send_message()

    assert work(world, is_wanted=iter([True, False]).__next__) == 1

    assert world.render.state is State.COMPLETED
    assert len(world.source.acknowledged) == 1
    assert world.next_message()


def test_a_worker_that_is_not_wanted_from_the_beginning_pulls_nothing(world: World) -> None:
    world.wish("job-aaaa")
    world.send_message()

    assert work(world, workshop=workshop_without_renderer(world), is_wanted=lambda: False) == 0

    assert world.next_message()
