"""Somebody waits for what was wished for in bulk: from now on it goes first, whoever has it."""

import pytest

from shared.documents import State
from shared.jobs import SOON
from shared.messages import RENDER_REQUESTS_BULK
from shared.requests import Priority
from tests.unit.submit_world import World


@pytest.fixture
def world() -> World:
    """A bulk wish whose message is in its long queue."""
    world = World()
    world.submit(priority="bulk")
    assert len(world.publisher.published[RENDER_REQUESTS_BULK]) == 1
    return world


def test_an_urgent_wish_for_a_bulk_render_that_waits_sends_a_message_to_the_queue_that_goes_first(
    world: World,
) -> None:
    world.submit()

    assert (world.render().priority, len(world.messages)) == (Priority.INTERACTIVE, 1)


def test_an_urgent_wish_for_a_bulk_render_that_is_being_made_goes_first_when_its_worker_is_preempted(
    world: World,
) -> None:
    world.claim()
    lease = world.render()

    world.submit()

    assert len(world.messages) == 1, "the holder puts its own message back behind all of bulk"
    render = world.render()
    assert (render.state, render.token, render.renewed_at) == (State.LEASED, lease.token, lease.renewed_at)
    world.release()
    assert (world.render().priority, world.render().published_at) == (Priority.INTERACTIVE, world.clock.now())


def test_reconcile_looks_soon_where_the_message_of_an_urgent_wish_could_not_be_sent(world: World) -> None:
    world.claim()
    world.publisher.is_down = True

    world.submit()

    assert (world.render().published_at, world.render().check_at) == (None, world.clock.now() + SOON)


def test_one_message_is_enough_for_many_urgent_wishes(world: World) -> None:
    world.claim()
    for _ in range(3):
        world.submit()

    assert len(world.messages) == 1


def test_a_bulk_wish_for_what_somebody_waits_for_does_not_put_it_back(world: World) -> None:
    world.submit()
    world.submit(priority="bulk")

    assert world.render().priority is Priority.INTERACTIVE
    assert (len(world.messages), len(world.publisher.published[RENDER_REQUESTS_BULK])) == (1, 1)
