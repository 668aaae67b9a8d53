"""Compare-and-sets that are lost again and again: nobody tries forever, and nobody gives up too soon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared.documents import Stage
from shared.errors import Conflict, Retryable
from shared.job_store import MAX_LOST
from shared.jobs import Ending, retire
from tests.unit.notify_world import ERROR, World

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gpu_job.lease import Lease
    from shared.job_store import Kept, Stored, Write


@pytest.fixture
def world() -> World:
    world = World()
    world.wish("job-0001")
    return world


def lose_all(world: World, monkeypatch: pytest.MonkeyPatch, *, most: int | None = None) -> list[int]:
    """Every commit from now on is lost, or the next ones; what grows is how many were tried."""
    commit, tried = world.store.commit, [0]

    def lost(*writes: Write) -> Sequence[Stored[Kept]]:
        tried[0] += 1
        if most is None or tried[0] <= most:
            raise Conflict("the database is not there")
        return commit(*writes)

    monkeypatch.setattr(world.store, "commit", lost)
    return tried


def complete(world: World) -> Callable[[], object]:
    world.put_video()
    return lambda: world.repairer.look(world.key)


def fail_what_is_blocked(world: World) -> Callable[[], object]:
    world.artifacts.create(f"renders/{world.key}/video.mp4", b"holiday", content_type="video/mp4")
    return lambda: world.repairer.look(world.key)


def make_again_what_is_gone(world: World) -> Callable[[], object]:
    complete(world)()
    world.artifacts.delete_folder(f"renders/{world.key}/")
    return lambda: world.repairer.look(world.key)


def settle(world: World) -> Callable[[], object]:
    world.fail()
    return lambda: world.repairer.settle(world.stored_render)


def repair(world: World) -> Callable[[], object]:
    return world.repair


def claim(world: World) -> Callable[[], object]:
    return lambda: world.claimant("a").claim(world.key)


def put_to_rest(world: World) -> Callable[[], object]:
    world.change(lambda render: retire(render, now=world.clock.now()))
    return lambda: world.claimant("a").claim(world.key)


def held(world: World) -> Lease:
    lease = world.claimant("a").claim(world.key)
    assert not isinstance(lease, str)
    return lease  # type: ignore[return-value]


def renew(world: World) -> Callable[[], object]:
    lease = held(world)
    return lambda: lease.renew(Stage.RENDERING, 50)


def release(world: World) -> Callable[[], object]:
    lease = held(world)
    return lambda: lease.release(Ending.BROKEN)


def fail(world: World) -> Callable[[], object]:
    lease = held(world)
    return lambda: lease.fail(ERROR)


WAYS = [
    complete,
    fail_what_is_blocked,
    make_again_what_is_gone,
    settle,
    repair,
    claim,
    put_to_rest,
    renew,
    release,
    fail,
]


@pytest.mark.parametrize("way", WAYS)
def test_who_loses_every_time_gives_up_for_now(
    world: World, way: Callable[[World], Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    act = way(world)
    tried = lose_all(world, monkeypatch)
    with pytest.raises(Retryable, match=f"changed {MAX_LOST} times") as caught:
        act()
    assert not isinstance(caught.value, Conflict)
    assert tried == [MAX_LOST]


@pytest.mark.parametrize("way", WAYS)
def test_who_loses_to_many_others_wins_in_the_end(
    world: World, way: Callable[[World], Callable[[], object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    act = way(world)
    tried = lose_all(world, monkeypatch, most=MAX_LOST - 1)
    act()
    assert tried[0] >= MAX_LOST
