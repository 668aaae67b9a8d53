"""Emulators, started once for all contract tests; each test has a project or a bucket of its own on them."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.oauth2.service_account import Credentials

from local.emulator_finder import find_emulators
from local.emulators import start_firestore, start_pubsub
from local.signing_key import make_signing_key
from local.storage_emulator import serve_storage
from local.topology import PUSHED, make_topology
from tests.contract.storage_world import Receiver, client_of
from tests.contract.worker_site import BUCKET, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from google.cloud import storage

    from local.emulator_finder import EmulatorBinaries
    from local.emulators import RunningEmulator


@pytest.fixture(scope="package")
def binaries() -> EmulatorBinaries:
    """Where they are not, it ends here with a line that says how to get them; ``-m "not emulators"`` needs none."""
    return find_emulators(download=False)


@pytest.fixture(scope="package")
def emulators(
    binaries: EmulatorBinaries, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[RunningEmulator, RunningEmulator]]:
    """Firestore and Pub/Sub, ready."""
    logs = tmp_path_factory.mktemp("logs")
    firestore = start_firestore(binaries, log_path=logs / "firestore.log")
    with firestore.process:
        pubsub = start_pubsub(binaries, log_path=logs / "pubsub.log")
        with pubsub.process:
            firestore.wait_ready()
            pubsub.wait_ready()
            yield firestore, pubsub


@pytest.fixture
def project(emulators: tuple[RunningEmulator, RunningEmulator], monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty project; Google's clients that are made during the test find it on the emulators."""
    for emulator in emulators:
        for name, value in emulator.env.items():
            monkeypatch.setenv(name, value)
    return f"test-{uuid.uuid4().hex[:20]}"


@pytest.fixture
def project_with_topics(project: str, emulators: tuple[RunningEmulator, RunningEmulator]) -> str:
    """A project with the topics and subscriptions of the local stack; nobody takes what is pushed to the intake."""
    make_topology(emulators[1].endpoint, project=project, urls=dict.fromkeys(PUSHED.values(), "http://127.0.0.1:9/"))
    return project


@pytest.fixture
def site(project_with_topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Where worker processes work, with a bucket of its own whose events are heard."""
    sites: list[Site] = []

    def notify(resource: dict[str, Any]) -> int:
        [site] = sites
        return site.notify(resource)

    with ExitStack() as after_the_last_event:
        receiver = after_the_last_event.enter_context(Receiver(answer=notify))
        with serve_storage(data_dir=tmp_path / "objects", buckets=[BUCKET], notify_url=receiver.url) as storage_url:
            monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_url)
            site = Site(project=project_with_topics, folder=tmp_path, storage_url=storage_url)
            after_the_last_event.callback(site.close)
            sites.append(site)
            yield site
            site.stop_workers()


@pytest.fixture(scope="package")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account that signs."""
    return make_signing_key(tmp_path_factory.mktemp("key") / "key.json")


@pytest.fixture(scope="package")
def storage_url(tmp_path_factory: pytest.TempPathFactory, key_file: Path) -> Iterator[str]:
    """One storage emulator without events for many tests, each with a bucket of its own."""
    with serve_storage(data_dir=tmp_path_factory.mktemp("data"), signing_key_file=key_file) as running:
        yield running


@pytest.fixture
def bucket(storage_url: str) -> storage.Bucket:
    """A new bucket."""
    return client_of(storage_url).create_bucket(f"bucket-{uuid.uuid4().hex}")


@pytest.fixture
def sign(key_file: Path, storage_url: str) -> Callable[..., str]:
    """Signs a URL of a blob, for a minute unless told."""
    credentials = Credentials.from_service_account_file(key_file)

    def sign_blob(blob: storage.Blob, *, lifetime_s: int = 60, **options: Any) -> str:
        return str(
            blob.generate_signed_url(
                **{"credentials": credentials, "method": "GET", "api_access_endpoint": storage_url, **options},
                version="v4",
                expiration=timedelta(seconds=lifetime_s),
            )
        )

    return sign_blob
