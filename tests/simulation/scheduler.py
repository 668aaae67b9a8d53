"""One thread at a time, and a seeded die says which: real blocking code, interleaved at every call it makes.

Each actor has a thread of its own. A thread runs until it pauses; then the die picks one of those whose time has come,
and where there is none the virtual clock jumps to the next. Nothing reads a real clock, so a seed repeats its run.
"""

from __future__ import annotations

import math
import queue
import sys
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

START = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = math.inf


class Killed(BaseException):
    """The process of this actor is gone: no more than this is ever heard of it."""


class TooManyStepsError(Exception):
    """The run does not end: somebody goes round in circles."""


@dataclass(eq=False)
class Process:
    """What dies and stalls as a whole."""

    name: str
    #: Whether it is a worker; else it is an instance of a function, or a client.
    is_worker: bool = False
    #: What its wall clock is ahead of the true time.
    skew_s: float = 0.0
    is_dead: bool = False
    #: None of its threads goes on before this time.
    stalled_until: float = 0.0
    #: Until when faults make one of its threads wait.
    hindered_until: float = 0.0


def _held_lock() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass(eq=False)
class Actor:
    """A thread of a process."""

    process: Process
    name: str
    wake_at: float
    #: Held while it waits for its turn. A bare lock: it changes hands a thousand times in a run.
    go: threading.Lock = field(default_factory=_held_lock)


class _Pool:
    """Threads that are used again: making them takes longer than most actors live."""

    def __init__(self) -> None:
        self._idle: list[queue.SimpleQueue[Callable[[], None]]] = []

    def run(self, job: Callable[[], None]) -> None:
        inbox = self._idle.pop() if self._idle else self._new()
        inbox.put(job)

    def _new(self) -> queue.SimpleQueue[Callable[[], None]]:
        inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

        def serve() -> None:
            while True:
                inbox.get()()
                self._idle.append(inbox)

        threading.Thread(target=serve, name="simulated", daemon=True).start()
        return inbox


_pool = _Pool()


class Scheduler:
    """The virtual clock and the die. Made by the thread that tells the story, which is an actor too."""

    def __init__(self, rng: random.Random, *, max_steps: int = 60_000) -> None:
        self.rng = rng
        self.time = 0.0
        self.steps = 0
        self.is_over = False
        self._max_steps = max_steps
        self._story = Actor(process=Process("story"), name="story", wake_at=0.0)
        self.current = self._story
        self._actors = [self._story]
        #: What went wrong in an actor, none of which may.
        self.crashes: list[tuple[Actor, BaseException]] = []

    def now(self) -> datetime:
        """True time, by which the store's clock goes."""
        return START + timedelta(seconds=self.time)

    def process_now(self) -> datetime:
        """The wall clock of the process that asks."""
        return START + timedelta(seconds=self.time + self.current.process.skew_s)

    def monotonic(self) -> float:
        """Any process's monotonic clock."""
        return self.time

    def spawn(self, name: str, run: Callable[[], object], *, process: Process, after_s: float = 0.0) -> Actor:
        """A new thread of a process; it runs when its time has come and the die says so."""
        actor = Actor(process=process, name=name, wake_at=self.time + after_s)
        self._actors.append(actor)

        def live() -> None:
            actor.go.acquire()
            try:
                if not process.is_dead:
                    run()
            except Killed:
                pass
            except BaseException as exc:  # noqa: BLE001 - told by the story's thread
                self.crashes.append((actor, exc))
            self._actors.remove(actor)
            self._hand_over()

        _pool.run(live)
        return actor

    def pause(self, seconds: float = 0.0) -> None:
        """Let others go first, for so long at least. Raises `Killed` where the process died meanwhile."""
        me = self.current
        me.wake_at = self.time + seconds
        if self._hand_over() is not me:
            me.go.acquire()
        if me.process.is_dead:
            raise Killed
        if self.steps > self._max_steps and me is self._story:
            raise TooManyStepsError(f"{self.steps} steps, and no end")

    def wake(self, actor: Actor, *, after_s: float = 0.0) -> None:
        """It need not wait longer than this."""
        actor.wake_at = min(actor.wake_at, self.time + after_s)

    def kill(self, process: Process) -> None:
        """End a process at once, wherever its threads are: none of them makes another call."""
        process.is_dead = True
        process.stalled_until = 0.0
        for actor in self._actors:
            if actor.process is process:
                actor.wake_at = self.time

    def stall(self, process: Process, seconds: float) -> None:
        """The whole process stands still, and does not know it."""
        process.stalled_until = self.time + seconds
        process.hindered_until = max(process.hindered_until, process.stalled_until)

    def end(self) -> None:
        """Kill all that are left."""
        self.is_over, self._max_steps = True, sys.maxsize
        for process in {
            id(actor.process): actor.process for actor in self._actors if actor is not self._story
        }.values():
            self.kill(process)
        while len(self._actors) > 1:
            self.pause()

    @property
    def alive(self) -> int:
        """Actors besides the story."""
        return len(self._actors) - 1

    def _hand_over(self) -> Actor:
        self.steps += 1
        if self.steps > self._max_steps:  # the story must hear of it
            self._story.wake_at = self.time
        actors = self._actors
        due = [each for each in actors if each.wake_at <= self.time and each.process.stalled_until <= self.time]
        if not due:
            self.time = min(max(each.wake_at, each.process.stalled_until) for each in actors)
            due = [each for each in actors if each.wake_at <= self.time and each.process.stalled_until <= self.time]
        chosen = due[int(self.rng.random() * len(due))] if len(due) > 1 else due[0]
        me, self.current = self.current, chosen
        if chosen is not me:
            chosen.go.release()
        return chosen


class Inbox:
    """A queue between two threads of a process, as `queue.SimpleQueue`, by the virtual clock."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._items: list[Any] = []
        self._waits: Actor | None = None

    def put(self, item: object) -> None:
        """Wakes whoever waits for it."""
        self._items.append(item)
        if self._waits is not None:
            self._scheduler.wake(self._waits)

    def get(self, *, timeout: float) -> Any:
        """The next item. Raises `queue.Empty` when none came in time."""
        if not self._items and timeout > 0:
            self._waits = self._scheduler.current
            self._scheduler.pause(timeout)
            self._waits = None
        if not self._items:
            raise queue.Empty
        return self._items.pop(0)
