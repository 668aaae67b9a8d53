"""A run: who lives in it, and what they do. All that decides is the code that is deployed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from burying import bury_request
from cancel_job import cancel_job
from notifier import object_finalized
from placing import JobExistsError, NotSeenToError, attach, place
from reconciling import reconcile_all
from repairing import Repairer

from gpu_job import consumer
from gpu_job.heartbeat import HungError, PreemptedError
from gpu_job.lease import Claimant
from gpu_job.render_job import Workshop
from shared.artifact_paths import render_key_of
from shared.artifact_store import ArtifactExists
from shared.documents import FINAL, Stage
from shared.errors import ErrorCode, Permanent, Retryable
from shared.messages import RENDER_REQUESTS, RENDER_REQUESTS_DEAD
from shared.publisher.memory import InMemoryPublisher
from shared.requests import Priority
from shared.testing import a_job, a_render
from tests.simulation.faults import Kind, draw
from tests.simulation.installed import installed
from tests.simulation.referee import Referee
from tests.simulation.scheduler import Inbox, Killed, Process, Scheduler, TooManyStepsError
from tests.simulation.services import (
    Line,
    Network,
    SimulatedBucket,
    SimulatedQueue,
    SimulatedStore,
    Stepped,
    SteppedSource,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.artifact_store import Artifact
    from shared.requests import RenderSpec
    from tests.simulation.faults import Fault

BUCKET = "artifacts"
LEASE_S = 60.0
#: The dust has settled, or never will.
END_S = 3 * 86_400.0
SPECS = [a_render(now=Scheduler(random.Random(0)).now(), seed=seed, size="64x64") for seed in range(3)]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a run."""

    seed: int
    kind: Kind
    #: What must not have happened, in order; empty where all is well.
    faults: list[str]
    log: list[Line] = field(repr=False)
    injected: AbstractSet[Fault]
    steps: int
    #: Days of virtual time.
    days: float
    jobs: int
    commits: int


class World:
    """Clients, workers, functions, and the services between them."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.profile = draw(self.rng)
        self.scheduler = Scheduler(self.rng)
        self.referee = Referee()
        self.network = Network(self.scheduler, self.profile, self.referee)
        bucket = SimulatedBucket(self.scheduler, self.referee, on_finalized=self._finalized)
        store, publisher = SimulatedStore(self.scheduler, self.referee), InMemoryPublisher()
        store.on_commit = partial(self._somebody_comes, 0.03)
        self.queue = SimulatedQueue(publisher, self.scheduler, self.profile, self.referee)
        self.queue.on_change = self._wake_slots
        publisher.subscribe(RENDER_REQUESTS_DEAD, lambda message: self._bury(message.data))
        self._services: dict[str, Any] = {
            "store": Stepped(store, self.network),
            "publisher": Stepped(publisher, self.network),
            "artifacts": Stepped(bucket, self.network, conflict=ArtifactExists),
        }
        self._repairer = Repairer(now=self.scheduler.process_now, **self._services)
        self._publisher = publisher
        self._slots: list[Any] = []
        #: Those that have not come yet.
        self._clients: list[Callable[[], None]] = []
        self.reconciles = self.profile.kind is Kind.ROUGH

    def play(self) -> list[str]:
        """From the first wish until the dust has settled."""
        scheduler, profile, rng = self.scheduler, self.profile, self.rng
        self._clients = [partial(self._client, number) for number in range(profile.jobs)]
        for _ in range(rng.randint(1, 3)):
            self._come(rng.uniform(0, 120))
        for number in range(profile.workers):
            self._slots.append(scheduler.spawn(f"slot-{number}", partial(self._slot, number), process=Process("slot")))
        scheduler.spawn("mischief", self._mischief, process=Process("mischief"))
        while scheduler.time < END_S and not self.faults:
            scheduler.pause(60 if scheduler.time < 3600 else 3600)
            if scheduler.time > profile.until_s and self._is_quiet():
                break
            if scheduler.time > profile.until_s and self._clients:
                self._come()
            if self.reconciles:
                self._persist("reconcile", self._reconcile, gives_up=1)
        self.referee.at_the_end(all_events=self.reconciles, none_failed=profile.kind is Kind.GENTLE)
        return self.faults

    @property
    def faults(self) -> list[str]:
        """What must not have happened so far."""
        crashes = [f"{actor.name} crashed: {exc!r}" for actor, exc in self.scheduler.crashes]
        return [*self.referee.faults, *crashes]

    def _is_quiet(self) -> bool:
        told = all(job.status in FINAL and not (self.reconciles and job.event_pending) for job in self.referee.jobs)
        return told and not (self._clients or self.queue.size) and self.scheduler.alive == len(self._slots)

    def _somebody_comes(self, chance: float) -> None:
        """The worst moment for a wish is while others write, and above all while they finish."""
        if self._clients and self.rng.random() < chance:
            after_s = self.rng.choice([0.0, self.rng.uniform(0, 1), self.rng.uniform(0, 10)])
            self._come(after_s)

    def _come(self, after_s: float = 0.0) -> None:
        self.scheduler.spawn("client", self._clients.pop(), process=Process("client"), after_s=after_s)

    # Functions: what fails or dies is called again, by the client, by Eventarc, or by nobody.

    def _persist(self, name: str, act: Callable[[], object], *, gives_up: float = 0.0, after_s: float = 0.0) -> None:
        def run() -> None:
            self._again(name, act, gives_up=gives_up)

        self.scheduler.spawn(name, run, process=Process(name), after_s=after_s)

    def _again(self, name: str, act: Callable[[], object], *, gives_up: float) -> None:
        scheduler = self.scheduler
        while True:
            scheduler.current.process = Process(name)
            try:
                act()
            except (Killed, Retryable):
                if scheduler.is_over:
                    raise
                if gives_up and self.rng.random() < gives_up:
                    return
            else:
                return
            scheduler.current.process = Process(name)
            scheduler.pause(self.rng.uniform(1, 60))

    def _client(self, number: int) -> None:
        """Wishes, perhaps twice at once, and perhaps does not want it any more."""
        rng, name = self.rng, f"client-{number}"
        job_id, which = f"job-{number:05d}", rng.randrange(self.profile.renders)
        priority = rng.choice([Priority.INTERACTIVE, Priority.INTERACTIVE, Priority.BULK])
        cancels, twice = rng.random() < 0.25, rng.random() < 0.2
        for each in range(1 + twice):
            submit = partial(self._submit, job_id, which, priority)
            self._persist(f"{name}{'b' * each}", submit, gives_up=self.profile.gives_up)
        if cancels:
            self._persist(f"{name}-cancels", partial(self._cancel, job_id), after_s=rng.uniform(0, 200))

    def _submit(self, job_id: str, which: int, priority: Priority) -> None:
        render, now = SPECS[which], self.scheduler.process_now
        job = a_job(render, job_id=job_id, now=now())
        assert job.request
        job = job.model_copy(update={"request": job.request.model_copy(update={"priority": priority})})
        try:
            try:
                place(job, render.spec, now=now, **self._services)
            except JobExistsError:
                found = self._services["store"].job(job_id)
                if found is not None:
                    attach(found.value, render.spec, now=now, **self._services)
        except NotSeenToError:  # 202 all the same
            assert self.profile.kind is Kind.ROUGH, "nothing failed"

    def _cancel(self, job_id: str) -> None:
        found = self._services["store"].job(job_id)
        if found is not None:
            store, publisher = self._services["store"], self._services["publisher"]
            cancel_job(found, store=store, publisher=publisher, now=self.scheduler.process_now)

    def _finalized(self, artifact: Artifact) -> None:
        """Eventarc: at least once, and late."""
        self._somebody_comes(0.5)
        if render_key_of(artifact.name) is None:
            return
        if self.rng.random() < self.profile.lose:
            self.network.tell("EVENT IS LOST", artifact.name)
            return
        for _ in range(self.rng.choice([1] * 9 + [2])):
            late_s = self.rng.uniform(0, 300) if self.rng.random() < self.profile.delay / 6 else 0.0
            tell = partial(object_finalized, BUCKET, artifact.name, ours=BUCKET, repairer=self._repairer)
            self._persist("notify", tell, after_s=late_s)

    def _bury(self, data: bytes) -> None:
        self._persist("bury", partial(bury_request, data, repairer=self._repairer))

    def _reconcile(self) -> None:
        reconcile_all(repairer=self._repairer, time_limit_s=50, monotonic=self.scheduler.monotonic)

    def _mischief(self) -> None:
        while self.scheduler.time < self.profile.until_s:
            self.scheduler.pause(self.rng.expovariate(1 / self.profile.mischief_s))
            if self.rng.random() < 0.02:
                self._publisher.publish(RENDER_REQUESTS, b"rubbish", attributes={})
                self.network.tell("RUBBISH")
            else:
                done = self.queue.disturb()
                if done != "nothing":
                    self.network.tell(done)

    # Workers: a slot starts a process whenever a message is due.

    def _wake_slots(self) -> None:
        for slot in self._slots:
            self.scheduler.wake(slot, after_s=max(0.0, self.queue.due_s))

    def _slot(self, number: int) -> None:
        scheduler, started = self.scheduler, 0
        while True:
            while (wait_s := self.queue.due_s) > 0:
                scheduler.pause(wait_s)
            scheduler.pause(self.rng.uniform(0, 20))
            skew_s = self.rng.uniform(-self.profile.skew_s, self.profile.skew_s)
            started += 1
            process = Process(f"worker-{number}.{started}", is_worker=True, skew_s=skew_s)
            scheduler.spawn(process.name, partial(self._worker, process), process=process)
            while not process.is_dead:
                scheduler.pause(30)

    def _worker(self, process: Process) -> None:
        """As `gpu_job.main` builds and ends it."""
        inbox: Any = Inbox(self.scheduler)
        self.network.inboxes[process] = inbox
        services = self._services
        claimant = Claimant(
            holder=process.name,
            lease_s=LEASE_S,
            now=self.scheduler.process_now,
            monotonic=self.scheduler.monotonic,
            **services,
        )
        renderer: Any = SimpleNamespace(render=self._draw, load_s=0.0, device_name="a die")
        workshop = Workshop(
            claimant=claimant,
            source=cast("Any", SteppedSource(self.queue, self.network)),
            renderer=lambda: renderer,
            folder=Path("/nowhere"),
            inbox=inbox,
            retry_backoff_s=10,
        )
        try:
            consumer.consume(workshop=workshop, patience_s=0.1, warm_s=1, monotonic=self.scheduler.monotonic)
        except (PreemptedError, HungError, Retryable) as exc:
            self.network.tell("leaves", "", type(exc).__name__)
        finally:
            self.scheduler.kill(process)

    def _draw(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        rng, fails = self.rng, self.profile.renderer_fails
        for step in range(4):
            self.scheduler.pause(rng.choice([0.5, 5, 30]))
            if rng.random() < fails and self.scheduler.time < self.profile.until_s:
                self.network.tell("RENDERER FAILS")
                errors = [
                    Retryable("no weights"),
                    Permanent("too odd", code=ErrorCode.RENDER_FAILED),
                    ValueError("odd"),
                ]
                if (which := rng.randrange(4)) == 3:
                    self.scheduler.pause(3000)  # hangs
                else:
                    raise errors[which]
            watch.moved(Stage.RENDERING, step, spec.steps)
        yield np.zeros((1, 1, 1, 3), np.float32)


def run(seed: int, *, reconciles: bool = True) -> Outcome:
    """One run from its seed to its end."""
    world = World(seed)
    world.reconciles &= reconciles
    with installed(world.scheduler):
        try:
            faults = world.play()
        except TooManyStepsError as exc:
            faults = [str(exc)]
        finally:
            world.scheduler.end()
    return Outcome(
        seed=seed,
        kind=world.profile.kind,
        faults=faults,
        log=world.network.log,
        injected=world.network.injected,
        steps=world.scheduler.steps,
        days=world.scheduler.time / 86_400,
        jobs=len(world.referee.jobs),
        commits=world.referee.commits,
    )
