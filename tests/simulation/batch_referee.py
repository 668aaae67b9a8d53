"""The referee of batches: every row is one job or one fault, and a cancel leaves nothing waiting."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shared.batches import BATCH_TRANSITIONS, BatchState
from shared.documents import WAITING
from shared.errors import ErrorCode

if TYPE_CHECKING:
    from shared.batches import Batch
    from shared.documents import Job
    from tests.simulation.referee import Referee
    from tests.simulation.scheduler import Process

_ARROWS: Final = {(before, after) for (before, _), after in BATCH_TRANSITIONS.items()} | {(s, s) for s in BatchState}
_ENDS: Final = frozenset({BatchState.PLACED, BatchState.FAILED, BatchState.CANCELED})


@dataclass(kw_only=True)
class Wanted:
    """What its owner sent."""

    #: SHA-256 of each row that is good.
    good: Counter[str]
    #: Numbers of those that are not.
    bad: set[int]
    atomic: bool
    #: Its manifest was overwritten while it was read.
    is_meddled_with: bool


@dataclass(kw_only=True)
class _Known:
    """What is known of a batch that was accepted."""

    batch: Batch
    #: Row fingerprint of every job that there ever was, by id.
    rows: dict[str, str] = field(default_factory=dict)
    #: Those that appeared after the cancel, by who placed them.
    late: dict[str, Process] = field(default_factory=dict)


class BatchReferee:
    """Knows all batches as they are."""

    def __init__(self, referee: Referee) -> None:
        self._referee = referee
        self._known: dict[str, _Known] = {}
        self._wanted: dict[str, Wanted] = {}

    def sent(self, batch_id: str, wanted: Wanted) -> None:
        """Somebody is about to ask for a batch."""
        self._wanted[batch_id] = wanted

    def refused(self, batch_id: str) -> None:
        """It was not accepted: none of its rows may be placed."""
        wanted = self._wanted[batch_id]
        if wanted.good and not (wanted.atomic and wanted.bad):
            self._referee.blame(f"batch {batch_id} was refused, and there is nothing wrong with it")

    def wrote(self, value: Batch, *, by: Process) -> None:
        """A batch was written."""
        known = self._known.get(value.batch_id)
        if known is None:
            self._known[value.batch_id] = _Known(batch=value)
            return
        was, known.batch = known.batch, value
        name = f"{by.name} wrote batch {value.batch_id[:6]}"
        if (was.state, value.state) not in _ARROWS:
            self._referee.blame(f"{name}: {value.state} after {was.state}")
        if (value.placed, value.rejected) < (was.placed, was.rejected):
            self._referee.blame(f"{name}: fewer rows than before")
        if was.state is not value.state and value.state is BatchState.PLACED:
            self._placed(value, known, self._wanted[value.batch_id], name)
        if was.state is not value.state and value.state is BatchState.CANCELED:
            left = [job.job_id for job in self._waiting(value) if job.job_id not in known.late]
            if left:
                self._referee.blame(f"{name}: canceled, and {len(left)} of its jobs still wait")

    def _placed(self, batch: Batch, known: _Known, wanted: Wanted, name: str) -> None:
        counts = batch.placed, batch.rejected, batch.total
        expected = wanted.good.total(), len(wanted.bad), wanted.good.total() + len(wanted.bad)
        if counts != expected:
            self._referee.blame(f"{name}: placed, rejected and total are {counts}, not {expected}")
        if {fault.row for fault in batch.faults} != wanted.bad:
            self._referee.blame(f"{name}: faults are in rows {[fault.row for fault in batch.faults]}")
        if Counter(known.rows.values()) != wanted.good:
            self._referee.blame(f"{name}: placed, and not every good row is one job")

    def has_a_job(self, job: Job, *, by: Process) -> None:
        """A job is new, or is there again."""
        if job.batch_id is None:
            return
        known, wanted = self._known[job.batch_id], self._wanted[job.batch_id]
        known.rows[job.job_id] = job.fingerprint
        name = f"{by.name} placed a row of batch {job.batch_id[:6]}"
        if Counter(known.rows.values()) - wanted.good:
            self._referee.blame(f"{name} that was placed before, or is not good")
        if wanted.atomic and wanted.bad:
            self._referee.blame(f"{name}, which is atomic and has faults")
        if known.batch.is_canceled:
            known.late[job.job_id] = by

    def chunk_ends(self, batch_id: str, *, by: Process, asked_for_more: bool) -> None:
        """Somebody is done with a chunk: what it placed after a cancel, it has canceled too, or had it canceled."""
        known = self._known.get(batch_id)
        if known is None or asked_for_more or not known.batch.is_canceled:
            return
        for job in self._waiting(known.batch):
            if known.late.get(job.job_id) is by:
                self._referee.blame(f"{by.name} placed {job.job_id} of a canceled batch, and left it waiting")

    def expired(self, batch: Batch) -> None:
        """The store deleted what was kept for long enough."""
        if batch.state not in _ENDS:
            self._referee.blame(f"batch {batch.batch_id[:6]} was {batch.state} when its time was up")

    @property
    def are_over(self) -> bool:
        """Whether nothing is left to do for any."""
        return _ENDS.issuperset(self.ends)

    @property
    def ends(self) -> list[BatchState]:
        """As they are."""
        return [known.batch.state for known in self._known.values()]

    def at_the_end(self) -> None:
        """The dust has settled."""
        for batch_id, known in self._known.items():
            batch, wanted = known.batch, self._wanted[batch_id]
            name = f"batch {batch_id[:6]} is {batch.state} in the end"
            if batch.state not in _ENDS:
                self._referee.blame(name)
            if self._waiting(batch):
                self._referee.blame(f"{name}, and jobs of it still wait")
            is_refused = wanted.atomic and bool(wanted.bad)
            if batch.state is BatchState.PLACED and is_refused:
                self._referee.blame(f"{name}, although it is atomic and has faults")
            if batch.error is not None:
                allowed = {ErrorCode.INVALID_REQUEST: is_refused, ErrorCode.MANIFEST_GONE: wanted.is_meddled_with}
                if not allowed.get(batch.error.code):
                    self._referee.blame(f"{name}: {batch.error.code}")

    def _waiting(self, batch: Batch) -> list[Job]:
        return [job for job in self._referee.jobs if job.batch_id == batch.batch_id and job.status in WAITING]


def fingerprint(row: bytes) -> str:
    """What a job keeps of its row."""
    return hashlib.sha256(row).hexdigest()
