"""The world of the intake tests: the services in memory, and messages that a test delivers by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from intake import take_in

from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, Render
from shared.messages import JOB_EVENTS, JobEvent, decode
from shared.requests import render_key
from shared.testing import AN_OFFER, Clock, FlakyPublisher, MeddledJobStore, a_spec
from tests.unit.admission_world import an_admission

if TYPE_CHECKING:
    from shared.job_store import Stored

WISH = {"perspective": "curious-cat", "seed": 1}
KEY = render_key(a_spec())


class VanishingJobStore(MeddledJobStore):
    """A job can be gone at the next reading, as if its time to live had ended."""

    job_vanishes = False
    #: Readings before that.
    readings = 0

    def job(self, job_id: str) -> Stored[Job] | None:
        if self.job_vanishes and self.readings:
            self.readings -= 1
        elif self.job_vanishes:
            self.job_vanishes = False
            del self._documents[Job, job_id]
        return super().job(job_id)


@dataclass
class World:
    """Everything that a message touches."""

    clock: Clock = field(default_factory=Clock)
    artifacts: InMemoryArtifactStore = field(default_factory=InMemoryArtifactStore)
    publisher: FlakyPublisher = field(default_factory=FlakyPublisher)

    def __post_init__(self) -> None:
        self.store = VanishingJobStore(now=self.clock.now)
        self.admission = an_admission(self.store, monotonic=self.clock.monotonic)

    def deliver(self, message: object, *, message_id: str = "17", **attributes: str) -> None:
        take_in(
            message if isinstance(message, bytes) else json.dumps(message).encode(),
            message_id=message_id,
            attributes=attributes,
            store=self.store,
            publisher=self.publisher,
            artifacts=self.artifacts,
            offer=AN_OFFER,
            admission=self.admission,
            now=self.clock.now,
        )

    @property
    def jobs(self) -> list[Job]:
        return [value for value, _ in self.store._documents.values() if isinstance(value, Job)]

    @property
    def only_job(self) -> Job:
        [job] = self.jobs
        return job

    @property
    def renders(self) -> list[Render]:
        return [value for value, _ in self.store._documents.values() if isinstance(value, Render)]

    @property
    def events(self) -> list[JobEvent]:
        return [decode(JobEvent, each.data) for each in self.publisher.published[JOB_EVENTS]]
