"""What every use case of batches works with."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from shared.batch_waking import wake_batch
from shared.errors import Retryable
from shared.requests import MAX_BODY_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from admission import Admission

    from shared.artifact_store import ArtifactStore
    from shared.batch_store import BatchStore
    from shared.batches import Batch
    from shared.job_store import JobStore
    from shared.manifest_store import ManifestStore
    from shared.publisher import Publisher
    from shared.requests import Offer

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How the owners begin that are systems.
SYSTEM = "system:"

#: Calls at the same time, each waiting for a service: more only queue up behind the interpreter.
PARALLEL = 16


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of a batch one call does, and how much a batch may be."""

    #: Seconds after which a chunk leaves the rest to the next; it ends a group of rows later.
    chunk_s: float = 240
    #: Rows after which it does.
    chunk_rows: int = 20_000
    #: Rows that are placed together: one read, two commits. Firestore takes 10 MiB a commit; a row is below 16 KiB.
    group_rows: int = 200
    #: Rows of one batch; what follows is not read.
    max_rows: int = 100_000
    #: Of a person's batch; 0: batches are for systems.
    max_rows_of_person: int = 0
    #: Buckets that a manifest may lie in.
    buckets: tuple[str, ...] = ()

    def rows_of(self, owner: str) -> int:
        """Rows of a batch of that owner."""
        return self.max_rows if owner.startswith(SYSTEM) else min(self.max_rows, self.max_rows_of_person)

    def manifest_bytes_of(self, owner: str) -> int:
        """As many rows as there may be, each as long as it may be."""
        return self.rows_of(owner) * (MAX_BODY_BYTES + 1)


@dataclass(frozen=True, kw_only=True)
class BatchDesk:
    """The services, and what is allowed."""

    batches: BatchStore
    manifests: ManifestStore
    store: JobStore
    publisher: Publisher
    artifacts: ArtifactStore
    offer: Offer
    admission: Admission
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    limits: Limits = Limits()
    #: For calls that only wait.
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(PARALLEL, "batch"))

    def side_by_side(self, do: Callable[[T], object], each_of: Sequence[T]) -> None:
        """Do it with each; raises what the first of them raised. Lines and spans belong where the caller's do."""
        own = [partial(copy_context().run, do, each) for each in each_of]  # no context may be entered by two at a time
        list(self.pool.map(lambda run: run(), own))


def delete_rows(batch: Batch, *, desk: BatchDesk) -> None:
    """Delete the rows of a batch that needs them no more, since they may hold private prompts. A caller's own stay.

    What is not deleted the bucket deletes when its time is up. Raises `Retryable` when the store does not answer.
    """
    if batch.has_own_rows:
        desk.manifests.delete(batch.manifest)


def wake(batch: Batch, *, desk: BatchDesk) -> None:
    """Have the next chunk done. If the message can't be sent, reconcile sends it later."""
    try:
        wake_batch(batch, publisher=desk.publisher)
    except Retryable:
        log.warning("batch waits for reconcile", extra={"action": "wake", "batch_id": batch.batch_id}, exc_info=True)
