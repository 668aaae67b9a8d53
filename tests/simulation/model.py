"""A small world in full: every interleaving of workers and clients over one render, breadth first.

Which steps there are follows `placing`, `render_job`, `lease`, `settling` and `repairing`, line by line.
"""

from __future__ import annotations

import gc
from functools import cache
from typing import TYPE_CHECKING

from shared.documents import FINAL, WAITING, State, Status
from shared.jobs import MAX_ATTEMPTS, cancel_job
from tests.simulation.model_world import (
    AWAY,
    JOB,
    NOW,
    START,
    At,
    BrokenError,
    Job,
    Render,
    Rules,
    Step,
    Worker,
    World,
    anybody_waits,
    is_final,
    look,
    settled,
    told,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def successors(world: World, rules: Rules) -> Iterator[World]:
    """Every state that one step of anybody leads to."""
    if world.render and world.render.is_live:  # time passes
        yield world._replace(render=world.render._replace(is_live=False))
    if world.is_notified:  # ``notify``: look, and then tell
        seen = look(world)
        if seen is not world:
            yield seen
        else:
            yield settled(world) or world._replace(is_notified=False)
    if rules.reconciles and world.render and anybody_waits(world):
        yield from reconcile_steps(world, world.render)
    for number, job in enumerate(world.jobs):
        yield from client_steps(world, number, job, rules)
    for number, worker in enumerate(world.workers):
        if number and worker == world.workers[number - 1]:
            continue  # the same again
        yield from worker_steps(world, number, worker, rules)


def reconcile_steps(world: World, render: Render) -> Iterator[World]:
    """`Repairer.repair`, at any time."""
    seen = look(world)
    if seen is not world:
        yield seen
    elif is_final(render):
        yield settled(world) or world
    elif not render.is_live:
        if render.attempts >= MAX_ATTEMPTS:
            yield write(world, "give up")
        else:
            yield write(_with_message(world), "publish")


def _with_message(world: World) -> World:
    return world._replace(has_message=True, workers=_outdated(world.workers))


def _outdated(workers: tuple[Worker, ...]) -> tuple[Worker, ...]:
    return tuple(worker._replace(counts=False) if worker.counts else worker for worker in workers)


def client_steps(world: World, number: int, job: Job, rules: Rules) -> Iterator[World]:  # noqa: C901, PLR0912 - one case a step
    """`placing.place`, `placing.attach` and `cancel_job`."""

    def now(state: World, **changes: object) -> World:
        jobs = list(state.jobs)
        jobs[number] = jobs[number]._replace(**changes)  # type: ignore[arg-type]
        return state._replace(jobs=tuple(jobs))

    render = world.render
    match job.step:
        case Step.NOT_COME if render is None:
            fresh = world._replace(render=Render(State.IDLE, 0, is_published=False, is_live=False))
            yield now(fresh, status=Status.QUEUED, step=Step.PUBLISHING, is_fresh=True)
        case Step.NOT_COME if rules.attach_reads_first and not is_final(render):
            yield now(world, step=Step.HAS_READ, read=render)
        case Step.NOT_COME:
            yield now(world, status=Status.QUEUED, step=Step.HAS_WRITTEN)
        case Step.HAS_READ:
            must_publish = job.read and job.read.state is State.IDLE and not job.read.is_published
            yield now(world, status=Status.QUEUED, step=Step.PUBLISHING if must_publish else Step.GONE, read=None)
        case Step.HAS_WRITTEN if job.status in FINAL:
            yield now(world, step=Step.GONE)
        case Step.HAS_WRITTEN:
            assert render is not None
            if render.state is State.FAILED:
                yield now(write(world, "revive"), step=Step.PUBLISHING, is_fresh=True)
            elif render.state is State.COMPLETED:
                yield now(world, step=Step.GONE, status=told(Status.QUEUED, render.state))
            elif not render.is_published:
                yield now(world, step=Step.PUBLISHING, is_fresh=True)
            else:
                yield now(world, step=Step.GONE)
        case Step.PUBLISHING:
            yield now(_with_message(world), step=Step.MARKING)
        case Step.MARKING:
            marked = write(world, "publish") if job.is_fresh else world
            yield now(marked, step=Step.GONE, is_fresh=False)
        case _:
            pass
    if job.status in WAITING:
        canceled = cancel_job(JOB.model_copy(update={"status": job.status}), now=NOW).status
        yield now(world, status=canceled)


def worker_steps(world: World, number: int, worker: Worker, rules: Rules) -> Iterator[World]:  # noqa: C901, PLR0912 - one case a step
    """`render_job.render_job`, and death at any point."""

    def now(state: World, at: At, **changes: object) -> World:
        workers = list(state.workers)
        workers[number] = AWAY if at is At.AWAY else workers[number]._replace(at=at, **changes)  # type: ignore[arg-type]
        return state._replace(workers=tuple(workers))

    render = world.render
    if worker.at is At.AWAY:  # any message at any time: late, twice, and to several
        if world.has_message:
            workers = _outdated(world.workers) if rules.old_acknowledgements_are_void else world.workers
            yield now(world._replace(workers=workers), At.DECIDING, counts=True)
        return
    yield now(world, At.AWAY)  # killed
    assert render is not None
    seen = look(world)
    if worker.at in {At.DECIDING, At.WORKING} and seen is not world:  # or it looked too early, and goes on as below
        yield now(seen, At.DECIDING)
    match worker.at:
        case At.DECIDING if is_final(render):
            done = settled(world)
            yield now(done, At.DECIDING) if done else now(world, At.ACKNOWLEDGING)
        case At.DECIDING if render.is_live and not worker.holds:
            yield now(world, At.ACKNOWLEDGING if rules.acknowledges_when_held else At.AWAY)
        case At.DECIDING if not anybody_waits(world):
            yield now(world, At.RETIRING)
        case At.RETIRING:
            yield now(write(world, "retire"), At.RETIRED)
        case At.DECIDING if render.attempts >= MAX_ATTEMPTS:
            yield now(write(world, "give up"), At.DECIDING)
        case At.DECIDING:
            says_so = rules.claim_says_that_a_message_is_on_its_way
            move = "claim and say that a message is on its way" if says_so else "claim"
            yield now(write(world, move), At.WORKING, holds=True)
        case At.RETIRED:
            again = anybody_waits(world) and not rules.never_looks_again_after_retiring
            yield now(world, At.DECIDING if again else At.ACKNOWLEDGING)
        case At.WORKING:
            yield now(world._replace(has_video=True, is_notified=world.is_notified or not world.has_video), At.UPLOADED)
            if worker.holds:
                yield from held_steps(world, now)
            else:
                yield now(world, At.DECIDING)
        case At.UPLOADED:
            yield now(seen, At.ACKNOWLEDGING)
        case _:
            after = now(world, At.AWAY)
            yield after._replace(has_message=False, workers=_outdated(after.workers)) if worker.counts else after


def held_steps(world: World, now: Callable[[World, At], World]) -> Iterator[World]:
    """`Lease`: renew, release, fail."""
    if anybody_waits(world):
        yield now(write(world, "renew", tell=True), At.WORKING)
        yield now(write(world, "fail"), At.DECIDING)
    else:
        yield now(write(world, "preempted", tell=True), At.DECIDING)
    yield now(write(world, "preempted", tell=True), At.AWAY)
    yield now(write(world, "broken", tell=True), At.AWAY)


def checked(before: World, after: World) -> World:
    """The state in its one form; raises where an invariant does not hold."""
    for was, job in zip(before.jobs, after.jobs, strict=True):
        if was.status in FINAL and job.status is not was.status:
            raise BrokenError(f"{job.status} after {was.status}")
        if job.status is Status.COMPLETED and not after.has_video:
            raise BrokenError("completed without a video")
    if sum(worker.holds for worker in after.workers) > 1:
        raise BrokenError("two workers hold the render")
    return after._replace(jobs=tuple(sorted(after.jobs, key=_order)), workers=tuple(sorted(after.workers)))


@cache
def _order(job: Job) -> tuple[str, ...]:
    return tuple(map(str, job))


def explore(rules: Rules, *, start: World = START) -> tuple[int, int]:
    """As `_explore`, without a garbage collector that would look at every state again and again."""
    gc.disable()
    try:
        return _explore(rules, start)
    finally:
        gc.enable()


def _explore(rules: Rules, start: World) -> tuple[int, int]:
    """Every state that can be reached; returns how many states and how many steps between them there are.

    Raises:
        BrokenError: an invariant does not hold, or there is a state from which the jobs can't all become final any more
            without a client that cancels.
    """
    numbers = {start: 0}
    comes_from: list[list[int]] = [[]]
    good: list[int] = []
    worlds = [start]
    steps = 0
    for number, world in enumerate(worlds):  # which grows
        if all(job.status in FINAL for job in world.jobs):
            good.append(number)
        elif not rules.reconciles and is_idle(world):
            raise BrokenError(f"nobody has anything left to do: {world}")
        for state in successors(world, rules):
            steps += 1
            after = checked(world, state)
            found = numbers.get(after)
            if found is None:
                numbers[after] = found = len(worlds)
                worlds.append(after)
                comes_from.append([])
            if not is_cancel(world, after):
                comes_from[found].append(number)
    can_end = bytearray(len(worlds))
    while good:
        number = good.pop()
        if not can_end[number]:
            can_end[number] = 1
            good += comes_from[number]
    if (stuck := can_end.find(0)) >= 0:
        raise BrokenError(f"the jobs can't become final any more: {worlds[stuck]}")
    return len(worlds), steps


def is_cancel(before: World, after: World) -> bool:
    """Whether a client canceled: no way for a job to become final that anybody may rely on."""
    return _canceled(after.jobs) > _canceled(before.jobs)


@cache
def _canceled(jobs: tuple[Job, ...]) -> int:
    return sum(job.status is Status.CANCELED for job in jobs)


def is_idle(world: World) -> bool:
    """Whether nobody but a client that cancels has anything left to do."""
    return not (
        world.has_message
        or world.is_notified
        or any(worker.at for worker in world.workers)
        or any(job.step is not Step.GONE for job in world.jobs)
    )
