"""The world of the batch tests: the services in memory, messages that a test delivers by hand, and rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from accept_batch import accept_batch, accept_plan
from batch_desk import BatchDesk, Limits
from callers import Caller
from cancel_batch import cancel_batch
from expand_batch import take_chunk

from shared.artifact_store.memory import InMemoryArtifactStore
from shared.batch_store.memory import InMemoryBatchStore
from shared.errors import Retryable
from shared.manifest_store.memory import InMemoryManifestStore
from shared.messages import BATCH_CHUNKS, RENDER_REQUESTS, RENDER_REQUESTS_BULK, RenderRequested, decode
from shared.testing import AN_OFFER, TRACEPARENT, Clock, FlakyPublisher, MeddledJobStore
from tests.unit.admission_world import an_admission

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from admission import Admission

    from shared.artifact_store import ArtifactStore
    from shared.batch_store import StoredBatch
    from shared.batches import Batch
    from shared.documents import Job, Status
    from shared.job_store import JobStore
    from shared.publisher import Publisher
    from shared.requests import Offer

BUCKET = "wishes"
ADA = Caller(owner="ada")


class MeddledBatchStore(InMemoryBatchStore):
    """Somebody writes, or the network fails, right before a write: each first does the next of ``meddling``."""

    def __init__(self) -> None:
        super().__init__()
        self.meddling: list[Callable[[], object]] = []

    def replace(self, stored: StoredBatch, value: Batch) -> StoredBatch:
        if self.meddling:
            meddle, left = self.meddling[0], self.meddling[1:]
            self.meddling = []
            try:
                meddle()
            finally:
                self.meddling = left
        return super().replace(stored, value)


class CountingManifestStore(InMemoryManifestStore):
    """Remembers how much was read at once, and can be out of reach."""

    is_down = False

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def read(self, manifest: Any, *, offset: int, size: int) -> bytes:
        if self.is_down:
            raise Retryable("cloud storage does not answer")
        piece = super().read(manifest, offset=offset, size=size)
        self.sizes.append(len(piece))
        return piece


def a_desk(
    offer: Offer,
    *,
    admission: Admission,
    clock: Clock,
    store: JobStore,
    publisher: Publisher,
    artifacts: ArtifactStore,
    limits: Limits,
) -> BatchDesk:
    """A desk whose batches and manifests lie in memory."""
    return BatchDesk(
        batches=MeddledBatchStore(),
        manifests=CountingManifestStore(),
        store=store,
        publisher=publisher,
        artifacts=artifacts,
        offer=offer,
        admission=admission,
        limits=limits,
        now=clock.now,
        monotonic=clock.monotonic,
    )


def limited(**limits: Any) -> World:
    """A world with other limits."""
    return World(limits=replace(Limits(buckets=(BUCKET,), group_rows=3, max_rows_of_person=100_000), **limits))


def broken() -> None:
    """What happens when a service is not there."""
    raise Retryable("firestore does not answer")


def a_row(seed: int, **wishes: Any) -> dict[str, Any]:
    return {"perspective": "curious-cat", "seed": seed, **wishes}


def lines(*rows: object) -> bytes:
    """Rows as a manifest holds them; bytes stay as they are."""
    return b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)


@dataclass
class World:
    """Everything that a batch touches."""

    limits: Limits = field(default_factory=lambda: Limits(buckets=(BUCKET,), group_rows=3, max_rows_of_person=100_000))
    clock: Clock = field(default_factory=Clock)
    artifacts: InMemoryArtifactStore = field(default_factory=InMemoryArtifactStore)
    publisher: FlakyPublisher = field(default_factory=FlakyPublisher)

    def __post_init__(self) -> None:
        self.store = MeddledJobStore(now=self.clock.now)
        self.batches = MeddledBatchStore()
        self.manifests = CountingManifestStore()
        self.delivered = 0
        self.desk = BatchDesk(
            batches=self.batches,
            manifests=self.manifests,
            store=self.store,
            publisher=self.publisher,
            artifacts=self.artifacts,
            offer=AN_OFFER,
            admission=an_admission(self.store, monotonic=self.clock.monotonic),
            limits=self.limits,
            now=self.clock.now,
            monotonic=self.clock.monotonic,
        )

    def accept(self, *, key: str | None = None, caller: Caller = ADA, **body: Any) -> Batch:
        return self.accept_body(json.dumps(body).encode(), key=key, caller=caller)

    def accept_body(self, body: bytes, *, key: str | None = None, caller: Caller = ADA) -> Batch:
        return accept_batch(body, caller=caller, idempotency_key=key, traceparent=TRACEPARENT, desk=self.desk)

    def accept_manifest(self, *rows: object, **body: Any) -> Batch:
        self.manifests.put(BUCKET, "rows.jsonl", lines(*rows))
        return self.accept(manifest=f"gs://{BUCKET}/rows.jsonl", **body)

    def schedule(self, data: bytes, *, published_at: datetime | None = None) -> None:
        accept_plan(data, published_at=published_at or self.clock.now(), desk=self.desk)

    def cancel(self, batch: Batch) -> Batch:
        stored = self.batches.batch(batch.batch_id)
        assert stored
        return cancel_batch(stored, desk=self.desk)

    # What Pub/Sub does.

    @property
    def chunks(self) -> list[bytes]:
        """Every chunk that was ever asked for."""
        return [each.data for each in self.publisher.published[BATCH_CHUNKS]]

    def take(self, chunk: bytes) -> None:
        take_chunk(chunk, desk=self.desk)

    def deliver(self, *, most: int = 1000) -> int:
        """Deliver chunks until none is left, each once; how many there were."""
        count = 0
        while self.delivered < len(self.chunks) and count < most:
            self.take(self.chunks[self.delivered])
            self.delivered += 1
            count += 1
        return count

    # What is there afterwards.

    def batch(self, batch: Batch) -> Batch:
        stored = self.batches.batch(batch.batch_id)
        assert stored
        return stored.value

    @property
    def the_batch(self) -> Batch:
        """The only one."""
        [stored] = self.batches._batches.values()
        return stored.value

    @property
    def jobs(self) -> list[Job]:
        return [value for (kind, _), (value, _) in self.store._documents.items() if kind.__name__ == "Job"]

    @property
    def seeds(self) -> list[int]:
        """Of all jobs, in order."""
        return sorted(job.request.seed or 0 for job in self.jobs if job.request)

    def counts(self, batch: Batch) -> Mapping[Status, int]:
        return {status: n for status, n in self.store.count_jobs_of_batch(batch.batch_id).items() if n}

    @property
    def woken(self) -> list[str]:
        """Render keys of all messages to workers."""
        topics = (RENDER_REQUESTS, RENDER_REQUESTS_BULK)
        published = [each for topic in topics for each in self.publisher.published[topic]]
        return [decode(RenderRequested, each.data).render_key for each in published]

    @property
    def has_written_anything(self) -> bool:
        return bool(self.batches._batches or self.jobs or self.manifests._objects or self.publisher.published)
