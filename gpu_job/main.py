"""The worker's composition root: ``python -m gpu_job.main``.

Exits 0 when the queue is empty or it was told to go, 1 when the worker itself is at fault and another may do better.
"""

from __future__ import annotations

import logging
import os
import queue
import secrets
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from google.cloud import firestore

from gpu_job.attendance import Attendance
from gpu_job.cold_start import ColdStart, process_age_s
from gpu_job.consumer import consume
from gpu_job.heartbeat import HungError, Interrupted, PreemptedError
from gpu_job.identities import read_identity
from gpu_job.lease import Claimant
from gpu_job.message_source.pubsub import PubSubMessageSource
from gpu_job.provenance import IdentityError
from gpu_job.render_job import Workshop
from gpu_job.renderer import UnfitError
from gpu_job.warm_up import warm_up
from gpu_job.worker_settings import WorkerSettings
from shared import tracing
from shared.artifact_store.gcs import GcsArtifactStore
from shared.budget import Budget, Spending
from shared.crew_store.firestore import FirestoreCrewStore
from shared.errors import Retryable
from shared.google_storage import storage_client
from shared.job_store.firestore import FirestoreJobStore
from shared.publisher.pubsub import PubSubPublisher
from shared.settings import SettingsError, read_settings
from shared.telemetry import configure

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from gpu_job.heartbeat import Inbox
    from gpu_job.renderer import Renderer

log = logging.getLogger(__name__)

#: A worker that was told to go is gone after this long, come what may: a Spot node gives 15 s.
GRACE_S = 9
#: Longest answer of Firestore. A call that hangs when the signal comes ends in time for the lease to be given back.
STORE_TIMEOUT_S = 4.0


def main(renderer_of: Callable[[WorkerSettings], Renderer] | None = None) -> NoReturn:
    """Run one worker to its end."""
    process_s = process_age_s()
    try:
        settings = read_settings(WorkerSettings, os.environ)
    except SettingsError as exc:
        sys.exit(str(exc))
    project = settings.google_cloud_project
    configure(service="gpu_job", level=settings.log_level, project=project)
    tracing.start(settings.telemetry, service="gpu_job", project=project)
    inbox: Inbox = queue.SimpleQueue()
    _leave_on_signals(inbox)
    # The work may be in the middle of a long step: no waiting for its thread, nor for those of the clients.
    code = _run(settings, inbox, renderer_of or _diffusers_renderer, ColdStart(process_s=process_s))
    tracing.flush(is_last=True)
    os._exit(code)


def _run(
    settings: WorkerSettings,
    inbox: Inbox,
    renderer_of: Callable[[WorkerSettings], Renderer],
    cold_start: ColdStart,
) -> int:
    project = settings.google_cloud_project
    try:
        identity = read_identity(settings.signing_identity)
    except IdentityError as exc:
        log.critical("worker is unfit", extra={"action": "sign", "reason": str(exc)}, exc_info=True)
        return 1
    database = firestore.Client(project=project)
    store = FirestoreJobStore(database, timeout_s=STORE_TIMEOUT_S)
    budget = Budget(settings, spending=Spending(store, now=_now, monotonic=time.monotonic), now=_now)
    holder = f"{settings.hostname}-{secrets.token_hex(4)}"
    attendance = Attendance(
        crew=FirestoreCrewStore(database, timeout_s=STORE_TIMEOUT_S),
        holder=holder,
        models=settings.served_models,
        now=_now,
        monotonic=time.monotonic,
    )
    with tempfile.TemporaryDirectory(prefix="life-as-not-me-", ignore_cleanup_errors=True) as folder:
        workshop = Workshop(
            claimant=Claimant(
                holder=holder,
                lease_s=settings.lease_s,
                store=store,
                artifacts=GcsArtifactStore(storage_client(project), bucket=settings.artifact_bucket),
                publisher=PubSubPublisher(project=project),
                now=_now,
            ),
            source=PubSubMessageSource(project=project, takes_bulk=budget.takes_bulk),
            renderer=cache(lambda: cold_start.imported(lambda: renderer_of(settings))),
            folder=Path(folder),
            device=settings.device,
            inbox=inbox,
            identity=identity,
            retry_backoff_s=settings.retry_backoff_s,
            cold_start=cold_start,
        )
        try:
            if settings.warm_up and attendance.is_wanted():
                with cold_start.warming(workshop.renderer):
                    warm_up(settings.served_models, renderer=workshop.renderer, inbox=inbox)
            log.info("worker is ready", extra={"action": "ready", "models": settings.served_models})
            if settings.ready_file:
                settings.ready_file.touch()
            consume(
                workshop=workshop,
                patience_s=settings.patience_s,
                warm_s=settings.warm_s,
                is_wanted=attendance.is_wanted,
            )
        except PreemptedError:
            log.info("worker goes, its render was given back", extra={"action": "preempt"})
        except UnfitError as exc:
            log.critical("worker is unfit", extra={"action": "consume", "reason": str(exc)}, exc_info=True)
            return 1
        except (HungError, Retryable):
            log.exception("worker gives up", extra={"action": "consume"})
            return 1
        finally:
            attendance.leave()
    return 0


def _now() -> datetime:
    return datetime.now(UTC)


def _diffusers_renderer(settings: WorkerSettings) -> Renderer:
    from gpu_job.diffusers_renderer import DiffusersRenderer  # noqa: PLC0415 - imports torch: only once there is work

    return DiffusersRenderer(
        settings.models_dir,
        device=settings.device,
        threads=settings.threads,
        served=settings.served_models,
        kernels_dir=settings.kernels_dir,
    )


def _leave_on_signals(inbox: Inbox) -> None:
    def leave(_signal: int, _frame: FrameType | None) -> None:
        inbox.put(Interrupted())
        signal.alarm(GRACE_S)

    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)


if __name__ == "__main__":
    main()
