"""A run: who lives in it, and what they do. All that decides is the code that is deployed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from burying import bury_request
from notifier import object_finalized
from reconciling import reconcile_all
from repairing import Repairer

from shared.artifact_paths import render_key_of
from shared.batch_waking import wake_lost_batches
from shared.documents import FINAL
from shared.messages import RENDER_REQUESTS, RENDER_REQUESTS_DEAD
from tests.simulation.batching import Batching
from tests.simulation.clients import Clients
from tests.simulation.faults import Kind, draw
from tests.simulation.house import OUR_BUCKET, House
from tests.simulation.installed import installed
from tests.simulation.retention import Retention
from tests.simulation.scheduler import Process, TooManyStepsError
from tests.simulation.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from shared.artifact_store import Artifact
    from shared.batches import BatchState
    from tests.simulation.faults import Fault
    from tests.simulation.network import Line

#: The dust has settled so long after the beginning of an act, or never will.
END_S: Final = 3 * 86_400.0


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
    #: How each batch ended.
    batches: list[BatchState]
    #: Jobs that their owners deleted, or whose time was up.
    gone: int
    commits: int


class World:
    """Clients, workers, functions, and the services between them."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.house = House(rng, draw(rng))
        self.house.on_finalized = self._finalized
        self.house.publisher.subscribe(RENDER_REQUESTS_DEAD, lambda message: self._bury(message.data))
        self._clients = Clients(self.house)
        self._batching = Batching(self.house, self._clients)
        self._workers = Workers(self.house)
        self._retention = Retention(self.house, seed=seed)
        self._repairer = Repairer(now=self.house.scheduler.process_now, **self.house.services)
        self.reconciles = self.house.profile.kind is Kind.ROUGH

    def play(self) -> list[str]:
        """From the first wish until the dust has settled; in some runs once more, a month later."""
        house, profile = self.house, self.house.profile
        self._workers.start()
        self._act(
            [
                *(partial(self._clients.come, number) for number in range(profile.jobs)),
                *(partial(self._batching.come, number) for number in range(profile.batches)),
            ]
        )
        if profile.ages and not self.faults:
            self._retention.pass_time()
            house.network.faults_until_s = house.scheduler.time + profile.until_s
            sweep = partial(self._retention.run, house.network.faults_until_s)
            house.scheduler.spawn("retention", sweep, process=Process("retention"))
            self._act([partial(self._clients.come, 1000 + number) for number in range(profile.jobs)])
        return self.faults

    def _act(self, clients: list[partial[None]]) -> None:
        house, scheduler, rng = self.house, self.house.scheduler, self.house.rng
        ends_s = scheduler.time + END_S
        hour_s = scheduler.time + 3600
        rng.shuffle(clients)
        house.clients[:] = clients
        for _ in range(rng.randint(1, 3)):
            if house.clients:
                house.come(rng.uniform(0, 120))
        scheduler.spawn("mischief", self._mischief, process=Process("mischief"))
        while scheduler.time < ends_s and not self.faults:
            scheduler.pause(60 if scheduler.time < hour_s else 3600)
            if house.network.is_calm and self._is_quiet():
                break
            if house.network.is_calm and house.clients:
                house.come()
            if self.reconciles:
                house.persist("reconcile", self._reconcile, gives_up=1)
        none_failed = house.profile.kind is Kind.GENTLE
        house.referee.at_the_end(all_events=self.reconciles, none_failed=none_failed, lost=house.lost)

    @property
    def faults(self) -> list[str]:
        """What must not have happened so far."""
        crashes = [f"{actor.name} crashed: {exc!r}" for actor, exc in self.house.scheduler.crashes]
        return [*self.house.referee.faults, *crashes]

    def _is_quiet(self) -> bool:
        house = self.house
        told = all(job.status in FINAL and not (self.reconciles and job.event_pending) for job in house.referee.jobs)
        is_over = told and house.referee.batches.are_over
        return is_over and not (house.clients or house.queue.size) and house.scheduler.alive == self._workers.slots

    # Functions.

    def _finalized(self, artifact: Artifact) -> None:
        """Eventarc: at least once, and late."""
        self.house.somebody_comes(0.5)
        if render_key_of(artifact.name) is not None:
            tell = partial(object_finalized, OUR_BUCKET, artifact.name, ours=OUR_BUCKET, repairer=self._repairer)
            self.house.deliver("notify", tell, subject=artifact.name)
        elif self.house.rng.random() < self.house.profile.deleted / 2:
            self._clients.delete_all_that_wait_for(artifact.name.split("/")[1])

    def _bury(self, data: bytes) -> None:
        self.house.persist("bury", partial(bury_request, data, repairer=self._repairer))

    def _reconcile(self) -> None:
        repairer, desk = self._repairer, self._batching.desk
        reconcile_all(repairer=repairer, time_limit_s=50, monotonic=self.house.scheduler.monotonic)
        wake_lost_batches(batches=desk.batches, publisher=desk.publisher, now=desk.now)

    def _mischief(self) -> None:
        house, rng = self.house, self.house.rng
        while not house.network.is_calm:
            house.scheduler.pause(rng.expovariate(1 / house.profile.mischief_s))
            if rng.random() < 0.02:
                house.publisher.publish(RENDER_REQUESTS, b"rubbish", attributes={})
                house.network.tell("RUBBISH")
            else:
                done = house.queue.disturb()
                if done != "nothing":
                    house.network.tell(done)


def run(seed: int, *, reconciles: bool = True) -> Outcome:
    """One run from its seed to its end."""
    world = World(seed)
    world.reconciles &= reconciles
    with installed(world.house.scheduler):
        try:
            faults = world.play()
        except TooManyStepsError as exc:
            faults = [str(exc)]
        finally:
            world.house.scheduler.end()
    return Outcome(
        seed=seed,
        kind=world.house.profile.kind,
        faults=faults,
        log=world.house.network.log,
        injected=world.house.network.injected,
        steps=world.house.scheduler.steps,
        days=world.house.scheduler.time / 86_400,
        jobs=len(world.house.referee.jobs),
        batches=world.house.referee.batches.ends,
        gone=world.house.referee.gone,
        commits=world.house.referee.commits,
    )
