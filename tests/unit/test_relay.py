"""Stages in threads: what they hand on, and how they end together."""

from __future__ import annotations

import threading
from contextvars import ContextVar

import pytest

from gpu_job.relay import AHEAD, Pipe, Relay, side_by_side

PATIENCE_S = 5.0


def threads_of_relays() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith(("stage", "beside"))]


def test_what_is_put_into_a_pipe_comes_out_in_order_and_the_result_is_there_afterwards() -> None:
    with Relay() as relay:
        pipe: Pipe[int] = relay.pipe()
        added = relay.stage("stage add", lambda: sum(pipe))
        doubled: Pipe[int] = relay.pipe()
        listed = relay.stage("stage list", lambda: list(doubled))
        for number in range(100):
            pipe.put(number)
            doubled.put(2 * number)
        pipe.close()
        doubled.close()

    assert added.result == sum(range(100))
    assert listed.result == [2 * number for number in range(100)]
    assert threads_of_relays() == []


def test_no_more_waits_in_a_pipe_than_it_holds() -> None:
    made, may_go = [], threading.Event()

    def slow(pipe: Pipe[int]) -> int:
        may_go.wait(PATIENCE_S)
        return len(list(pipe))

    with Relay() as relay:
        pipe: Pipe[int] = relay.pipe()
        counted = relay.stage("stage slow", lambda: slow(pipe))

        def fill() -> None:
            for number in range(10):
                made.append(number)
                if number == AHEAD:
                    threading.Timer(0.01, may_go.set).start()  # while the next put waits
                pipe.put(number)
                assert may_go.is_set() or number < AHEAD
            pipe.close()

        relay.stage("stage fill", fill)

    assert counted.result == len(made) == 10


def test_the_error_of_a_stage_stops_whoever_puts_something_in_and_is_raised_as_it_was() -> None:
    error = ValueError("broken frame")

    def broken(pipe: Pipe[int]) -> None:
        next(iter(pipe))
        raise error from KeyError("why")

    def story(relay: Relay) -> None:
        pipe: Pipe[int] = relay.pipe()
        relay.stage("stage broken", lambda: broken(pipe))
        while True:
            pipe.put(1)

    with pytest.raises(ValueError, match="broken frame") as caught, Relay() as relay:
        story(relay)

    assert caught.value is error
    assert isinstance(error.__cause__, KeyError)
    assert threads_of_relays() == []


def test_an_error_inside_stops_the_stages_that_wait_for_more() -> None:
    seen: list[int] = []

    def story(relay: Relay) -> None:
        pipe: Pipe[int] = relay.pipe()
        relay.stage("stage waits", lambda: seen.extend(pipe))
        pipe.put(1)
        raise LookupError("no model")

    with pytest.raises(LookupError, match="no model"), Relay() as relay:
        story(relay)

    assert threads_of_relays() == []
    assert seen in ([], [1])


def test_the_error_of_one_stage_stops_the_others_in_both_directions() -> None:
    def endless(pipe: Pipe[int]) -> None:
        while True:
            pipe.put(1)

    def broken(before: Pipe[int], after: Pipe[int]) -> None:
        for number in before:
            after.put(number)
            raise OSError("disk full")

    def story(relay: Relay) -> None:
        before: Pipe[int] = relay.pipe()
        after: Pipe[int] = relay.pipe()
        relay.stage("stage endless", lambda: endless(before))
        relay.stage("stage broken", lambda: broken(before, after))
        relay.stage("stage last", lambda: list(after))

    with pytest.raises(OSError, match="disk full"), Relay() as relay:
        story(relay)

    assert threads_of_relays() == []


def test_ctrl_c_is_raised_and_waits_for_the_stages() -> None:
    def story(relay: Relay) -> None:
        pipe: Pipe[int] = relay.pipe()
        relay.stage("stage waits", lambda: list(pipe))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Relay() as relay:
        story(relay)

    assert threads_of_relays() == []


def test_a_stage_knows_the_context_of_who_began_it() -> None:
    told_of: ContextVar[str] = ContextVar("told_of", default="nothing")
    told_of.set("this job")

    with Relay() as relay:
        stage = relay.stage("stage tells", told_of.get)

    assert stage.result == "this job"


def test_things_side_by_side_are_all_done_and_the_first_error_is_raised() -> None:
    done, meeting = [], threading.Barrier(3)

    def work(number: int) -> None:
        meeting.wait(PATIENCE_S)  # only together
        done.append(number)

    side_by_side(*(lambda number=number: work(number) for number in range(3)))

    assert sorted(done) == [0, 1, 2]
    with pytest.raises(OSError, match="no answer"):
        side_by_side(lambda: None, lambda: (_ for _ in ()).throw(OSError("no answer")))
    assert threads_of_relays() == []
