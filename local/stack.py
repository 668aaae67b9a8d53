"""The whole system on one machine: Google's emulators, both functions from their bundles, and workers as needed.

Enters: `StackOptions`. Leaves: a running `LocalStack` with the address of its API, and nothing once it has stopped.
Differences from the cloud: the storage emulator delivers its events straight to ``notify``, with no Eventarc in
between; Pub/Sub pushes straight to ``intake``; workers are processes, and a thread starts them.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Self

import requests

from local.bundles import ROOT, make_bundles
from local.emulators import FIRESTORE_HEAP_MIB, start_firestore, start_pubsub
from local.processes import HOST, ChildProcess, ensure_port_free, free_port
from local.run_folder import TELEMETRY_FOLDER
from local.signing_identity import make_signing_identity
from local.signing_key import make_signing_key
from local.tokens import PROJECT
from local.topology import make_topology
from local.workers import Workers, bulk_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from local.emulator_finder import EmulatorBinaries
    from local.emulators import RunningEmulator

BUCKET = "life-as-not-me-artifacts"
#: For people's manifests of batches.
MANIFEST_BUCKET = "life-as-not-me-manifests"
#: What a browser may do to the database, as in the cloud.
RULES = ROOT / "terraform" / "firestore.rules"
#: Whoever has the machine has its time: quotas are there, but nobody meets them by trying things out.
LOCAL_LIMITS = {
    "QUOTA_JOBS": "1000",
    "QUOTA_JOBS_OF_SYSTEM": "1000",
    "QUOTA_GPU_S": "86400",
    "QUOTA_JOBS_PER_ADDRESS": "1000",
    # A process instead of a machine: what estimates know of a worker that is started here.
    "WORKER_START_MIN_S": "1",
    "WORKER_START_MAX_S": "20",
    "BATCH_MAX_ROWS_OF_PERSON": "100000",
}
READY_TIMEOUT_S = 90.0
RECONCILE_TIMEOUT_S = 60.0
#: Each service, the bundle it runs from, and its functions-framework signature.
FUNCTIONS = (
    ("submit", "submit", "http"),
    ("intake", "submit", "cloudevent"),
    ("expand", "submit", "cloudevent"),
    ("schedule", "submit", "cloudevent"),
    ("notify", "notify", "cloudevent"),
    ("bury", "notify", "cloudevent"),
    ("reconcile", "notify", "http"),
)
#: What the parts inherit. Anything else might lead one to a real project, past its bundle, or to odd settings.
INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "LANG",
    "LC_",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_",
    "HF_",
    "SSL_",
)


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """How the stack shall be."""

    #: Where logs, objects and bundles of this run go.
    run_dir: Path
    models_dir: Path
    #: Port of the API; 0 draws a free one.
    port: int = 0
    #: Pages that may call the API.
    cors_origins: tuple[str, ...] = ("http://localhost:5173", "http://127.0.0.1:5173")
    max_workers: int = 1
    #: Run with ``python -m``; another one renders without a model.
    worker_module: str = "gpu_job.main"
    #: Keep spans and metrics, in files. They are written at once, which a benchmark would measure; a cloud sends later.
    has_telemetry: bool = True
    #: How often what should have happened and did not is repaired.
    reconcile_every_s: float = 60.0
    #: For more documents than some ten thousand.
    firestore_heap_mib: int = FIRESTORE_HEAP_MIB
    #: Settings of the worker on top of its defaults.
    worker_env: Mapping[str, str] = field(default_factory=dict)


class LocalStack:
    """Starts on ``with``, stops at its end.

    Args:
        say: hears of each part that is ready, and after how many seconds.
    """

    def __init__(
        self,
        options: StackOptions,
        *,
        binaries: EmulatorBinaries,
        say: Callable[[str, float], None] = lambda _name, _seconds: None,
    ) -> None:
        self._options = options
        self._binaries = binaries
        self._say = say
        self._services: list[ChildProcess] = []
        self._workers: Workers | None = None
        self._scheduler: threading.Thread | None = None
        self._stopping = threading.Event()
        self._pubsub: RunningEmulator | None = None
        self._queue_token = secrets.token_urlsafe(16)
        self._urls: dict[str, str] = {}
        #: What a program needs in its environment to use Google's clients on this stack.
        self.env: dict[str, str] = {}

    @property
    def api_url(self) -> str:
        """Address of the API."""
        return self._urls["submit"]

    @property
    def notify_url(self) -> str:
        """Address of ``notify``, for events made by hand."""
        return self._urls["notify"]

    @property
    def reconcile_url(self) -> str:
        """Address of ``reconcile``, for an operator."""
        return self._urls["reconcile"]

    @property
    def fault(self) -> str | None:
        """Why renders are not made any more; None while all is well."""
        return self._workers.fault if self._workers else None

    @property
    def logs(self) -> Path:
        """Folder with a log for each process."""
        return self._options.run_dir / "logs"

    @property
    def telemetry(self) -> Path:
        """Folder with the spans and measures of each process."""
        return self._options.run_dir / TELEMETRY_FOLDER

    @property
    def signing_identity(self) -> Path:
        """Who signs the videos of this run: a PEM file. Beside it lies who vouches for it."""
        return self._options.run_dir / "signing-identity.pem"

    def service(self, name: str) -> ChildProcess:
        """The process of that name."""
        return next(each for each in self._services if each.name == name)

    @property
    def services(self) -> list[ChildProcess]:
        """Every process but the workers."""
        return list(self._services)

    @property
    def workers(self) -> list[ChildProcess]:
        """The workers that run now."""
        return self._workers.running if self._workers else []

    def start(self) -> Self:
        """Start everything, and return when all of it answers.

        Raises:
            LocalStackError: something is missing, a port is taken, or a part did not come up; nothing is left running.
        """
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything, the workers first; twice is once."""
        self._stopping.set()
        if self._scheduler:
            self._scheduler.join()
        if self._workers:
            self._workers.stop()
        with ThreadPoolExecutor(max(1, len(self._services))) as pool:
            list(pool.map(ChildProcess.stop, self._services))
        self._services.clear()

    def stop_workers(self) -> None:
        """Stop them, and start no more: what is submitted from now on waits."""
        if self._workers:
            self._workers.stop()

    def restart_pubsub(self) -> None:
        """End the Pub/Sub emulator and start it anew in the same place: every message is lost, as in no cloud."""
        assert self._pubsub is not None, "the stack is running"
        self._pubsub.stop()
        self._services.remove(self._pubsub.process)
        host, port = self._pubsub.endpoint.split(":")
        self._pubsub = start_pubsub(self._binaries, host=host, port=int(port), log_path=self.logs / "pubsub-2.log")
        self._services.append(self._pubsub.process)
        self._pubsub.wait_ready(timeout_s=READY_TIMEOUT_S)
        self._make_topology(self._pubsub.endpoint)

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _start(self) -> None:
        options, begun = self._options, time.monotonic()
        if options.port:
            ensure_port_free(HOST, options.port, wanted_by="API")
        firestore = start_firestore(
            self._binaries,
            host=HOST,
            log_path=self.logs / "firestore.log",
            rules=RULES,
            heap_mib=options.firestore_heap_mib,
        )
        self._services.append(firestore.process)
        pubsub = start_pubsub(self._binaries, host=HOST, log_path=self.logs / "pubsub.log")
        self._services.append(pubsub.process)
        self._pubsub = pubsub
        bundles = make_bundles(options.run_dir / "build")
        key = make_signing_key(options.run_dir / "signing-key.json")
        make_signing_identity(self.signing_identity)
        ports = {name: free_port(HOST) for name in ("storage", *(name for name, _, _ in FUNCTIONS))}
        ports["submit"] = options.port or ports["submit"]
        self._urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
        self.env = {
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "GOOGLE_APPLICATION_CREDENTIALS": str(key),
            "STORAGE_EMULATOR_HOST": self._urls["storage"],
            "ARTIFACT_BUCKET": BUCKET,
            "BATCH_BUCKETS": MANIFEST_BUCKET,
            "TELEMETRY": f"file:{self.telemetry}" if options.has_telemetry else "none",
            **LOCAL_LIMITS,
            **firestore.env,
            **pubsub.env,
        }
        storage = ["--data", str(options.run_dir / "storage"), "--notify-url", self.notify_url]
        storage += ["--bucket", BUCKET, "--bucket", MANIFEST_BUCKET]
        key_file = ["--signing-key-file", str(key)]
        self._serve("storage", ["local.storage_emulator", *storage, *key_file], port=ports["storage"], cwd=ROOT)
        for name, bundle, signature in FUNCTIONS:
            target = ["--target", name, "--source", "main.py", "--signature-type", signature]
            self._serve(name, ["functions_framework", *target], port=ports[name], cwd=bundles[bundle])
        for emulator in (firestore, pubsub):
            emulator.wait_ready(timeout_s=READY_TIMEOUT_S)
            self._say(emulator.process.name, time.monotonic() - begun)
        self._make_topology(pubsub.endpoint)
        for service in self._services:
            if url := self._urls.get(service.name):
                # The API reads its settings at its first call.
                seen = f"{url}/perspectives" if service.name == "submit" else url
                service.wait_ready(partial(_answers, seen), timeout_s=READY_TIMEOUT_S)
                self._say(service.name, time.monotonic() - begun)
        self._workers = Workers(
            renders_to_do=self._renders_to_do, start_worker=self._start_worker, limit=options.max_workers
        )
        self._scheduler = threading.Thread(target=self._reconcile, name="scheduler", daemon=True)
        self._scheduler.start()

    def _make_topology(self, endpoint: str) -> None:
        make_topology(endpoint, project=PROJECT, urls=self._urls)

    def _serve(self, name: str, module: list[str], *, port: int, cwd: Path) -> None:
        extra = {
            "CORS_ORIGINS": ",".join(self._options.cors_origins),
            "QUEUE_TOKEN": self._queue_token,
            "UNSIGNED_TOKENS": "true",
        }
        argv = [sys.executable, "-m", *module, "--host", HOST, "--port", str(port)]
        self._services.append(
            ChildProcess(name=name, argv=argv, log_path=self.logs / f"{name}.log", env=self._clean(extra), cwd=cwd)
        )

    def _start_worker(self, number: int) -> ChildProcess:
        extra = {
            "SIGNING_IDENTITY": str(self.signing_identity),
            "MODELS_DIR": str(self._options.models_dir),
            "HOSTNAME": f"worker-{number}",
            # Waiting threads that spin cost a shared machine up to nine times the rendering time.
            "OMP_WAIT_POLICY": "PASSIVE",
            "GOMP_SPINCOUNT": "0",
        }
        return ChildProcess(
            name=f"worker {number}",
            argv=[sys.executable, "-m", self._options.worker_module],
            log_path=self.logs / f"worker-{number}.log",
            env=self._clean(extra | dict(self._options.worker_env)),
            cwd=ROOT,
        )

    def _clean(self, extra: dict[str, str]) -> dict[str, str]:
        """What may be inherited of this process's environment, and what belongs to the stack."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(INHERITED)}
        return kept | {"PYTHONUNBUFFERED": "1"} | self.env | extra

    def _renders_to_do(self) -> int:
        url = f"{self.api_url}/queue?bulk_at_most={bulk_workers(self._options.max_workers)}"
        headers = {"Authorization": f"Bearer {self._queue_token}"}
        try:
            return int(requests.get(url, headers=headers, timeout=5).json()["renders"])
        except (requests.RequestException, ValueError, KeyError):
            return 0

    def _reconcile(self) -> None:
        """What Cloud Scheduler does: repair every minute what should have happened and did not."""
        while not self._stopping.wait(self._options.reconcile_every_s):
            with suppress(requests.RequestException):
                requests.post(self._urls["reconcile"], timeout=RECONCILE_TIMEOUT_S)


def _answers(url: str) -> bool:
    """Whether a service is ready. A function that takes events refuses a GET, and does so once it is loaded."""
    try:
        return requests.get(url, timeout=2).status_code < HTTPStatus.INTERNAL_SERVER_ERROR
    except requests.RequestException:
        return False
