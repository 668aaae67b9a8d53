"""Workers: a slot starts a process whenever a message is due, and the process lives as `gpu_job.main` builds it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from gpu_job import consumer
from gpu_job.heartbeat import HungError, PreemptedError
from gpu_job.lease import Claimant
from gpu_job.render_job import Workshop
from gpu_job.renderer import Account
from shared.documents import Stage
from shared.errors import ErrorCode, Permanent, Retryable
from tests.simulation.network import SteppedSource
from tests.simulation.scheduler import Inbox, Process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gpu_job.renderer import Watch
    from shared.requests import RenderSpec
    from tests.simulation.house import House

LEASE_S: Final = 60.0


class Workers:
    """As many at a time as there are slots."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._slots: list[Any] = []
        house.queue.on_change = self._wake_slots

    def start(self) -> None:
        """Make the slots."""
        for number in range(self._house.profile.workers):
            slot = self._house.scheduler.spawn(f"slot-{number}", partial(self._slot, number), process=Process("slot"))
            self._slots.append(slot)

    @property
    def slots(self) -> int:
        """Actors that live as long as the run."""
        return len(self._slots)

    def _wake_slots(self) -> None:
        for slot in self._slots:
            self._house.scheduler.wake(slot, after_s=max(0.0, self._house.queue.due_s))

    def _slot(self, number: int) -> None:
        scheduler, rng, started = self._house.scheduler, self._house.rng, 0
        while True:
            while (wait_s := self._house.queue.due_s) > 0:
                scheduler.pause(wait_s)
            scheduler.pause(rng.uniform(0, 20))
            skew_s = self._house.profile.skew_s * rng.uniform(-1, 1)
            started += 1
            process = Process(f"worker-{number}.{started}", is_worker=True, skew_s=skew_s)
            scheduler.spawn(process.name, partial(self._worker, process), process=process)
            while not process.is_dead:
                scheduler.pause(30)

    def _worker(self, process: Process) -> None:
        """As `gpu_job.main` builds and ends it."""
        inbox: Any = Inbox(self._house.scheduler)
        self._house.network.inboxes[process] = inbox
        services = self._house.services
        claimant = Claimant(
            holder=process.name,
            lease_s=LEASE_S,
            now=self._house.scheduler.process_now,
            monotonic=self._house.scheduler.monotonic,
            **services,
        )
        renderer: Any = SimpleNamespace(render=self._draw, load_s=0.0, device_name="a die", account=Account())
        workshop = Workshop(
            claimant=claimant,
            source=cast("Any", SteppedSource(self._house.queue, self._house.network)),
            renderer=lambda: renderer,
            folder=Path("/nowhere"),
            inbox=inbox,
            retry_backoff_s=10,
        )
        try:
            consumer.consume(workshop=workshop, patience_s=0.1, warm_s=1, monotonic=self._house.scheduler.monotonic)
        except (PreemptedError, HungError, Retryable) as exc:
            self._house.network.tell("leaves", "", type(exc).__name__)
        finally:
            self._house.scheduler.kill(process)

    def _draw(self, spec: RenderSpec, *, watch: Watch) -> Iterator[NDArray[np.float32]]:
        rng, fails = self._house.rng, self._house.profile.renderer_fails
        for step in range(4):
            self._house.scheduler.pause(rng.choice([0.5, 5, 30]))
            if rng.random() < fails and not self._house.network.is_calm:
                self._house.network.tell("RENDERER FAILS")
                errors = [
                    Retryable("no weights"),
                    Permanent("too odd", code=ErrorCode.RENDER_FAILED),
                    ValueError("odd"),
                ]
                if (which := rng.randrange(4)) == 3:
                    self._house.scheduler.pause(3000)  # hangs
                else:
                    raise errors[which]
            watch.moved(Stage.RENDERING, step, spec.steps)
        yield np.zeros((1, 1, 1, 3), np.float32)
