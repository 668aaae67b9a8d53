"""Between every actor and every service: each call is a step, and may fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from gpu_job.heartbeat import Interrupted
from gpu_job.message_source import Message
from shared.errors import Conflict, Retryable
from tests.simulation.faults import Fault
from tests.simulation.scheduler import Killed, Process

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.faults import Profile
    from tests.simulation.referee import Referee
    from tests.simulation.scheduler import Inbox, Scheduler

R = TypeVar("R")

#: A node that goes leaves a worker so long.
GRACE_S: Final = 9.0
#: Calls whose own second try conflicts with the first.
_WRITES: Final = frozenset({"commit", "create", "replace"})


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
        #: No fault comes after this.
        self.faults_until_s = profile.until_s
        self._profile = profile
        self._referee = referee

    @property
    def is_calm(self) -> bool:
        """Whether nothing goes wrong any more."""
        return self.scheduler.time > self.faults_until_s

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
            case Fault.CONFLICT_WITH_ITSELF if what in _WRITES:
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
        if self.is_calm:
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


def _in_short(what: object) -> str:
    if isinstance(what, set | frozenset):
        return ", ".join(sorted(what))[:60]
    if isinstance(what, Message):
        return what.ack_id
    if isinstance(what, str) or not hasattr(what, "value"):
        return str(what).removeprefix("renders/")[:60]
    value = what.value
    if hasattr(value, "cursor"):
        return f"{value.batch_id[:6]}={value.state} row {value.cursor.row}, {value.placed} placed"
    if hasattr(value, "job_id"):
        return f"{value.job_id}={value.status}" + ("+event" if value.event_pending else "")
    lease = f" by {value.holder} token {value.token}" if value.state == "leased" else ""
    return f"{value.render_key[:6]}={value.state}{lease} attempts {value.attempts}"
