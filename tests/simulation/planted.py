"""Bugs that were thought of, planted one at a time into the code that is deployed: each must be found by some seed."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import patch

import batch_rows
import cancel_batch
import expand_batch
import placing
import repairing
from delete_job import _only_of

from gpu_job import lease
from gpu_job.lease import Claimant, Held, Lease, NoLease
from shared import jobs
from shared.artifact_paths import render_folder
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.batch_store.memory import InMemoryBatchStore
from shared.batch_waking import wake_batch
from shared.batches import BatchMove, can, finished
from shared.documents import State
from shared.errors import Conflict
from shared.job_store import Create, Delete, Replace, Stored
from shared.jobs import claim_render, renew_render
from tests.simulation import clients, world
from tests.simulation.world import Outcome

if TYPE_CHECKING:
    from datetime import datetime

    from batch_desk import BatchDesk

    from shared.artifact_store import ArtifactStore
    from shared.batch_store import StoredBatch
    from shared.batches import Batch
    from shared.documents import Job, Render
    from shared.job_store import JobStore
    from shared.publisher import Publisher
    from shared.requests import Priority, RenderSpec


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

    return _with(seed, (clients, "place", place))


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


def rows_get_ids_by_chance(seed: int) -> Outcome:
    """A row that is read twice is two jobs."""
    numbers = itertools.count()
    return _with(seed, (batch_rows, "job_id_of_row", lambda batch_id, row: f"{batch_id[:8]}-{row}-{next(numbers)}"))


def a_batch_is_written_blindly(seed: int) -> Outcome:
    """Two chunks at once, or a chunk and a cancel: the last one wins."""

    def replace_blindly(self: InMemoryBatchStore, stored: StoredBatch, value: Batch) -> StoredBatch:
        del stored
        return self._write(value)

    return _with(seed, (InMemoryBatchStore, "replace", replace_blindly))


def a_cancel_looks_once_for_jobs(seed: int) -> Outcome:
    """A group of them is canceled, and the batch is done."""

    def cancel(stored: StoredBatch, *, until_s: float, desk: BatchDesk) -> bool:
        del until_s
        jobs = desk.store.waiting_jobs_of_batch(stored.value.batch_id, limit=desk.limits.group_rows)
        cancel_batch._cancel(jobs, desk=desk)
        if can(stored.value, BatchMove.FINISH):
            with suppress(Conflict):
                desk.batches.replace(stored, finished(stored.value, now=desk.now()))
        return False

    return _with(seed, (expand_batch, "cancel_waiting_jobs", cancel))


def who_is_overtaken_by_a_cancel_leaves(seed: int) -> Outcome:
    """What was placed in the same moment is the next chunk's business, isn't it?"""

    def do(stored: StoredBatch, *, desk: BatchDesk) -> None:
        if stored.value.is_read:
            _do(stored, desk=desk)
            return
        with suppress(expand_batch.OvertakenError):
            if left := expand_batch._read_on(stored, until_s=desk.monotonic() + desk.limits.chunk_s, desk=desk):
                wake_batch(left, publisher=desk.publisher)

    return _with(seed, (expand_batch, "_do", do))


def a_delete_does_not_fence(seed: int) -> Outcome:
    """The last job goes, then its render, whoever has come in between."""

    def delete_job(stored: Stored[Job], *, store: JobStore, artifacts: ArtifactStore, **_: object) -> None:
        render = _only_of(stored.value, store=store)
        if render is not None:
            artifacts.delete_folder(render_folder(render.value.render_key))
        for kind, key in (store.job, stored.value.job_id), (store.render, render and render.value.render_key):
            while key and (found := kind(key)):
                with suppress(Conflict):
                    store.commit(Delete(stored=found))

    return _with(seed, (clients, "delete_job", delete_job))


def a_video_that_is_gone_is_copied(seed: int) -> Outcome:
    """The render is completed, so there must be a video."""
    return _with(seed, (placing, "_must_revive", lambda render, **_: render.state is State.FAILED))


def attaching_keeps_nothing_longer(seed: int) -> Outcome:
    """A wish for an old video gets it, and it is gone the next day."""
    return _with(seed, (placing, "attach_to", lambda render, **_: render))


def what_comes_after_a_delete_is_left(seed: int) -> Outcome:
    """A worker was about to upload; nobody looks whether the render is still there."""

    def sweep(*_: object, **__: object) -> bool:
        return True

    return _with(seed, (repairing, "sweep", sweep), (lease, "sweep", sweep))


def an_urgent_wish_for_what_is_being_made_waits_as_bulk(seed: int) -> Outcome:
    """It is being made already, so it need not go first."""

    def attach_to(render: Render, *, priority: Priority, now: datetime) -> Render:
        if render.state is State.LEASED:
            priority = render.priority
        return _attach_to(render, priority=priority, now=now)

    return _with(seed, (placing, "attach_to", attach_to))


Bug = Callable[[int], Outcome]

BUGS: tuple[Bug, ...] = (
    no_render_precondition_in_the_batch,
    a_duplicate_of_ones_own_message_is_acknowledged,
    attach_reads_before_it_writes,
    leases_go_by_the_workers_clock,
    nothing_reconciles,
    the_video_is_overwritten,
    rows_get_ids_by_chance,
    a_batch_is_written_blindly,
    a_cancel_looks_once_for_jobs,
    who_is_overtaken_by_a_cancel_leaves,
    a_delete_does_not_fence,
    what_comes_after_a_delete_is_left,
    a_video_that_is_gone_is_copied,
    attaching_keeps_nothing_longer,
    an_urgent_wish_for_what_is_being_made_waits_as_bulk,
)

_claim, _create, _look, _place = Claimant.claim, InMemoryArtifactStore.create, Claimant.look, placing.place
_do, _attach_to = expand_batch._do, jobs.attach_to


def _with(seed: int, *changes: tuple[Any, str, Any]) -> Outcome:
    with ExitStack() as patches:
        for where, name, value in changes:
            patches.enter_context(patch.object(where, name, value))
        return world.run(seed)
