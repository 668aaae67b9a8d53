"""The services of a run: the real ones in memory, which show all they do to the referee, and may misbehave."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from gpu_job.message_source.memory import InMemoryMessageSource, _Pending
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.batch_store.memory import InMemoryBatchStore
from shared.documents import Slot
from shared.errors import Rejected, Retryable
from shared.job_store import Delete
from shared.job_store.memory import InMemoryJobStore, _key
from shared.jobs import RETENTION
from shared.messages import JOB_EVENTS, RENDER_REQUESTS_DEAD, JobEvent, RenderRequested, decode
from tests.simulation.scheduler import NEVER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from gpu_job.message_source import Message
    from shared.artifact_store import Artifact
    from shared.batch_store import StoredBatch
    from shared.batches import Batch
    from shared.documents import Job, Render
    from shared.job_store import Kept, Stored, Write
    from shared.publisher.memory import InMemoryPublisher, PublishedMessage
    from shared.requests import Priority
    from tests.simulation.faults import Profile
    from tests.simulation.network import Network
    from tests.simulation.referee import Referee
    from tests.simulation.scheduler import Scheduler

#: The store and the bucket delete what is too old within a day.
MOST_LATE: Final = timedelta(days=1)


class SimulatedStore(InMemoryJobStore):
    """In memory; shows every write to the referee."""

    def __init__(self, scheduler: Scheduler, referee: Referee) -> None:
        super().__init__(now=scheduler.now)
        self._scheduler = scheduler
        self._referee = referee
        #: Called after every commit.
        self.on_commit: Callable[[], None] = lambda: None

    def commit(self, *writes: Write) -> Sequence[Stored[Kept]]:
        """See `JobStore.commit`."""
        written = super().commit(*writes)
        both = list(zip(writes, written, strict=True))
        after: dict[tuple[type[Any], str], Job | Render] = {
            _key(each.value): each.value
            for write, each in both
            if not isinstance(write, Delete) and not isinstance(each.value, Slot)
        }
        gone = [each.value for write, each in both if isinstance(write, Delete) and not isinstance(each.value, Slot)]
        self._referee.wrote(after, gone=gone, by=self._scheduler.current.process, time=self._scheduler.time)
        self.on_commit()
        return written

    def expired(self, *, lag: Callable[[str], timedelta]) -> list[Job | Render]:
        """Delete what may be deleted by now, as the store's own retention does; what that was."""
        now = self._scheduler.now()
        old = [
            value for (_, key), (value, _) in self._documents.items() if value.expires_at + lag(f"{key} document") < now
        ]
        for value in old:
            del self._documents[_key(value)]
            self._referee.expired(value)
        return old


class SimulatedBucket(InMemoryArtifactStore):
    """In memory; there are no files."""

    def __init__(self, scheduler: Scheduler, referee: Referee, *, on_finalized: Callable[[Artifact], None]) -> None:
        super().__init__(on_finalized=on_finalized)
        self._scheduler = scheduler
        self._referee = referee

    def create(
        self, name: str, content: bytes | Path, *, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> Artifact:
        """See `ArtifactStore.create`."""
        data = content if isinstance(content, bytes) else b"mp4"
        artifact = super().create(name, data, content_type=content_type, metadata=metadata)
        self._date([name])
        self._referee.uploaded(artifact, by=self._scheduler.current.process)
        return artifact

    def keep_folder(self, folder: str) -> None:
        """See `ArtifactStore.keep_folder`."""
        self._date([name for name in self._objects if name.startswith(folder)])

    def delete_folder(self, folder: str) -> None:
        """See `ArtifactStore.delete_folder`."""
        for name in [name for name in self._objects if name.startswith(folder)]:
            self._referee.removed(name, by=self._scheduler.current.process, time=self._scheduler.time)
        super().delete_folder(folder)

    def delete(self, artifact: Artifact) -> None:
        """See `ArtifactStore.delete`."""
        super().delete(artifact)
        if self.get(artifact.name) is None:
            self._referee.removed(artifact.name, by=self._scheduler.current.process, time=self._scheduler.time)

    def expired(self, *, lag: Callable[[str], timedelta]) -> list[str]:
        """Delete what may be deleted by now, as the bucket's lifecycle does; what that was."""
        now = self._scheduler.now()
        old = [
            name
            for name, (artifact, _) in self._objects.items()
            if artifact.kept_since + RETENTION + lag(f"{name} {artifact.kept_since}") < now
        ]
        for name in old:
            del self._objects[name]
            self._referee.removed(name, by=None, time=self._scheduler.time)
        return old

    def kept_since(self, name: str) -> datetime | None:
        """Of an object; None where there is none."""
        return self._objects[name][0].kept_since if name in self._objects else None

    @property
    def names(self) -> list[str]:
        """Of all objects."""
        return list(self._objects)

    def _date(self, names: Iterable[str]) -> None:
        for name in names:
            artifact, data = self._objects[name]
            self._objects[name] = (replace(artifact, kept_since=self._scheduler.now()), data)


class SimulatedBatches(InMemoryBatchStore):
    """In memory; shows every write to the referee."""

    def __init__(self, scheduler: Scheduler, referee: Referee) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._referee = referee

    def expired(self, *, lag: Callable[[str], timedelta]) -> list[Batch]:
        """Delete what may be deleted by now, as the store's own retention does; what that was."""
        now = self._scheduler.now()
        old = [each.value for key, each in self._batches.items() if each.value.expires_at + lag(key) < now]
        for batch in old:
            del self._batches[batch.batch_id]
            self._referee.batches.expired(batch)
        return old

    def _write(self, batch: Batch) -> StoredBatch:
        stored = super()._write(batch)
        self._referee.batches.wrote(batch, by=self._scheduler.current.process)
        return stored


class InTurn:
    """In place of a pool of threads: one call after the other, all of them, then the first error."""

    def map(self, call: Callable[[Any], object], items: Iterable[Any]) -> list[object]:
        """See `Executor.map`."""
        answers, errors = [], []
        for item in items:
            try:
                answers.append(call(item))
            except Retryable as exc:
                errors.append(exc)
        if errors:
            raise errors[0]
        return answers


class SimulatedQueue(InMemoryMessageSource):
    """In memory; messages come late, in another order, twice or never, and die of too many deliveries."""

    def __init__(
        self, publisher: InMemoryPublisher, scheduler: Scheduler, profile: Profile, referee: Referee, network: Network
    ) -> None:
        super().__init__(publisher)
        publisher.subscribe(JOB_EVENTS, lambda message: referee.published(decode(JobEvent, message.data)))
        self._publisher = publisher
        self._scheduler = scheduler
        self._profile = profile
        self._network = network
        self._referee = referee
        self._deliveries: dict[int, int] = {}
        #: What the referee had seen when each delivery was made.
        self._delivered_at: dict[str, int] = {}
        #: Called whenever a message may be due sooner than before.
        self.on_change: Callable[[], None] = lambda: None

    @property
    def due_s(self) -> float:
        """Seconds until there is something to pull."""
        return min((each.due for each in self._pending), default=NEVER) - self._scheduler.time

    @property
    def size(self) -> int:
        """Messages that are not acknowledged."""
        return len(self._pending)

    def pull(self, *, timeout_s: float) -> Message | None:
        """See `MessageSource.pull`; to be asked for no wait."""
        message = super().pull(timeout_s=timeout_s)
        if message is None:
            return None
        [pending] = [each for each in self._pending if each.ack_id == message.ack_id]
        self._deliveries[pending.number] = deliveries = self._deliveries.get(pending.number, 0) + 1
        if deliveries > self._profile.max_deliveries:
            self._pending.remove(pending)
            self._publisher.publish(RENDER_REQUESTS_DEAD, pending.data, attributes={})
            return None
        self._delivered_at[message.ack_id] = self._referee.writes
        return message

    def acknowledge(self, message: Message) -> None:
        """See `MessageSource.acknowledge`."""
        if any(each.ack_id == message.ack_id for each in self._pending):
            try:
                render_key = decode(RenderRequested, message.data).render_key
            except Rejected:  # rubbish
                pass
            else:
                since, by = self._delivered_at[message.ack_id], self._scheduler.current.process
                self._referee.acknowledged(render_key, since=since, by=by)
        super().acknowledge(message)

    def extend(self, message: Message, *, deadline_s: int) -> None:
        """See `MessageSource.extend`."""
        super().extend(message, deadline_s=deadline_s)
        self.on_change()

    def disturb(self) -> str:
        """Something that a queue is allowed to do, or what must not happen and does."""
        rng = self._scheduler.rng
        if not self._pending:
            return "nothing"
        each = rng.choice(self._pending)
        if rng.random() < self._profile.lose / 4:
            self._pending.remove(each)
            return "LOSES A MESSAGE"
        if rng.random() < 0.5:
            each.due = self._scheduler.time
            self.on_change()
            return "DELIVERS AGAIN"
        self._put(each.priority, each.data)
        return "COPIES A MESSAGE"

    def _receive(self, priority: Priority, message: PublishedMessage) -> None:
        if self._scheduler.rng.random() < self._profile.lose and not self._network.is_calm:
            return
        self._put(priority, message.data)

    def _put(self, priority: Priority, data: bytes) -> None:
        rng = self._scheduler.rng
        late_s = rng.uniform(0, 120) if rng.random() < self._profile.delay else 0.0
        number = next(self._numbers) * 1000 + rng.randrange(5000)  # not always in order
        self._pending.append(_Pending(priority=priority, data=data, due=self._scheduler.time + late_s, number=number))
        self.on_change()
