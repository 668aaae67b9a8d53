"""The job store in memory: for tests, the embedded form and simulations.

Held to the same contract tests as the one on Firestore.
"""

from __future__ import annotations

import itertools
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from shared.documents import WAITING, Job, Render, Slot, State, Status
from shared.errors import Conflict
from shared.job_store import Create, Delete, Kept, Place, Replace, Stored, Sum, Write, place_of, stamped
from shared.requests import PUBLIC

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from shared.requests import Priority

D = TypeVar("D", Job, Render, Slot)


class InMemoryJobStore:
    """Thread-safe; versions count up; ``now`` is the store's own clock."""

    def __init__(self, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._versions = itertools.count(1)
        self._documents: dict[tuple[type[Kept], str], tuple[Any, int]] = {}

    def job(self, job_id: str) -> Stored[Job] | None:
        """See `JobStore.job`."""
        return self._get(Job, job_id)

    def render(self, render_key: str) -> Stored[Render] | None:
        """See `JobStore.render`."""
        return self._get(Render, render_key)

    def shared_job(self, token: str) -> Stored[Job] | None:
        """See `JobStore.shared_job`."""
        return next(iter(self._all(Job, lambda job: job.share_token == token)), None)

    def waiting_jobs(self, render_key: str, *, limit: int | None = None) -> Sequence[Stored[Job]]:
        """See `JobStore.waiting_jobs`."""
        waiting = self._all(Job, lambda job: job.render_key == render_key and job.status in WAITING)
        return sorted(waiting, key=lambda each: each.value.job_id)[:limit]

    def jobs_with_pending_event(self, render_key: str, *, limit: int | None = None) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_with_pending_event`."""
        return self._all(Job, lambda job: job.render_key == render_key and job.event_pending)[:limit]

    def renders(self, render_keys: Collection[str]) -> Mapping[str, Stored[Render]]:
        """See `JobStore.renders`."""
        return {key: found for key in render_keys if (found := self.render(key))}

    def jobs(self, job_ids: Collection[str]) -> Mapping[str, Stored[Job]]:
        """See `JobStore.jobs`."""
        return {job_id: found for job_id in job_ids if (found := self._get(Job, job_id))}

    def slots(self, owner: str, *, at_most: int) -> Sequence[Stored[Slot]]:
        """See `JobStore.slots`."""
        found = self._all(Slot, lambda slot: slot.owner == owner and slot.number < at_most)
        return sorted(found, key=lambda each: each.value.number)

    def count_waiting_jobs(self, owner: str, *, at_most: int) -> int:
        """See `JobStore.count_waiting_jobs`."""
        return len(self._all(Job, lambda job: job.owner == owner and job.status in WAITING)[:at_most])

    def count_jobs_waiting_for(self, render_key: str) -> int:
        """See `JobStore.count_jobs_waiting_for`."""
        return len(self._all(Job, lambda job: job.render_key == render_key and job.status in WAITING))

    def waiting_jobs_of_batch(self, batch_id: str, *, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.waiting_jobs_of_batch`."""
        return self._all(Job, lambda job: job.batch_id == batch_id and job.status in WAITING)[:limit]

    def count_jobs_of_batch(self, batch_id: str) -> Mapping[Status, int]:
        """See `JobStore.count_jobs_of_batch`."""
        found = [each.value.status for each in self._all(Job, lambda job: job.batch_id == batch_id)]
        return {status: found.count(status) for status in Status}

    def jobs_of_owner(self, owner: str, *, before: Place | None, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_of_owner`."""
        own = self._all(Job, lambda job: job.owner == owner and (before is None or place_of(job) < before))
        return sorted(own, key=lambda each: place_of(each.value), reverse=True)[:limit]

    def public_films(self, *, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.public_films`."""
        return self._completed(lambda render: render.spec.scope == PUBLIC)[:limit]

    def latest_finished(self, *, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.latest_finished`."""
        return self._completed(lambda _: True)[:limit]

    def longest_waiting(self, *, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.longest_waiting`."""
        waiting = self._all(Render, lambda render: _is_to_do(render) and render.state is State.IDLE)
        return sorted(waiting, key=lambda each: each.value.created_at)[:limit]

    def cost_of_renders(self, *, since: datetime, until: datetime) -> Sum:
        """See `JobStore.cost_of_renders`."""
        done = self._completed(lambda render: render.finished_at is not None and since <= render.finished_at < until)
        return _sum(each.value for each in done)

    def cost_of_batch(self, batch_id: str) -> Sum:
        """See `JobStore.cost_of_batch`."""
        return _sum(each.value for each in self._all(Job, lambda job: job.batch_id == batch_id))

    def cost_of_owner(self, owner: str, *, since: datetime) -> Sum:
        """See `JobStore.cost_of_owner`."""
        done = self._all(
            Job, lambda job: job.owner == owner and job.finished_at is not None and job.finished_at >= since
        )
        return _sum(each.value for each in done)

    def leased_renders(self, *, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.leased_renders`."""
        leased = self._all(Render, lambda render: render.state is State.LEASED)
        return sorted(leased, key=lambda each: each.value.render_key)[:limit]

    def latest_jobs(self, status: Status, *, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.latest_jobs`."""
        found = self._all(Job, lambda job: job.status is status)
        return sorted(found, key=lambda each: each.value.updated_at, reverse=True)[:limit]

    def count_jobs(self, status: Status, *, since: datetime, at_most: int) -> int:
        """See `JobStore.count_jobs`."""
        return len(self._all(Job, lambda job: job.status is status and job.updated_at >= since)[:at_most])

    def renders_ahead(self, render: Render) -> int:
        """See `JobStore.renders_ahead`."""
        return len(
            self._all(
                Render,
                lambda other: (
                    _is_to_do(other) and other.priority is render.priority and other.created_at < render.created_at
                ),
            )
        )

    def renders_to_do(self, priority: Priority, *, at_most: int | None = None) -> int:
        """See `JobStore.renders_to_do`."""
        return len(self._all(Render, lambda render: _is_to_do(render) and render.priority is priority)[:at_most])

    def renders_to_check(self, priority: Priority, *, now: datetime, limit: int) -> Sequence[Stored[Render]]:
        """See `JobStore.renders_to_check`."""
        due = self._all(
            Render,
            lambda render: render.priority is priority and render.check_at is not None and render.check_at <= now,
        )
        return sorted(due, key=lambda each: each.value.check_at or now)[:limit]

    def jobs_left_waiting(self, *, since: datetime, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_left_waiting`."""
        left = self._all(Job, lambda job: job.status in WAITING and job.updated_at <= since)
        return sorted(left, key=lambda each: each.value.updated_at)[:limit]

    def jobs_past_deadline(self, *, now: datetime, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_past_deadline`."""
        late = self._all(Job, lambda job: job.status in WAITING and job.deadline_at <= now)
        return sorted(late, key=lambda each: each.value.deadline_at)[:limit]

    def jobs_with_old_event(self, *, since: datetime, limit: int) -> Sequence[Stored[Job]]:
        """See `JobStore.jobs_with_old_event`."""
        old = self._all(Job, lambda job: job.event_pending and job.updated_at <= since)
        return sorted(old, key=lambda each: each.value.updated_at)[:limit]

    def oldest_queued_job(self, priority: Priority) -> Stored[Job] | None:
        """See `JobStore.oldest_queued_job`."""
        queued = self._all(
            Job,
            lambda job: job.status is Status.QUEUED and job.request is not None and job.request.priority is priority,
        )
        return min(queued, key=lambda each: each.value.created_at, default=None)

    def has_jobs(self, render_key: str, *, besides: str) -> bool:
        """See `JobStore.has_jobs`."""
        return bool(self._all(Job, lambda job: job.render_key == render_key and job.job_id != besides))

    def commit(self, *writes: Write) -> Sequence[Stored[Kept]]:
        """See `JobStore.commit`."""
        with self._lock:
            for write in writes:
                found = self._documents.get(_key(write.value))
                if isinstance(write, Create) and found is not None:
                    raise Conflict(f"{_key(write.value)[1]} exists")
                if isinstance(write, Replace | Delete) and (found is None or found[1] != write.stored.version):
                    raise Conflict(f"{_key(write.value)[1]} changed")
            now = self._now()
            written: list[Stored[Kept]] = []
            for write in writes:
                version = next(self._versions)
                value = stamped(write.value, now)
                if isinstance(write, Delete):
                    del self._documents[_key(value)]
                else:
                    self._documents[_key(value)] = (value, version)
                written.append(Stored(value=value, version=version, read_at=now))
            return written

    def _completed(self, wanted: Callable[[Render], bool]) -> list[Stored[Render]]:
        """Completed renders, the newest first."""
        made = self._all(Render, lambda render: render.state is State.COMPLETED and wanted(render))
        dated = [(each.value.finished_at, each) for each in made if each.value.finished_at]
        return [each for _, each in sorted(dated, key=lambda pair: pair[0], reverse=True)]

    def _get(self, kind: type[D], key: str) -> Stored[D] | None:
        with self._lock:
            found = self._documents.get((kind, key))
            return Stored(value=found[0], version=found[1], read_at=self._now()) if found else None

    def _all(self, kind: type[D], wanted: Callable[[D], bool]) -> list[Stored[D]]:
        with self._lock:
            now = self._now()
            return [
                Stored(value=value, version=version, read_at=now)
                for (each, _), (value, version) in self._documents.items()
                if each is kind and wanted(value)
            ]


def _is_to_do(render: Render) -> bool:
    return render.state in {State.IDLE, State.LEASED} and render.check_at is not None


def _sum(documents: Iterable[Job | Render]) -> Sum:
    costs = [each.cost for each in documents if each.cost]
    return Sum(sum(each.gpu_s for each in costs), sum(each.amount or 0 for each in costs))


def _key(value: Kept) -> tuple[type[Kept], str]:
    if isinstance(value, Slot):
        return Slot, f"{value.owner}/{value.number}"
    return (Job, value.job_id) if isinstance(value, Job) else (Render, value.render_key)
