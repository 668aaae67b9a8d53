"""Workers on nodes that come and go, as discrete events (simpy): who starts when, takes which render, and leaves.

Enters: wishes, a way to start workers, a seed. Leaves: what became of every wish, worker and node. The same seed gives
the same outcome. Times are seconds from the beginning.
"""

from __future__ import annotations

import math
import random
import statistics
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar

import simpy

from bench.cluster import AlwaysOn, Cluster, PodPerJob
from bench.keda import Reads, ScaledJob, jobs_to_create
from gpu_job.message_source import turns
from shared.requests import Priority

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from bench.arrivals import Wish
    from bench.cluster import Scaling
    from bench.keda import Trigger

    T = TypeVar("T")
    #: Of a process: it waits for events, and may return something.
    Steps = Generator[simpy.Event, Any, T]

#: So long after the last render is final the fleet is still watched: a late metric may start somebody.
AFTERWARDS_S: Final = 600.0
LOOK_S: Final = 10.0


@dataclass(kw_only=True)
class Node:
    """A machine with one GPU."""

    asked_s: float
    gone_s: float | None = None
    worker: Worker | None = None
    idle_since_s: float | None = None


@dataclass(kw_only=True, eq=False)
class Worker:
    """A Job with its pod."""

    number: int
    created_s: float
    turns: Iterator[Priority]
    process: simpy.Process | None = None
    running_s: float | None = None
    left_s: float | None = None
    is_preempted: bool = False
    renders: int = 0

    @property
    def is_wasted(self) -> bool:
        """Started, and found nothing."""
        return self.left_s is not None and not self.renders and not self.is_preempted


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a render."""

    wish: Wish
    worker: int
    #: With the model's loading.
    began_s: float
    ended_s: float
    is_done: bool


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What is there, every ten seconds."""

    at_s: float
    waiting: int
    workers: int
    rendering: int


@dataclass(kw_only=True)
class Outcome:
    """What became of it all."""

    cluster: Cluster
    wishes: Sequence[Wish]
    ends_s: float = 0.0
    attempts: list[Attempt] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    moments: list[Moment] = field(default_factory=list)

    def waits_s(self, priority: Priority | None = None) -> list[float]:
        """From each wish to its video, less the seconds of its own render."""
        return [
            each.ended_s - each.wish.at_s - each.wish.render_s
            for each in self.attempts
            if each.is_done and priority in (None, each.wish.priority)
        ]

    def wait_s(self, percent: int, priority: Priority | None = None) -> float:
        """That percentile of the waits."""
        waits_s = self.waits_s(priority)
        if len(waits_s) < 2:  # noqa: PLR2004 one has no quantiles
            return waits_s[0] if waits_s else math.nan
        return statistics.quantiles(waits_s, n=100, method="inclusive")[percent - 1]

    @property
    def wasted(self) -> int:
        """Pods that started and found nothing."""
        return sum(each.is_wasted for each in self.workers)

    @property
    def gpu_s(self) -> float:
        """Seconds that nodes were there, and paid, from when they were asked for."""
        return sum((self.ends_s if each.gone_s is None else each.gone_s) - each.asked_s for each in self.nodes)

    @property
    def dollars_a_video(self) -> float:
        """Whole bill by finished renders."""
        return self.gpu_s * self.cluster.price_an_hour / 3600 / max(1, len(self.waits_s()))


class Fleet:
    """One run."""

    def __init__(self, wishes: Sequence[Wish], *, scaling: Scaling, cluster: Cluster, seed: int) -> None:
        self.outcome = Outcome(cluster=cluster, wishes=wishes)
        self._scaling = scaling
        self._cluster = cluster
        self._env = simpy.Environment()
        self._boots, self._ends, self._lags, self._places = (
            random.Random(f"{seed} {name}") for name in ("boots", "preemptions", "lags", "turns")
        )
        self._waiting: dict[Priority, deque[Wish]] = {each: deque() for each in Priority}
        self._to_do = dict.fromkeys(Priority, 0)
        self._left = len(wishes)
        self._rendering = 0
        self._at_work: list[Worker] = []
        self._samples: list[tuple[float, float]] = []
        self._news = self._env.event()
        self._rooms: deque[simpy.Event] = deque()
        self._all_done = self._env.event()

    def run(self) -> Outcome:
        """To the last wish, and some minutes more."""
        self._env.process(self._publish())
        self._env.process(self._watch())
        match self._scaling:
            case ScaledJob(trigger=trigger):
                if trigger.sample_s:
                    self._env.process(self._sample(trigger))
                self._env.process(self._poll(self._scaling))
            case AlwaysOn(workers=workers):
                for _ in range(workers):
                    self._start()
        self._env.run(until=self._env.process(self._whole()))
        self.outcome.ends_s = self._env.now
        return self.outcome

    def _whole(self) -> Steps[None]:
        yield self._all_done
        if not isinstance(self._scaling, AlwaysOn):
            yield self._env.timeout(AFTERWARDS_S)
            while any(node.gone_s is None for node in self.outcome.nodes):
                yield self._env.timeout(1)

    def _publish(self) -> Steps[None]:
        for wish in self.outcome.wishes:
            yield self._env.timeout(wish.at_s - self._env.now)
            self._to_do[wish.priority] += 1
            self._waiting[wish.priority].append(wish)
            if isinstance(self._scaling, PodPerJob):
                self._start()
            self._tell()
        if not self.outcome.wishes:
            self._all_done.succeed()

    def _watch(self) -> Steps[None]:
        while True:
            waiting = sum(map(len, self._waiting.values()))
            self.outcome.moments.append(
                Moment(at_s=self._env.now, waiting=waiting, workers=len(self._at_work), rendering=self._rendering)
            )
            yield self._env.timeout(LOOK_S)

    # What the autoscaler does

    def _count(self, reads: Reads) -> float:
        waiting = sum(map(len, self._waiting.values()))
        if reads is Reads.WAITING:
            return waiting
        if reads is Reads.UNACKNOWLEDGED:
            return waiting + self._rendering
        cap = self._cluster.bulk_at_most
        bulk = self._to_do[Priority.BULK]
        return self._to_do[Priority.INTERACTIVE] + (bulk if cap is None else min(bulk, cap))

    def _sample(self, trigger: Trigger) -> Steps[None]:
        while True:
            visible_s = self._env.now + self._lags.uniform(*trigger.visible_after_s)
            self._samples.append((visible_s, self._count(trigger.reads)))
            yield self._env.timeout(trigger.sample_s)

    def _read(self, trigger: Trigger) -> float:
        """The newest sample that may be read."""
        if not trigger.sample_s:
            return self._count(trigger.reads)
        return next((value for visible_s, value in reversed(self._samples) if visible_s <= self._env.now), 0.0)

    def _poll(self, job: ScaledJob) -> Steps[None]:
        while True:
            for _ in range(
                jobs_to_create(
                    job.strategy,
                    queue=self._read(job.trigger) / job.target,
                    running=len(self._at_work),
                    pending=sum(each.running_s is None for each in self._at_work),
                    most=self._cluster.max_workers,
                )
            ):
                self._start()
            yield self._env.timeout(job.polling_s)

    # What a node does

    def _place(self, worker: Worker) -> Steps[Node]:
        """A node for a pod: an empty one, or a new one while there may be more."""
        nodes = self.outcome.nodes
        while True:
            there = [each for each in nodes if each.gone_s is None]
            for node in there:
                if node.idle_since_s is not None:
                    node.worker, node.idle_since_s = worker, None
                    return node
            if len(there) < self._cluster.max_workers:
                break
            room = self._env.event()
            self._rooms.append(room)
            yield room
        node = Node(asked_s=self._env.now, worker=worker)
        nodes.append(node)
        yield self._env.timeout(self._boots.uniform(*self._cluster.node_boot_s))
        if self._cluster.preemptions_an_hour:
            self._env.process(self._preempt(node))
        yield self._env.timeout(self._cluster.image_s)
        return node

    def _preempt(self, node: Node) -> Steps[None]:
        yield self._env.timeout(self._ends.expovariate(self._cluster.preemptions_an_hour / 3600))
        if node.gone_s is None:
            worker = node.worker
            self._remove(node)
            if worker and worker.process:
                worker.process.interrupt()

    def _remove(self, node: Node) -> None:
        node.gone_s, node.worker, node.idle_since_s = self._env.now, None, None
        if self._rooms:
            self._rooms.popleft().succeed()

    def _empty(self, node: Node) -> Steps[None]:
        node.worker, node.idle_since_s = None, (since_s := self._env.now)
        if self._rooms:
            self._rooms.popleft().succeed()
        yield self._env.timeout(self._cluster.node_idle_s)
        if node.gone_s is None and node.idle_since_s == since_s:
            self._remove(node)

    # What a worker does

    def _start(self) -> None:
        worker = Worker(number=len(self.outcome.workers), created_s=self._env.now, turns=turns(self._places.randrange))
        self.outcome.workers.append(worker)
        self._at_work.append(worker)
        worker.process = self._env.process(self._live(worker))

    def _live(self, worker: Worker) -> Steps[None]:
        try:
            node = yield from self._place(worker)
            yield self._env.timeout(self._cluster.pod_s)
            worker.running_s = self._env.now
            yield from self._consume(worker)
            self._env.process(self._empty(node))
        except simpy.Interrupt:
            worker.is_preempted = True
        worker.left_s = self._env.now
        self._at_work.remove(worker)
        if isinstance(self._scaling, AlwaysOn) or (isinstance(self._scaling, PodPerJob) and worker.is_preempted):
            self._start()

    def _consume(self, worker: Worker) -> Steps[None]:
        """As gpu_job/consumer.py: pull, render, wait for the next one with the model loaded."""
        patience_s = self._cluster.patience_s
        while wish := (yield from self._pull(worker, patience_s)):
            yield from self._render(worker, wish)
            worker.renders += 1
            if isinstance(self._scaling, PodPerJob):
                return
            patience_s = self._cluster.warm_s

    def _pull(self, worker: Worker, patience_s: float) -> Steps[Wish | None]:
        leave_at = self._env.now + patience_s
        first = next(worker.turns)
        while True:
            for priority in (first, *Priority):
                if self._waiting[priority]:
                    return self._waiting[priority].popleft()
            if isinstance(self._scaling, AlwaysOn):
                yield self._news
            elif self._env.now >= leave_at:
                return None
            else:
                yield self._news | self._env.timeout(leave_at - self._env.now)

    def _render(self, worker: Worker, wish: Wish) -> Steps[None]:
        began_s, is_done = self._env.now, False
        self._rendering += 1
        try:
            if not worker.renders:
                yield self._env.timeout(self._cluster.model_s)
            yield self._env.timeout(wish.render_s)
            is_done = True
        except simpy.Interrupt:
            self._waiting[wish.priority].appendleft(wish)
            self._tell()
            raise
        finally:
            self._rendering -= 1
            ended_s = self._env.now
            self.outcome.attempts.append(
                Attempt(wish=wish, worker=worker.number, began_s=began_s, ended_s=ended_s, is_done=is_done)
            )
        self._env.process(self._complete(wish))

    def _complete(self, wish: Wish) -> Steps[None]:
        yield self._env.timeout(self._cluster.notify_s)
        self._to_do[wish.priority] -= 1
        self._left -= 1
        if not self._left:
            self._all_done.succeed()

    def _tell(self) -> None:
        """Wake everybody who waits for a message."""
        self._news.succeed()
        self._news = self._env.event()


def simulate(wishes: Sequence[Wish], *, scaling: Scaling, cluster: Cluster | None = None, seed: int = 0) -> Outcome:
    """Run the wishes through a fleet."""
    return Fleet(wishes, scaling=scaling, cluster=cluster or Cluster(), seed=seed).run()
