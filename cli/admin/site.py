"""The site: which system is looked at, and Google's clients on it.

Enters: a project, or nothing. Leaves: a `Site`: a project in the cloud by application-default credentials, the system
that runs on this machine, or the one that the emulators' own variables name.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cli.here import announcement
from shared.errors import LifeAsNotMeError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from shared.artifact_store import ArtifactStore
    from shared.budget import Budget
    from shared.crew_store import CrewStore
    from shared.job_store import JobStore
    from shared.publisher import Publisher

#: By these, Google's clients find emulators.
EMULATORS: Final = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")
#: As terraform/buckets.tf names it, in a deployment of the default name.
BUCKET_OF_PROJECT: Final = "{project}-lifeasnotme-artifacts"


class NoSiteError(LifeAsNotMeError):
    """There is nothing to look at, or it is not clear what; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a system is."""

    project: str
    bucket: str
    #: Of the system on this machine; empty: Google's cloud, or what the environment says already.
    env: Mapping[str, str]
    #: Logs of its processes; None: they are somewhere else.
    log_dir: Path | None = None
    is_local: bool = True

    @property
    def name(self) -> str:
        """For people."""
        return "this machine" if self.is_local else f"project {self.project}"


@dataclass(frozen=True, kw_only=True)
class Site:
    """A system that can be looked at."""

    place: Place
    store: JobStore
    artifacts: ArtifactStore
    publisher: Publisher
    crew: CrewStore

    def now(self) -> datetime:
        """This machine's clock: what it writes is compared with nothing but clocks that are set as well."""
        return datetime.now(UTC)


def find_place(*, project: str | None, bucket: str | None, environ: Mapping[str, str]) -> Place:
    """Where the system is that somebody means.

    Raises:
        NoSiteError: none is meant, or two.
    """
    if project:
        if found := [name for name in EMULATORS if environ.get(name)]:
            raise NoSiteError(f"{found[0]} is set, so {project} would be looked for on emulators: unset it.")
        bucket = bucket or BUCKET_OF_PROJECT.format(project=project)
        return Place(project=project, bucket=bucket, env={}, is_local=False)
    said = announcement()
    if environ.get(EMULATORS[0]) and (known := environ.get("GOOGLE_CLOUD_PROJECT")):
        has_logs = said is not None and said.env.get(EMULATORS[0]) == environ[EMULATORS[0]]
        log_dir = said.run_dir / "logs" if has_logs and said and said.run_dir else None
        return Place(project=known, bucket=bucket or environ.get("ARTIFACT_BUCKET", ""), env={}, log_dir=log_dir)
    if said is None:
        raise NoSiteError("No system: start one with `lifeasnotme up`, or name one in the cloud with --project.")
    if not said.env:
        raise NoSiteError("The system here runs embedded, in memory of its own: start it with the emulators.")
    return Place(
        project=said.env["GOOGLE_CLOUD_PROJECT"],
        bucket=bucket or said.env["ARTIFACT_BUCKET"],
        env=said.env,
        log_dir=said.run_dir / "logs" if said.run_dir else None,
    )


def budget_of(site: Site, environ: Mapping[str, str]) -> Budget:
    """The budget of a day, by the limits that the system here has, or that the environment says.

    Of a system in the cloud nobody but its deployables knows them.

    Raises:
        SettingsError: the environment says what makes no sense.
    """
    from shared.budget import Budget, BudgetSettings, Spending  # noqa: PLC0415
    from shared.settings import read_settings  # noqa: PLC0415

    said = {**environ, **site.place.env}
    known: dict[str, str] = {name: said[name] for name in ("BUDGET_BULK_GPU_S", "BUDGET_GPU_S") if name in said}
    settings = read_settings(BudgetSettings, {**known, "GOOGLE_CLOUD_PROJECT": site.place.project})
    spending = Spending(site.store, now=site.now, monotonic=time.monotonic)
    return Budget(settings, spending=spending, now=site.now)


def connect(place: Place) -> Site:
    """Clients on a system. They find emulators by the environment of this process."""
    from google.cloud import firestore  # noqa: PLC0415 - a second, which --help needs not

    from shared.artifact_store.gcs import GcsArtifactStore  # noqa: PLC0415
    from shared.crew_store.firestore import FirestoreCrewStore  # noqa: PLC0415
    from shared.google_storage import storage_client  # noqa: PLC0415
    from shared.job_store.firestore import FirestoreJobStore  # noqa: PLC0415
    from shared.publisher.pubsub import PubSubPublisher  # noqa: PLC0415

    os.environ.update(place.env)
    database = firestore.Client(project=place.project)
    return Site(
        place=place,
        store=FirestoreJobStore(database),
        artifacts=GcsArtifactStore(storage_client(place.project), bucket=place.bucket),
        publisher=PubSubPublisher(project=place.project),
        crew=FirestoreCrewStore(database),
    )
