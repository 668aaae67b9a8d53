"""Google's emulators, started once for all contract tests; each test has a project of its own on them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from local.emulator_finder import find_emulators
from local.emulators import start_firestore, start_pubsub
from local.topology import make_topology

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.emulator_finder import EmulatorBinaries
    from local.emulators import RunningEmulator


@pytest.fixture(scope="session")
def binaries() -> EmulatorBinaries:
    """A machine without them fails here with one line that says how to get them; ``-m "not emulators"`` goes without."""
    return find_emulators(download=False)


@pytest.fixture(scope="session")
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
    make_topology(emulators[1].endpoint, project=project, intake_url="http://127.0.0.1:9/")
    return project
