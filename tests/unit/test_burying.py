"""The dead-letter topic: what was delivered too often is seen to, and no job waits for it in vain."""

import logging

import pytest
from burying import bury_request

from shared.documents import State, Status
from shared.errors import ErrorCode, Retryable
from shared.jobs import MAX_ATTEMPTS, cancel_job, retire, touch
from shared.messages import RenderRequested, encode
from shared.testing import TRACEPARENT
from tests.unit.notify_world import ERROR, LEASE_S, World


@pytest.fixture
def world() -> World:
    """A job whose message is dead."""
    world = World()
    world.wish("job-0001")
    world.lose_messages()
    return world


def bury(world: World, data: bytes | None = None) -> None:
    bury_request(encode(RenderRequested(render_key=world.key)) if data is None else data, repairer=world.repairer)


def test_a_dead_message_with_attempts_left_is_sent_again_at_once(world: World) -> None:
    bury(world)
    assert world.messages[1:] == [RenderRequested(render_key=world.key, traceparent=TRACEPARENT)]
    world.work()
    assert world.job("job-0001").status is Status.COMPLETED


def test_a_dead_message_whose_attempts_are_spent_fails_its_jobs_with_a_reason_for_people(world: World) -> None:
    for number in range(MAX_ATTEMPTS):
        world.claim(f"dead-{number}")
    world.clock.pass_s(LEASE_S)
    bury(world)
    error = world.job("job-0001").error
    assert error
    assert (error.code, error.message) == (ErrorCode.RENDER_FAILED, "It was tried 3 times and never finished.")
    assert [event.status for event in world.events] == [Status.FAILED]
    assert len(world.messages) == 1


def test_a_dead_message_does_not_disturb_who_works_on_its_render(world: World) -> None:
    for number in range(MAX_ATTEMPTS):
        world.claim(f"alive-{number}")
    bury(world)
    assert (world.render.state, world.render.token) == (State.LEASED, MAX_ATTEMPTS)
    assert world.job("job-0001").status is Status.QUEUED
    assert len(world.messages) == 2, "another one is sent, for the case that the worker dies"


def test_a_worker_that_dies_after_its_message_did_is_found_by_reconcile(world: World) -> None:
    world.claim("dies")
    bury(world)
    for _ in range(12):
        world.clock.pass_s(60)
        world.reconcile()
        world.work()
    assert world.job("job-0001").status is Status.COMPLETED


def test_a_dead_message_whose_video_is_there_completes_its_jobs(world: World) -> None:
    world.put_video()
    bury(world)
    assert world.job("job-0001").status is Status.COMPLETED
    assert len(world.messages) == 1


def test_a_dead_message_of_a_failed_render_tells_its_jobs_and_is_not_sent_again(world: World) -> None:
    world.fail()
    bury(world)
    assert world.job("job-0001").error == ERROR
    assert len(world.messages) == 1


def test_a_dead_message_that_nobody_waits_for_is_not_sent_again(world: World) -> None:
    world.change_job("job-0001", lambda job: cancel_job(job, now=world.clock.now()))
    bury(world)
    assert (len(world.messages), world.render.published_at) == (1, None)


def test_a_dead_message_of_no_render_is_forgotten(world: World) -> None:
    before = world.everything()
    bury(world, encode(RenderRequested(render_key="cd" * 20)))
    assert world.everything() == before


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[]", b'{"render_key": "../secret"}'])
def test_an_unreadable_message_is_told_in_the_log_without_its_words_and_changes_nothing(
    world: World, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    before = world.everything()
    bury(world, data)
    assert world.everything() == before
    assert [(each.levelno, each.message) for each in caplog.records] == [(logging.ERROR, "unreadable message buried")]
    assert "secret" not in caplog.text


def test_a_dead_message_is_delivered_again_while_nobody_takes_messages(world: World) -> None:
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        bury(world)
    world.publisher.is_down = False
    bury(world)
    assert len(world.messages) == 2


def test_whoever_writes_in_between_a_dead_message_is_replaced_by_one(world: World) -> None:
    """Two would die as well, and be replaced by four."""
    world.claim()
    sent = len(world.messages)
    for _ in range(3):
        world.store.meddling.append(lambda: world.change(lambda render: touch(render, now=world.clock.now())))
    bury(world)
    assert len(world.messages) == sent + 1


def test_a_render_that_was_put_to_rest_in_between_gets_a_message_for_who_came_after(world: World) -> None:
    def put_to_rest_and_wished_for() -> None:
        world.change(lambda render: retire(render, now=world.clock.now()))
        world.put_job("job-0002")

    sent = len(world.messages)
    world.store.meddling.append(put_to_rest_and_wished_for)
    bury(world)
    assert len(world.messages) == sent + 2
    assert world.render.published_at
