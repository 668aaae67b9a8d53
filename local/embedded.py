"""The embedded form: submit, worker and notify in one process. For machines without Java or without the emulators.

The same code as everywhere else, over the in-memory doubles of Firestore and Pub/Sub; videos lie in the local storage
emulator, so that links to them open in a browser. What is in memory is gone at the end. The intake is left out: no
other program can reach an in-memory topic. So is the scheduled bulk run, but not reconcile. Spans and measures lie in
the folder of the run, as those of the emulators' processes do, in one file.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from flask import Flask, Response, request
from google.auth.credentials import AnonymousCredentials
from google.auth.transport import requests as google_transport
from werkzeug.serving import WSGIRequestHandler, make_server

from gpu_job.attendance import Attendance
from gpu_job.consumer import consume
from gpu_job.heartbeat import WORK_THREAD, Interrupted, PreemptedError
from gpu_job.identities import read_identity
from gpu_job.lease import Claimant
from gpu_job.message_source.memory import InMemoryMessageSource
from gpu_job.render_job import Workshop
from local.bundles import ROOT
from local.processes import HOST, ensure_port_free
from local.run_folder import TELEMETRY_FOLDER
from local.signing_identity import make_signing_identity
from local.stack import BUCKET, LOCAL_LIMITS
from local.storage_emulator import serve_storage
from local.tokens import PROJECT
from shared.artifact_store.gcs import GcsArtifactStore
from shared.batch_store.memory import InMemoryBatchStore
from shared.batch_waking import wake_lost_batches
from shared.budget import Budget, Spending
from shared.crew_store.memory import InMemoryCrewStore
from shared.google_storage import storage_client
from shared.job_store.memory import InMemoryJobStore
from shared.manifest_store.gcs import GcsManifestStore
from shared.messages import BATCH_CHUNKS
from shared.otel import recorder_of
from shared.publisher.memory import InMemoryPublisher
from shared.safety.blocklist import blocklist
from shared.theme_store.memory import InMemoryThemeStore
from shared.tracing import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from admission import Admission
    from flask import Request
    from repairing import Repairer
    from submit_settings import SubmitSettings

    from gpu_job.heartbeat import Inbox
    from gpu_job.renderer import Renderer
    from shared.batch_store import BatchStore
    from shared.crew_store import CrewStore
    from shared.job_store import JobStore
    from shared.publisher.memory import PublishedMessage

log = logging.getLogger(__name__)

_FOREVER_S = float("inf")
#: How long one run of reconcile may take.
RECONCILE_LIMIT_S = 45.0
#: A step, or the decoding, of the pocket model takes no longer on a slow machine.
WORK_STOPS_S = 20.0
#: The one worker.
HOLDER = "embedded"
_EVENTS_PATH = "/_events"
#: All that Flask would else refuse by itself: the API has its own words for it.
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """The system while it runs."""

    api_url: str
    #: Why renders are not made any more; empty while all is well.
    faults: list[str]
    store: InMemoryJobStore
    publisher: InMemoryPublisher


def _route(app: Flask, answer: Callable[[Request], Response], finalized: Callable[[str, str], object]) -> None:
    """Events of the bucket to the one, everything else to the other."""

    @app.post(_EVENTS_PATH)
    def receive() -> Response:
        resource = request.get_json()
        finalized(resource["bucket"], resource["name"])
        return Response(status=204)

    @app.route("/", defaults={"path": ""}, methods=METHODS)
    @app.route("/<path:path>", methods=METHODS)
    def call(path: str) -> Response:  # noqa: ARG001 - the API routes by itself
        return answer(request)


@contextmanager
def serve_embedded(
    *,
    run_dir: Path,
    renderer: Callable[[], Renderer],
    port: int = 0,
    cors_origins: tuple[str, ...] = (),
    reconcile_every_s: float = 60.0,
) -> Iterator[Embedded]:
    """Run the system on threads of this process; at the end all of them have ended.

    Raises:
        LocalStackError: the port is taken.
    """
    for function in ("submit", "notify"):  # flat folders, as functions-framework loads them
        sys.path.append(str(ROOT / "functions" / function))
    from batch_desk import BatchDesk  # noqa: PLC0415
    from callers import Callers  # noqa: PLC0415
    from certificates import Certificates  # noqa: PLC0415
    from etas import Outlook  # noqa: PLC0415
    from expand_batch import take_chunk  # noqa: PLC0415
    from gallery import Gallery  # noqa: PLC0415
    from http_api import Api  # noqa: PLC0415
    from notifier import object_finalized  # noqa: PLC0415
    from pace import Pace  # noqa: PLC0415
    from queue_depth import Queue  # noqa: PLC0415
    from repairing import Repairer  # noqa: PLC0415
    from submit_settings import SubmitSettings  # noqa: PLC0415

    if port:
        ensure_port_free(HOST, port, wanted_by="API")
    app = Flask(__name__, static_folder=None)
    with ExitStack() as running:
        running.enter_context(_recorded(run_dir / TELEMETRY_FOLDER))
        server = make_server(HOST, port, app, threaded=True, request_handler=_QuietHandler)
        running.callback(server.server_close)
        url = f"http://{HOST}:{server.port}"
        key = run_dir / "signing-key.json"
        storage_url = running.enter_context(
            serve_storage(
                data_dir=run_dir / "storage", notify_url=url + _EVENTS_PATH, signing_key_file=key, buckets=[BUCKET]
            )
        )
        running.enter_context(_environment(GOOGLE_APPLICATION_CREDENTIALS=str(key)))
        store, publisher, crew = InMemoryJobStore(), InMemoryPublisher(), InMemoryCrewStore()
        client = storage_client(
            PROJECT, credentials=AnonymousCredentials(), client_options={"api_endpoint": storage_url}
        )
        artifacts = GcsArtifactStore(client, bucket=BUCKET)
        settings = SubmitSettings(
            google_cloud_project=PROJECT,
            artifact_bucket=BUCKET,
            cors_origins=cors_origins,
            unsigned_tokens=True,
            **{name.lower(): int(value) for name, value in LOCAL_LIMITS.items()},
        )
        admission = _admission(settings, store)
        budget = admission.budget
        desk = BatchDesk(
            batches=InMemoryBatchStore(),
            manifests=GcsManifestStore(client, bucket=BUCKET),
            store=store,
            publisher=publisher,
            artifacts=artifacts,
            offer=settings.offer,
            admission=admission,
            limits=settings.batch_limits,
            now=_now,
            monotonic=time.monotonic,
        )
        chunks = running.enter_context(ThreadPoolExecutor(1, "expand"))

        def receive_chunk(message: PublishedMessage) -> None:
            chunks.submit(take_chunk, message.data, desk=desk)

        publisher.subscribe(BATCH_CHUNKS, receive_chunk)
        api = Api(
            settings=settings,
            store=store,
            publisher=publisher,
            artifacts=artifacts,
            desk=desk,
            queue=Queue(store, crew=crew, budget=budget, monotonic=time.monotonic),
            outlook=Outlook(store, crew=crew, fleet=settings.fleet, budget=budget, now=_now, monotonic=time.monotonic),
            callers=Callers(
                settings=settings,
                certificates=Certificates(google_transport.Request(), monotonic=time.monotonic),
                now=_now,
            ),
            admission=admission,
            gallery=Gallery(
                store=store,
                artifacts=artifacts,
                now=_now,
                monotonic=time.monotonic,
                link_lifetime_s=settings.signed_url_lifetime_s,
            ),
            pace=Pace(settings.quota_opens_per_address, monotonic=time.monotonic),
            own_themes=InMemoryThemeStore(),
            now=_now,
        )
        repairer = Repairer(store=store, publisher=publisher, artifacts=artifacts, now=_now)

        _route(app, api.answer, lambda bucket, name: object_finalized(bucket, name, ours=BUCKET, repairer=repairer))
        workshop = Workshop(
            claimant=Claimant(
                holder=HOLDER, lease_s=60, store=store, artifacts=artifacts, publisher=publisher, now=_now
            ),
            source=InMemoryMessageSource(publisher, takes_bulk=budget.takes_bulk),
            renderer=renderer,
            folder=run_dir,
            inbox=queue.SimpleQueue(),
            identity=read_identity(str(make_signing_identity(run_dir / "signing-identity.pem"))),
            retry_backoff_s=1,
        )
        faults: list[str] = []
        running.enter_context(
            _thread(
                "worker",
                lambda: _work(workshop, crew, settings.served_models, faults),
                stop=lambda: _interrupt(workshop.inbox),
            )
        )
        running.enter_context(_thread("api", server.serve_forever, stop=server.shutdown))

        stopping = threading.Event()
        reconcile = partial(_reconcile, repairer, desk.batches, stopping, every_s=reconcile_every_s)
        running.enter_context(_thread("scheduler", reconcile, stop=stopping.set))
        yield Embedded(api_url=url, faults=faults, store=store, publisher=publisher)


def _work(workshop: Workshop, crew: CrewStore, models: tuple[str, ...], faults: list[str]) -> None:
    attendance = Attendance(crew=crew, holder=HOLDER, models=models, now=_now, monotonic=time.monotonic)
    try:
        consume(workshop=workshop, patience_s=_FOREVER_S, warm_s=_FOREVER_S, is_wanted=attendance.is_wanted)
    except PreemptedError:
        log.info("render given back", extra={"action": "preempt"})
        # torch must not be in the middle of something when the process ends; it stops at its next step.
        for thread in threading.enumerate():
            if thread.name == WORK_THREAD:
                thread.join(timeout=WORK_STOPS_S)
    except Exception as exc:
        log.exception("worker ended", extra={"action": "consume"})
        faults.append(f"The worker ended: {exc}")


def _reconcile(repairer: Repairer, batches: BatchStore, stopping: threading.Event, *, every_s: float) -> None:
    from queue_age import measure_queue_age  # noqa: PLC0415 - see above
    from reconciling import reconcile_all  # noqa: PLC0415

    while not stopping.wait(every_s):
        reconcile_all(repairer=repairer, time_limit_s=RECONCILE_LIMIT_S, monotonic=time.monotonic)
        wake_lost_batches(batches=batches, publisher=repairer.publisher, now=_now)
        measure_queue_age(store=repairer.store, now=_now)


@contextmanager
def _recorded(folder: Path) -> Iterator[None]:
    """Spans and measures of this process, in a file there, until all threads have ended."""
    recorder = recorder_of(f"file:{folder}", service="embedded", project=PROJECT)
    try:
        with recording(recorder):
            yield
    finally:
        recorder.close()


def _interrupt(inbox: Inbox) -> None:
    inbox.put(Interrupted())


@contextmanager
def _thread(name: str, target: Callable[[], object], *, stop: Callable[[], None]) -> Iterator[None]:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join()


def _admission(settings: SubmitSettings, store: JobStore) -> Admission:
    """As functions/submit/main.py has it."""
    from admission import Admission  # noqa: PLC0415 - see above
    from backlog import Backlog  # noqa: PLC0415

    return Admission(
        quotas=settings.quotas,
        backlog=Backlog(store, most=settings.backlog, monotonic=time.monotonic),
        budget=Budget(settings, spending=Spending(store, now=_now, monotonic=time.monotonic), now=_now),
        moderators=(blocklist(),),
    )


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """Set variables for this process for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _now() -> datetime:
    return datetime.now(UTC)


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: the worker's lines are what people look for."""
