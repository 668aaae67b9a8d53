"""The services of a run: the real ones in memory, each call of which is a step, and may fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gpu_job.heartbeat import Interrupted
from gpu_job.message_source import Message
from gpu_job.message_source.memory import InMemoryMessageSource, _Pending
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.errors import Conflict, Rejected, Retryable
from shared.job_store.memory import InMemoryJobStore, _key
from shared.messages import JOB_EVENTS, RENDER_REQUESTS_DEAD, JobEvent, RenderRequested, decode
from tests.simulation.faults import Fault
from tests.simulation.scheduler import NEVER, Killed, Process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from shared.artifact_store import Artifact
    from shared.documents import Job, Render
    from shared.job_store import Stored, Write
    from shared.publisher.memory import InMemoryPublisher, PublishedMessage
    from shared.requests import Priority
    from tests.simulation.faults import Profile
    from tests.simulation.referee import Referee
    from tests.simulation.scheduler import Inbox, Scheduler

R = TypeVar("R")

#: A node that goes leaves a worker so long.
GRACE_S: Final = 9.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """What happened at a step, for the log. Made into text only when somebody reads it."""

    time: float
    actor: str
    what: str
    subject: object
    outcome: str

    def __str__(self) -> str:
        subject = self.subject
        if isinstance(subject, tuple):
            subject = ", ".join(_in_short(each) for each in subject)
        return f"{self.time:9.1f}  {self.actor:<16} {self.what:<22} {_in_short(subject)}  {self.outcome}".rstrip()


class Network:
    """Between every actor and every service: where others come in between, and where it fails."""

    def __init__(self, scheduler: Scheduler, profile: Profile, referee: Referee) -> None:
        self.scheduler = scheduler
        self.log: list[Line] = []
        #: What has gone wrong so far.
        self.injected: set[Fault] = set()
        #: Where SIGTERM goes, by process.
        self.inboxes: dict[Process, Inbox] = {}
        self._profile = profile
        self._referee = referee

    def tell(self, what: str, subject: object = "", outcome: str = "") -> None:
        """A line for the log."""
        time, actor = self.scheduler.time, self.scheduler.current.name
        self.log.append(Line(time=time, actor=actor, what=what, subject=subject, outcome=outcome))

    def call(self, what: str, effect: Callable[[], R], *, subject: object = "", conflict: type[Conflict]) -> R:
        """One atomic step of the calling actor.

        Raises:
            Killed: its process died here.
            Retryable: nobody answered.
        """
        self.scheduler.pause(self.scheduler.rng.random() * self._profile.latency_s)
        process = self.scheduler.current.process
        fault = self._fault(process)
        self._on_the_way(fault, process, what, effect, subject)
        try:
            result = effect()
        except (Conflict, Retryable) as exc:
            self.tell(what, subject, type(exc).__name__)
            raise
        self.tell(what, subject)
        match fault:
            case Fault.KILL_AFTER:
                self._kill(process, what, subject, before=False)
            case Fault.FAIL_AFTER:
                self.tell(what, subject, "ITS ANSWER IS LOST")
                raise Retryable("no answer")
            case Fault.CONFLICT_WITH_ITSELF if what in {"commit", "create"}:
                self.tell(what, subject, "CONFLICTS WITH ITSELF")
                raise conflict("it is there, by ourselves")
            case Fault.STALL_AFTER:
                self._stall(process, what)
        return result

    def _on_the_way(
        self, fault: Fault | None, process: Process, what: str, effect: Callable[[], object], subject: object
    ) -> None:
        scheduler, rng = self.scheduler, self.scheduler.rng
        match fault:
            case Fault.KILL_BEFORE:
                self._kill(process, what, subject, before=True)
            case Fault.FAIL_BEFORE:
                self.tell(what, subject, "FAILS")
                raise Retryable("no answer")
            case Fault.FAIL_AND_HAPPEN_LATER:
                later_s = rng.uniform(0, 90)
                self.tell(what, subject, f"FAILS, AND HAPPENS {later_s:.0f} s LATER")
                ghost = Process(name=process.name, is_worker=process.is_worker)
                late = f"{scheduler.current.name}'s late"
                scheduler.spawn(late, lambda: self._late(effect), process=ghost, after_s=later_s)
                raise Retryable("no answer")
            case Fault.STALL_BEFORE:
                self._stall(process, what)
            case Fault.SLOW:
                slow_s = rng.uniform(0, 20)
                process.hindered_until = max(process.hindered_until, scheduler.time + slow_s)
                scheduler.pause(slow_s)
            case Fault.TERMINATE if process in self.inboxes:
                self.terminate(process)

    def terminate(self, process: Process) -> None:
        """SIGTERM, and the end of the machine some seconds later."""
        self.tell("SIGTERM", process.name)
        self.inboxes.pop(process).put(Interrupted())
        told_at = self.scheduler.time

        def leave() -> None:
            if not process.is_dead:
                self.tell("GRACE IS OVER", process.name)
                if process.hindered_until <= told_at:
                    self._referee.blame(f"{process.name} did not leave although nothing hindered it")
                self.scheduler.kill(process)

        self.scheduler.spawn("node", leave, process=Process(name="node"), after_s=GRACE_S)

    def _fault(self, process: Process) -> Fault | None:
        if self.scheduler.time > self._profile.until_s:
            return None
        drawn = self.scheduler.rng.random()
        for fault, rate in (self._profile.worker if process.is_worker else self._profile.function).items():
            drawn -= rate
            if drawn < 0:
                self.injected.add(fault)
                return fault
        return None

    def _kill(self, process: Process, what: str, subject: object, *, before: bool) -> None:
        self.tell(what, subject, "KILLED BEFORE IT" if before else "KILLED AFTER IT")
        self.scheduler.kill(process)
        raise Killed

    def _stall(self, process: Process, what: str) -> None:
        seconds = self.scheduler.rng.uniform(20, 200)
        self.tell(what, "", f"STANDS STILL FOR {seconds:.0f} s")
        self.scheduler.stall(process, seconds)
        self.scheduler.pause()

    def _late(self, effect: Callable[[], object]) -> None:
        try:
            effect()
        except Retryable as exc:
            self.tell("late call", "", type(exc).__name__)
        else:
            self.tell("late call")


class Stepped:
    """A service as its clients have it: every call of a method is a step."""

    def __init__(self, service: object, network: Network, *, conflict: type[Conflict] = Conflict) -> None:
        self._service = service
        self._network = network
        self._conflict = conflict

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._service, name)

        def call(*args: Any, **options: Any) -> Any:
            subject = args if name == "commit" else args[0] if args else ""
            return self._network.call(name, lambda: method(*args, **options), subject=subject, conflict=self._conflict)

        return call


class SteppedSource(Stepped):
    """A message source as a worker has it: an empty pull takes its time."""

    def pull(self, *, timeout_s: float) -> Message | None:
        """See `MessageSource.pull`."""
        message: Message | None = self.__getattr__("pull")(timeout_s=0)
        if message is None:
            self._network.scheduler.pause(timeout_s)
        return message


class SimulatedStore(InMemoryJobStore):
    """In memory; shows every write to the referee."""

    def __init__(self, scheduler: Scheduler, referee: Referee) -> None:
        super().__init__(now=scheduler.now)
        self._scheduler = scheduler
        self._referee = referee
        #: Called after every commit.
        self.on_commit: Callable[[], None] = lambda: None

    def commit(self, *writes: Write) -> Sequence[Stored[Job | Render]]:
        """See `JobStore.commit`."""
        written = super().commit(*writes)
        after = {_key(each.value): each.value for each in written}
        self._referee.wrote(after, by=self._scheduler.current.process, time=self._scheduler.time)
        self.on_commit()
        return written


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
        self._referee.uploaded(artifact, by=self._scheduler.current.process)
        return artifact


class SimulatedQueue(InMemoryMessageSource):
    """In memory; messages come late, in another order, twice or never, and die of too many deliveries."""

    def __init__(self, publisher: InMemoryPublisher, scheduler: Scheduler, profile: Profile, referee: Referee) -> None:
        super().__init__(publisher)
        publisher.subscribe(JOB_EVENTS, lambda message: referee.published(decode(JobEvent, message.data)))
        self._publisher = publisher
        self._scheduler = scheduler
        self._profile = profile
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
        if self._scheduler.rng.random() < self._profile.lose and self._scheduler.time < self._profile.until_s:
            return
        self._put(priority, message.data)

    def _put(self, priority: Priority, data: bytes) -> None:
        rng = self._scheduler.rng
        late_s = rng.uniform(0, 120) if rng.random() < self._profile.delay else 0.0
        number = next(self._numbers) * 1000 + rng.randrange(5000)  # not always in order
        self._pending.append(_Pending(priority=priority, data=data, due=self._scheduler.time + late_s, number=number))
        self.on_change()


def _in_short(what: object) -> str:
    if isinstance(what, Message):
        return what.ack_id
    if not hasattr(what, "value"):
        return str(what).removeprefix("renders/")[:60]
    value = what.value
    if hasattr(value, "job_id"):
        return f"{value.job_id}={value.status}" + ("+event" if value.event_pending else "")
    lease = f" by {value.holder} token {value.token}" if value.state == "leased" else ""
    return f"{value.render_key[:6]}={value.state}{lease} attempts {value.attempts}"
