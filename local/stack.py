"""The whole system on one machine: Google's emulators, both functions from their bundles, and workers as needed.

Enters: `StackOptions`. Leaves: a running `LocalStack` with the address of its API, and nothing once it has stopped.
Differences from the cloud: the storage emulator delivers its events straight to ``notify`` (no Eventarc in between), and a thread
here starts workers by the length of the queue, as KEDA does there.
"""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import requests

from local.bundles import ROOT, make_bundles
from local.emulators import find_emulators, start_firestore, start_pubsub
from local.errors import LocalStackError
from local.processes import ChildProcess, ensure_port_free, free_port
from local.signing_key import make_signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from local.emulators import EmulatorBinaries

PROJECT = "life-as-not-me"
BUCKET = "life-as-not-me-artifacts"
HOST = "127.0.0.1"
READY_TIMEOUT_S = 90.0
#: How often the queue is looked at; KEDA looks every few seconds.
SCALING_INTERVAL_S = 0.25
#: A worker that ended with an error is followed by the next one after this long.
CRASH_PAUSE_S = 2.0


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
    #: Settings of the worker on top of the defaults.
    worker_env: Mapping[str, str] = field(default_factory=dict)


class LocalStack:
    """Starts on ``with``, stops at its end."""

    def __init__(
        self,
        options: StackOptions,
        *,
        binaries: EmulatorBinaries | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._options = options
        self._binaries = binaries
        self._say = say
        self._services: list[ChildProcess] = []
        self._workers: list[ChildProcess] = []
        self._queue_token = secrets.token_urlsafe(16)
        self._stopping = threading.Event()
        self._scaler: threading.Thread | None = None
        #: What a program needs in its environment to use Google's clients on this stack.
        self.env: dict[str, str] = {}
        #: Address of the API.
        self.api_url = ""
        #: Address of ``notify``, for events made by hand.
        self.notify_url = ""

    @property
    def logs(self) -> Path:
        """Folder with a log for each process."""
        return self._options.run_dir / "logs"

    @property
    def workers(self) -> list[ChildProcess]:
        """The workers that run now."""
        return [worker for worker in self._workers if worker.poll() is None]

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
        """Stop everything; twice is once. Workers give back what they have first."""
        self._stopping.set()
        if self._scaler:
            self._scaler.join()
        for group in (self._workers, self._services):
            if group:
                with ThreadPoolExecutor(len(group)) as pool:
                    list(pool.map(ChildProcess.stop, group))
            group.clear()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()

    def _start(self) -> None:
        options = self._options
        if options.port:
            ensure_port_free(HOST, options.port, wanted_by="API")
        binaries = self._binaries or find_emulators()
        bundles = make_bundles(options.run_dir / "build")
        key = make_signing_key(options.run_dir / "signing-key.json")
        firestore = start_firestore(binaries, host=HOST, log_path=self.logs / "firestore.log")
        self._services.append(firestore.process)
        pubsub = start_pubsub(binaries, host=HOST, log_path=self.logs / "pubsub.log")
        self._services.append(pubsub.process)
        ports = {name: free_port(HOST) for name in ("storage", "intake", "notify")} | {
            "submit": options.port or free_port(HOST)
        }
        urls = {name: f"http://{HOST}:{port}" for name, port in ports.items()}
        self.api_url, self.notify_url = urls["submit"], urls["notify"]
        self.env = {
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "GOOGLE_APPLICATION_CREDENTIALS": str(key),
            "FIRESTORE_EMULATOR_HOST": firestore.endpoint,
            "PUBSUB_EMULATOR_HOST": pubsub.endpoint,
            "STORAGE_EMULATOR_HOST": urls["storage"],
            "ARTIFACT_BUCKET": BUCKET,
        }
        self._service(
            "storage",
            [
                *("-m", "local.storage_emulator", "--host", HOST, "--port", str(ports["storage"]), "--bucket", BUCKET),
                *("--data", str(options.run_dir / "storage"), "--signing-key-file", str(key)),
                *("--notify-url", self.notify_url),
            ],
            cwd=ROOT,
        )
        for name, bundle, signature in (
            ("submit", "submit", "http"),
            ("intake", "submit", "cloudevent"),
            ("notify", "notify", "cloudevent"),
        ):
            arguments = [
                *("-m", "functions_framework", "--target", name, "--source", "main.py", "--signature-type", signature),
                *("--host", HOST, "--port", str(ports[name])),
            ]
            self._service(name, arguments, cwd=bundles[bundle])
        for emulator in (firestore, pubsub):
            self._say(f"{emulator.name} ready after {emulator.wait_ready(timeout_s=READY_TIMEOUT_S):.1f} s")
        self._make_topology(intake_url=urls["intake"])
        for service in self._services[2:]:
            waited_s = service.wait_ready(lambda name=service.name: _answers(urls[name]), timeout_s=READY_TIMEOUT_S)
            self._say(f"{service.name} ready after {waited_s:.1f} s")
        self._scaler = threading.Thread(target=self._scale, name="scaler", daemon=True)
        self._scaler.start()

    def _service(self, name: str, arguments: list[str], *, cwd: Path) -> None:
        env = self._clean_env() | {
            "CORS_ORIGINS": ",".join(self._options.cors_origins),
            "QUEUE_TOKEN": self._queue_token,
        }
        process = ChildProcess(
            name=name, argv=[sys.executable, *arguments], log_path=self.logs / f"{name}.log", env=env, cwd=cwd
        )
        self._services.append(process.start())

    def _clean_env(self) -> dict[str, str]:
        """The stack's environment without what would lead a part of it to a real project, or past its bundle."""
        foreign = ("GOOGLE_", "CLOUDSDK_", "PYTHONPATH", "FIRESTORE_", "PUBSUB_", "STORAGE_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return kept | {"PYTHONUNBUFFERED": "1"} | self.env

    def _make_topology(self, *, intake_url: str) -> None:
        """In a process of its own, since Google's clients find the emulator by the environment alone."""
        code = (
            f"from local.topology import make_topology; make_topology(project={PROJECT!r}, intake_url={intake_url!r})"
        )
        maker = ChildProcess(
            name="topology",
            argv=[sys.executable, "-c", code],
            log_path=self.logs / "topology.log",
            env=self._clean_env(),
            cwd=ROOT,
        )
        with maker.start():
            give_up_at = time.monotonic() + READY_TIMEOUT_S
            while maker.poll() is None and time.monotonic() < give_up_at:
                time.sleep(0.02)
            if maker.poll() != 0:
                raise LocalStackError("The topics could not be made: " + " ".join(maker.tail(3)))

    def _scale(self) -> None:
        """Keep as many workers as there are renders to do, up to the limit; they leave by themselves."""
        number = 0
        while not self._stopping.wait(SCALING_INTERVAL_S):
            ended = [worker for worker in self._workers if worker.poll() is not None]
            self._workers = [worker for worker in self._workers if worker not in ended]
            if any(worker.poll() for worker in ended) and self._stopping.wait(CRASH_PAUSE_S):
                return
            wanted = min(self._renders_to_do(), self._options.max_workers)
            for _ in range(len(self._workers), wanted):
                number += 1
                self._workers.append(self._worker(number))

    def _renders_to_do(self) -> int:
        try:
            answer = requests.get(
                f"{self.api_url}/queue", headers={"Authorization": f"Bearer {self._queue_token}"}, timeout=5
            )
            return int(answer.json()["renders"])
        except (requests.RequestException, ValueError, KeyError):
            return 0

    def _worker(self, number: int) -> ChildProcess:
        env = self._clean_env() | {"MODELS_DIR": str(self._options.models_dir), "HOSTNAME": f"worker-{number}"}
        return ChildProcess(
            name=f"worker {number}",
            argv=[sys.executable, "-m", self._options.worker_module],
            log_path=self.logs / f"worker-{number}.log",
            env=env | self._options.worker_env,
            cwd=ROOT,
        ).start()


def _answers(url: str) -> bool:
    """Whether something at the address speaks HTTP, whatever it says."""
    try:
        requests.get(url, timeout=2)
    except requests.RequestException:
        return False
    return True
