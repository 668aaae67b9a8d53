"""Bugs that were thought of, planted one at a time into the code that is deployed: each must be found by some seed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import placing

from gpu_job import lease
from gpu_job.lease import Claimant, Held, Lease, NoLease
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.errors import Conflict
from shared.job_store import Create, Replace, Stored
from shared.jobs import claim_render, renew_render
from tests.simulation import world
from tests.simulation.world import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from shared.artifact_store import ArtifactStore
    from shared.documents import Job, Render
    from shared.job_store import JobStore
    from shared.publisher import Publisher
    from shared.requests import RenderSpec


def no_render_precondition_in_the_batch(seed: int) -> Outcome:
    """A holder's jobs are written by compare-and-set on the jobs alone."""

    def commit(self: Lease, after: Render, writes: list[Replace]) -> None:
        if writes:
            self._by.store.commit(*writes)
        written = self._by.store.commit(Replace(stored=self._render, value=after))
        self._render = cast("Stored[Render]", written[0])

    return _with(seed, (Lease, "_commit", commit))


def a_duplicate_of_ones_own_message_is_acknowledged(seed: int) -> Outcome:
    """Somebody works on it, so this message is not needed, is it?"""

    def claim(self: Claimant, render_key: str) -> Lease | Held | NoLease:
        found = _claim(self, render_key)
        return NoLease.NOBODY_WAITS if isinstance(found, Held) else found

    return _with(seed, (Claimant, "claim", claim))


def attach_reads_before_it_writes(seed: int) -> Outcome:
    """The render is read, then the job is written, then what was read decides."""

    def place(
        job: Job,
        spec: RenderSpec,
        *,
        store: JobStore,
        publisher: Publisher,
        artifacts: ArtifactStore,
        now: Callable[[], datetime],
    ) -> Job:
        render = store.render(job.render_key or "")
        if render is None or render.value.is_final:
            return _place(job, spec, store=store, publisher=publisher, artifacts=artifacts, now=now)
        try:
            [placed] = store.commit(Create(value=job))
        except Conflict as exc:
            raise placing.JobExistsError from exc
        return placing._seen_to(cast("Stored[Job]", placed), render, store, publisher, now)

    return _with(seed, (world, "place", place))


def leases_go_by_the_workers_clock(seed: int) -> Outcome:
    """Renewed when the worker says, and over when the next worker says."""

    def dated(move: Callable[..., Render]) -> Callable[..., Render]:
        def by_own_clock(render: Render, *, now: datetime, **options: Any) -> Render:
            return move(render, now=now, **options).model_copy(update={"renewed_at": now})

        return by_own_clock

    def look(self: Claimant, render_key: str) -> Stored[Render] | None:
        found = _look(self, render_key)
        return replace(found, read_at=self.now()) if found else None

    return _with(
        seed,
        (Claimant, "look", look),
        (lease, "claim_render", dated(claim_render)),
        (lease, "renew_render", dated(renew_render)),
    )


def nothing_reconciles(seed: int) -> Outcome:
    """What got lost stays lost."""
    return world.run(seed, reconciles=False)


def the_video_is_overwritten(seed: int) -> Outcome:
    """An upload without ``if_generation_match=0``."""

    def create(self: InMemoryArtifactStore, name: str, *args: Any, **options: Any) -> Any:
        self._objects.pop(name, None)
        return _create(self, name, *args, **options)

    return _with(seed, (InMemoryArtifactStore, "create", create))


Bug = Callable[[int], Outcome]

BUGS: tuple[Bug, ...] = (
    no_render_precondition_in_the_batch,
    a_duplicate_of_ones_own_message_is_acknowledged,
    attach_reads_before_it_writes,
    leases_go_by_the_workers_clock,
    nothing_reconciles,
    the_video_is_overwritten,
)

_claim, _create, _look, _place = Claimant.claim, InMemoryArtifactStore.create, Claimant.look, placing.place


def _with(seed: int, *changes: tuple[Any, str, Any]) -> Outcome:
    with ExitStack() as patches:
        for where, name, value in changes:
            patches.enter_context(patch.object(where, name, value))
        return world.run(seed)
