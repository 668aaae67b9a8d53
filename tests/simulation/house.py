"""What everybody who lives in a run has in common: the services, the die, and calls that are repeated."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from shared.artifact_store import ArtifactExists
from shared.errors import Retryable
from shared.manifest_store.memory import InMemoryManifestStore
from shared.publisher.memory import InMemoryPublisher
from tests.simulation.network import Network, Stepped
from tests.simulation.referee import Referee
from tests.simulation.scheduler import Killed, Process, Scheduler
from tests.simulation.services import SimulatedBatches, SimulatedBucket, SimulatedQueue, SimulatedStore

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from shared.artifact_store import Artifact
    from tests.simulation.faults import Profile

OUR_BUCKET: Final = "artifacts"


class House:
    """The services of a run, and how functions and clients call them."""

    def __init__(self, rng: random.Random, profile: Profile) -> None:
        self.rng = rng
        self.profile = profile
        self.scheduler = Scheduler(rng)
        self.referee = Referee()
        self.network = Network(self.scheduler, profile, self.referee)
        self.bucket = SimulatedBucket(self.scheduler, self.referee, on_finalized=self._finalized)
        self.store = SimulatedStore(self.scheduler, self.referee)
        self.store.on_commit = partial(self.somebody_comes, 0.03)
        self.batches = SimulatedBatches(self.scheduler, self.referee)
        self.manifests = InMemoryManifestStore(bucket=OUR_BUCKET)
        self.publisher = InMemoryPublisher()
        self.queue = SimulatedQueue(self.publisher, self.scheduler, profile, self.referee, self.network)
        #: As every use case gets them: each call is a step.
        self.services: dict[str, Any] = {
            "store": Stepped(self.store, self.network),
            "publisher": Stepped(self.publisher, self.network),
            "artifacts": Stepped(self.bucket, self.network, conflict=ArtifactExists),
        }
        #: Hears of every object.
        self.on_finalized: Callable[[Artifact], None] = lambda _: None
        #: What functions were not told of.
        self.lost: set[str] = set()
        #: Those that have not come yet.
        self.clients: list[Callable[[], None]] = []

    def _finalized(self, artifact: Artifact) -> None:
        self.on_finalized(artifact)

    def somebody_comes(self, chance: float) -> None:
        """The worst moment for a wish is while others write, and above all while they finish."""
        if self.clients and self.rng.random() < chance:
            after_s = self.rng.choice([0.0, self.rng.uniform(0, 1), self.rng.uniform(0, 10)])
            self.come(after_s)

    def come(self, after_s: float = 0.0) -> None:
        """The next client."""
        self.scheduler.spawn("client", self.clients.pop(), process=Process("client"), after_s=after_s)

    def deliver(self, name: str, act: Callable[[], object], *, subject: str) -> None:
        """An event or a message for a function: at least once, perhaps late, unless it gets lost."""
        rng, profile = self.rng, self.profile
        if rng.random() < profile.lose and not self.network.is_calm:
            self.network.tell("IS NOT TOLD", f"{name} of {subject}")
            self.lost.add(subject)
            return
        for _ in range(rng.choice([1] * 9 + [2])):
            after_s = rng.uniform(0, 300) if rng.random() < profile.delay / 6 else 0.0
            self.persist(name, act, after_s=after_s)

    def persist(self, name: str, act: Callable[[], object], *, gives_up: float = 0.0, after_s: float = 0.0) -> None:
        """What fails or dies is called again, by the client, by Eventarc, by Pub/Sub, or by nobody."""

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
