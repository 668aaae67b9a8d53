"""The local stack with workers that render at once, and Google's clients on it: for benchmarks of all around a render.

Enters: how many workers, and what differs from the stack's defaults. Leaves: a running stack with connected clients.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from google.cloud import firestore

from local.emulator_finder import find_emulators
from local.stack import BUCKET, LocalStack, StackOptions
from local.tokens import PROJECT
from shared.artifact_store.gcs import GcsArtifactStore
from shared.google_storage import storage_client
from shared.job_store.firestore import FirestoreJobStore
from shared.publisher.pubsub import PubSubPublisher

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Of all eyes the one that takes least: not the optics are measured.
WISH: Final = {"perspective": "colour-deficient-walker", "size": "256x256"}


@dataclass(frozen=True, kw_only=True)
class Services:
    """Google's clients on a running stack."""

    stack: LocalStack
    database: firestore.Client
    store: FirestoreJobStore
    artifacts: GcsArtifactStore
    publisher: PubSubPublisher


@contextmanager
def instant_stack(
    *,
    workers: int,
    worker_env: Mapping[str, str] | None = None,
    reconcile_every_s: float = StackOptions.reconcile_every_s,
    has_telemetry: bool = True,
    firestore_heap_mib: int = StackOptions.firestore_heap_mib,
) -> Iterator[Services]:
    """The stack, in a folder of its own, until the end of the block.

    Args:
        workers: at most; with 0 nothing is rendered.
        worker_env: settings of the workers on top of their defaults.
        reconcile_every_s: seconds between two repairs.
        has_telemetry: keep spans and metrics, which costs the calls a little.
        firestore_heap_mib: for the documents of the emulator.

    Raises:
        LocalStackError: it can't be started; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        options = StackOptions(
            run_dir=Path(folder),
            models_dir=Path(folder),
            max_workers=workers,
            worker_module="local.instant_worker",
            worker_env=worker_env or {},
            reconcile_every_s=reconcile_every_s,
            has_telemetry=has_telemetry,
            firestore_heap_mib=firestore_heap_mib,
        )
        with LocalStack(options, binaries=find_emulators(download=True)) as stack:
            yield connect(stack)


def connect(stack: LocalStack) -> Services:
    """Clients for the emulators of the stack, which they find by the environment."""
    os.environ.update(stack.env)
    database = firestore.Client(project=PROJECT)
    return Services(
        stack=stack,
        database=database,
        store=FirestoreJobStore(database),
        artifacts=GcsArtifactStore(storage_client(PROJECT), bucket=BUCKET),
        publisher=PubSubPublisher(project=PROJECT),
    )
