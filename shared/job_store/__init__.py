"""The seam to the documents ``jobs/{job_id}``, ``renders/{render_key}`` and ``owners/{key}/slots/{number}``.

Every write is a create or a compare-and-set on the version that was read; several go together or not at all.
There are no transactions and no blind writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, Protocol, TypeVar

from shared.documents import Job, Render, Slot
from shared.errors import Conflict, LifeAsNotMeError, Retryable
from shared.jobs import SERVER_TIME

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from shared.documents import Status
    from shared.requests import Priority

#: What is kept here.
Kept = Job | Render | Slot
T_co = TypeVar("T_co", bound=Kept, covariant=True)

#: Compare-and-sets that one call may lose. Each is lost to a write that won, and a render has few writers at a time
#: (eight threads at once need eight rounds at most): who loses so often fights something else, such as a database that
#: is not there.
MAX_LOST: Final = 50


class StoreNotReadyError(LifeAsNotMeError):
    """The store refuses a question as it is: mostly an index is missing. An operator helps; asking again does not."""


class Contest:
    """Counts the compare-and-sets that a call has lost, so that none is tried forever."""

    def __init__(self) -> None:
        self._lost = 0

    def lost(self, conflict: Conflict) -> None:
        """Somebody else wrote first: the caller reads again and decides again.

        Raises:
            Retryable: that has happened too often by now.
        """
        self._lost += 1
        if self._lost >= MAX_LOST:
            raise Retryable(f"a document changed {self._lost} times before it could be written") from conflict


@dataclass(frozen=True, kw_only=True)
class Stored(Generic[T_co]):
    """A document as it was read or just written."""

    value: T_co
    #: What a compare-and-set compares; opaque.
    version: object
    #: The store's clock at the moment of reading or writing.
    read_at: datetime


class Sum(NamedTuple):
    """Of what documents have cost; see `shared.documents.Cost`."""

    gpu_s: float
    #: Of those that have a price.
    amount: float


class Place(NamedTuple):
    """Where a job stands among all of its owner."""

    created_at: datetime
    job_id: str


@dataclass(frozen=True, kw_only=True)
class Create:
    """Write a document that must not exist."""

    value: Kept


@dataclass(frozen=True, kw_only=True)
class Replace:
    """Write a document that must still be as it was read."""

    stored: Stored[Kept]
    value: Kept


def place_of(job: Job) -> Place:
    """Where it stands."""
    return Place(job.created_at, job.job_id)


def stamped(value: Kept, now: datetime | None) -> Kept:
    """The value as the store wrote it: with the store's clock where `SERVER_TIME` stood."""
    if isinstance(value, Render) and value.renewed_at == SERVER_TIME:
        return value.model_copy(update={"renewed_at": now})
    return value


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Remove a document that must still be as it was read."""

    stored: Stored[Kept]

    @property
    def value(self) -> Kept:
        """The document as it was."""
        return self.stored.value


Write = Create | Replace | Delete


class JobStore(Protocol):
    """Reads and writes jobs, renders and slots.

    All methods raise `Retryable` when the store does not answer, and those that read `StoreNotReadyError` when it never
    will. The four that only repairs ask (``renders_to_check``, ``jobs_left_waiting``, ``jobs_past_deadline`` and
    ``jobs_with_old_event``) leave out what can't be read, and log it, so that it does not keep the rest from repair.
    """

    def job(self, job_id: str) -> Stored[Job] | None:
        """The job of that id."""

    def render(self, render_key: str) -> Stored[Render] | None:
        """The render of that key."""

    def shared_job(self, token: str) -> Stored[Job] | None:
        """The job whose ``share_token`` that is."""

    def waiting_jobs(self, render_key: str, *, limit: int | None = None) -> Sequence[Stored[Job]]:
        """Jobs of that render that are not final, in the order of their ids. There may be a hundred thousand."""

    def jobs_with_pending_event(self, render_key: str, *, limit: int | None = None) -> Sequence[Stored[Job]]:
        """Jobs of that render that became final and whose event is not out."""

    def renders_to_check(self, priority: Priority, *, now: datetime, limit: int) -> Sequence[Stored[Render]]:
        """Renders of that priority whose ``check_at`` has come, the longest overdue first."""

    def jobs_left_waiting(self, *, since: datetime, limit: int) -> Sequence[Stored[Job]]:
        """Jobs that are not final and have not changed since then, the oldest change first."""

    def jobs_past_deadline(self, *, now: datetime, limit: int) -> Sequence[Stored[Job]]:
        """Jobs that are not final although their ``deadline_at`` has come, the longest overdue first."""

    def jobs_with_old_event(self, *, since: datetime, limit: int) -> Sequence[Stored[Job]]:
        """Jobs whose event is pending and that have not changed since then, the oldest change first."""

    def oldest_queued_job(self, priority: Priority) -> Stored[Job] | None:
        """Of the queued jobs of that priority, the one that was wished first.

        A worker may have its render: it tells no more than `shared.settling.BATCH_JOBS` of the jobs that wait for it.
        """

    def has_jobs(self, render_key: str, *, besides: str) -> bool:
        """Whether there is any job of that render, final or not, besides the one of that id."""

    def renders(self, render_keys: Collection[str]) -> Mapping[str, Stored[Render]]:
        """Those renders that there are, read at once."""

    def jobs(self, job_ids: Collection[str]) -> Mapping[str, Stored[Job]]:
        """Those jobs that there are, read at once."""

    def slots(self, owner: str, *, at_most: int) -> Sequence[Stored[Slot]]:
        """The slots of that owner that were ever taken and whose number is below ``at_most``, by number."""

    def count_waiting_jobs(self, owner: str, *, at_most: int) -> int:
        """How many jobs of that owner are not final. Counting ends at ``at_most``."""

    def count_jobs_waiting_for(self, render_key: str) -> int:
        """How many jobs of that render are not final."""

    def waiting_jobs_of_batch(self, batch_id: str, *, limit: int) -> Sequence[Stored[Job]]:
        """Jobs of that batch that are not final."""

    def count_jobs_of_batch(self, batch_id: str) -> Mapping[Status, int]:
        """How many jobs of that batch have each status."""

    def jobs_of_owner(self, owner: str, *, before: Place | None, limit: int) -> Sequence[Stored[Job]]:
        """Jobs of that owner, the newest first; those of one moment by their ids, backwards.

        Args:
            owner: whose.
            before: only what comes after this place; None: from the newest on.
            limit: the most.
        """

    def public_films(self, *, limit: int) -> Sequence[Stored[Render]]:
        """Completed renders that belong to nobody, the newest first. What can't be read is left out."""

    def latest_finished(self, *, limit: int) -> Sequence[Stored[Render]]:
        """Completed renders of everybody, the newest first. What can't be read is left out."""

    def longest_waiting(self, *, limit: int) -> Sequence[Stored[Render]]:
        """Renders that are to do and that nobody has a lease of, the oldest first. What can't be read is left out."""

    def cost_of_renders(self, *, since: datetime, until: datetime) -> Sum:
        """What the renders have cost that were completed from ``since`` on and before ``until``."""

    def cost_of_batch(self, batch_id: str) -> Sum:
        """What the jobs of that batch have cost."""

    def cost_of_owner(self, owner: str, *, since: datetime) -> Sum:
        """What the jobs of that owner have cost that became final from ``since`` on and were not deleted."""

    def commit(self, *writes: Write) -> Sequence[Stored[Kept]]:
        """Write all or nothing; what was written comes back in the same order, with its new versions.

        Raises:
            Conflict: a created document exists, or a replaced or deleted one changed or is gone; nothing was written.
        """

    def leased_renders(self, *, limit: int) -> Sequence[Stored[Render]]:
        """Renders that a worker has or had when it died, in the order of their keys. What can't be read is left out."""

    def latest_jobs(self, status: Status, *, limit: int) -> Sequence[Stored[Job]]:
        """Jobs of that status, the latest change first. What can't be read is left out."""

    def count_jobs(self, status: Status, *, since: datetime, at_most: int) -> int:
        """How many jobs of that status have changed since then. Counting ends at ``at_most``."""

    def renders_ahead(self, render: Render) -> int:
        """How many renders of the same priority are to do and were wished for before this one."""

    def renders_to_do(self, priority: Priority, *, at_most: int | None = None) -> int:
        """How many renders of that priority wait or are being made: what the workers are scaled by.

        A render that nobody waits for any more (see `shared.jobs.retire`) is none of them: its message is gone, so no
        worker would ever get it. Counting ends at ``at_most``, which costs less where many wait.
        """
