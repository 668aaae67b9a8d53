"""The states of a small world, and how documents move in it.

What moves documents are the functions of `shared.jobs`. Tokens, times and holders are left out of a state, since only
their relations matter: whether the lease is live, and which worker holds it. A compare-and-set that loses is tried
again on what it then reads, so reading and writing one document is one step; what spans several is several.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import WAITING, JobError, Stage, State, Status
from shared.errors import ErrorCode, LifeAsNotMeError
from shared.jobs import (
    Ending,
    claim_render,
    complete_render,
    fail_render,
    follow,
    give_up,
    publish,
    release_render,
    renew_render,
    retire,
    revive_render,
)
from shared.requests import Priority
from shared.testing import Clock, a_commit, a_job, a_render, put_video
from shared.transitions import Move, can

NOW = Clock().now()
RENDER = a_render(now=NOW)
JOB = a_job(RENDER, now=NOW)
ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="It is broken.")
ARTIFACT = put_video(InMemoryArtifactStore(), RENDER.render_key)
VIDEO = a_commit(RENDER.render_key).video(ARTIFACT)


class BrokenError(LifeAsNotMeError):
    """An invariant does not hold."""


class At(IntEnum):
    """Where a worker is."""

    AWAY = 0
    DECIDING = 1
    #: It saw nobody wait, and the render is still as it was then.
    RETIRING = 2
    RETIRED = 3
    WORKING = 4
    UPLOADED = 5
    ACKNOWLEDGING = 6


class Step(IntEnum):
    """Where a client is."""

    NOT_COME = 0
    HAS_READ = 1  # only with the planted bug
    HAS_WRITTEN = 2
    PUBLISHING = 3
    MARKING = 4
    GONE = 5


class Render(NamedTuple):
    """A render, in short."""

    state: State
    attempts: int
    is_published: bool
    is_live: bool


class Job(NamedTuple):
    """A job and its client."""

    status: Status | None
    step: Step
    #: The render is still as the client read it.
    is_fresh: bool
    #: What the client read of it before it wrote; only with the planted bug.
    read: Render | None = None


class Worker(NamedTuple):
    """A worker and the message it handles."""

    at: At
    #: Its acknowledgement counts: the message was not delivered to another since, nor replaced by a newer one.
    counts: bool
    #: It has the lease, live or not: its token is the render's.
    holds: bool


class World(NamedTuple):
    """A state."""

    render: Render | None
    has_video: bool
    #: An event of the bucket is on its way.
    is_notified: bool
    #: One at most: a newer one takes the place of the older, which is the worst that can become of that.
    has_message: bool
    jobs: tuple[Job, ...]
    workers: tuple[Worker, ...]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What there is in the world, and what is planted in the code."""

    #: Otherwise nothing gets lost, and it must go without.
    reconciles: bool = False
    #: A message that was delivered again can't be acknowledged by whom it was delivered to before.
    old_acknowledgements_are_void: bool = True
    acknowledges_when_held: bool = False
    attach_reads_first: bool = False
    never_looks_again_after_retiring: bool = False
    claim_says_that_a_message_is_on_its_way: bool = False


AWAY = Worker(At.AWAY, counts=False, holds=False)
START = World(
    render=None,
    has_video=False,
    is_notified=False,
    has_message=False,
    jobs=(Job(None, Step.NOT_COME, is_fresh=False),) * 2,
    workers=(AWAY,) * 3,
)


@cache
def moved(render: Render, move: str) -> Render:  # noqa: C901 - one case a function
    """The render after one of the real functions."""
    published_at = NOW if render.is_published else None
    before = RENDER.model_copy(
        update={"state": render.state, "attempts": render.attempts, "published_at": published_at, "token": 7}
    )
    match move:
        case "claim":
            after = claim_render(before, holder="worker", lease_s=60, now=NOW)
            assert after.token == before.token + 1
        case "claim and say that a message is on its way":
            claimed = claim_render(before, holder="worker", lease_s=60, now=NOW)
            after = claimed.model_copy(update={"published_at": NOW})
        case "renew":
            after = renew_render(before, stage=Stage.RENDERING, progress=50, now=NOW)
        case "preempted" | "broken":
            after = release_render(before, now=NOW, ending=Ending(move))
        case "complete":
            after = complete_render(before, video=VIDEO, usage=None, now=NOW)
        case "fail":
            after = fail_render(before, error=ERROR, now=NOW)
        case "give up":
            after = give_up(before, now=NOW)
        case "revive":
            after = revive_render(before, priority=Priority.INTERACTIVE, now=NOW)
        case "publish":
            after = publish(before, now=NOW)
        case _:
            assert move == "retire"
            idle = release_render(before, now=NOW, ending=Ending.PREEMPTED) if before.state is State.LEASED else before
            after = retire(idle, now=NOW)
    if after.is_final:  # the rest matters no more
        return Render(after.state, 0, is_published=False, is_live=False)
    is_live = after.state is State.LEASED and (move.startswith(("claim", "renew")) or render.is_live)
    return Render(after.state, after.attempts, after.published_at is not None, is_live)


@cache
def told(status: Status, state: State) -> Status:
    """The job as its render has it."""
    render = RENDER.model_copy(update={"state": state, "video": VIDEO, "error": ERROR})
    return follow(JOB.model_copy(update={"status": status}), render, now=NOW).status


@cache
def completable(state: State) -> bool:
    """Whether a video completes it."""
    return can(RENDER.model_copy(update={"state": state}), Move.COMPLETE)


def is_final(render: Render | None) -> bool:
    """Completed or failed."""
    return render is not None and render.state in {State.COMPLETED, State.FAILED}


def anybody_waits(world: World) -> bool:
    """Whether a job is not final."""
    return any(job.status in WAITING for job in world.jobs)


def write(world: World, move: str, *, tell: bool = False) -> World:
    """The render is written, and with it the jobs where they are told."""
    assert world.render is not None
    after = moved(world.render, move)
    jobs = tuple(
        job._replace(
            is_fresh=False, status=told(job.status, after.state) if tell and job.status in WAITING else job.status
        )
        for job in world.jobs
    )
    workers = world.workers
    if any(worker.at is At.RETIRING for worker in workers):
        workers = tuple(each._replace(at=At.DECIDING) if each.at is At.RETIRING else each for each in workers)
    if move.startswith("claim") or after.state is not State.LEASED:
        workers = tuple(worker._replace(holds=False) if worker.holds else worker for worker in workers)
    return world._replace(render=after, jobs=jobs, workers=workers)


def look(world: World) -> World:
    """The object outranks the document."""
    if world.has_video and world.render and completable(world.render.state):
        return write(world, "complete")
    return world


def settled(world: World) -> World | None:
    """Tell all that wait for a final render; None where nothing is left to do."""
    if world.render is None or not is_final(world.render) or not anybody_waits(world):
        return None
    state = world.render.state
    jobs = tuple(
        job._replace(is_fresh=False, status=told(job.status, state) if job.status in WAITING else job.status)
        for job in world.jobs
    )
    return world._replace(jobs=jobs)
