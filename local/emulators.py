"""Google's Firestore and Pub/Sub emulators as running programs.

In: `EmulatorBinaries` (`find_emulators`), a host, a port, a log file. Out: a `RunningEmulator` to wait for, to wipe and
to stop, and the environment variable by which Google's clients find it.

    binaries = find_emulators(download=True, on_progress=show)
    firestore = start_firestore(binaries, log_path=logs / "firestore.log")  # starting takes 2-3 s: start both ...
    pubsub = start_pubsub(binaries, log_path=logs / "pubsub.log")
    for emulator in (firestore, pubsub):                                   # ... and then wait for both
        emulator.wait_ready()

@FACTS@
"""

import http.client
import json
import os
from dataclasses import dataclass
from pathlib import Path

from local.emulator_downloads import Progress
from local.emulator_finder import DEFAULT_CACHE_DIR, EmulatorBinaries, EmulatorJar, find_emulators
from local.errors import EmulatorMissingError, EmulatorRequestError
from local.java import JavaFound, find_java
from local.processes import ChildProcess, ensure_port_free, free_port

__all__ = [
    "DEFAULT_CACHE_DIR",
    "EmulatorBinaries",
    "EmulatorJar",
    "EmulatorMissingError",
    "JavaFound",
    "Progress",
    "RunningEmulator",
    "find_emulators",
    "find_java",
    "start_firestore",
    "start_pubsub",
    "wipe_firestore",
    "wipe_pubsub",
]

_FIRESTORE_HEAP = "-Xmx256m"
_PUBSUB_HEAP = "-Xmx128m"
_REQUEST_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class RunningEmulator:
    """An emulator that was started; ready once `wait_ready` has returned."""

    #: "Firestore emulator" or "Pub/Sub emulator".
    name: str
    host: str
    port: int
    #: The variable by which Google's clients find it.
    env_name: str
    process: ChildProcess

    @property
    def endpoint(self) -> str:
        """`host:port`, the value of the variable."""
        return f"{self.host}:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """What a program needs in its environment to reach this emulator."""
        return {self.env_name: self.endpoint}

    def wait_ready(self, *, timeout_s: float = 60.0) -> float:
        """Until `GET /` answers 200; the seconds since the start.

        Raises `ProcessDiedError` at once when it ends, `ProcessNotReadyError` at the deadline.
        """
        return self.process.wait_ready(f"http://{self.endpoint}/", timeout_s=timeout_s)

    def poll(self) -> int | None:
        """The exit code once it has ended, else None."""
        return self.process.poll()

    def stop(self) -> None:
        """SIGTERM, after 5 s SIGKILL; again: nothing."""
        self.process.stop()


def start_firestore(
    binaries: EmulatorBinaries,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    log_path: Path,
    rules: Path | None = None,
) -> RunningEmulator:
    """Start it, do not wait. Port 0 draws a free one. Without rules every client may read and write all.

    Raises `PortTakenError`, `ProcessStartError`.
    """
    options = () if rules is None else (f"--rules={rules}",)
    return _start(
        binaries.java,
        binaries.firestore,
        name="Firestore emulator",
        env_name="FIRESTORE_EMULATOR_HOST",
        heap=_FIRESTORE_HEAP,
        host=host,
        port=port,
        log_path=log_path,
        options=options,
    )


def start_pubsub(
    binaries: EmulatorBinaries, *, host: str = "127.0.0.1", port: int = 0, log_path: Path
) -> RunningEmulator:
    """Start it, do not wait. Port 0 draws a free one. Raises `PortTakenError`, `ProcessStartError`."""
    return _start(
        binaries.java,
        binaries.pubsub,
        name="Pub/Sub emulator",
        env_name="PUBSUB_EMULATOR_HOST",
        heap=_PUBSUB_HEAP,
        host=host,
        port=port,
        log_path=log_path,
        options=(),
    )


def _start(
    java: JavaFound,
    jar: EmulatorJar,
    *,
    name: str,
    env_name: str,
    heap: str,
    host: str,
    port: int,
    log_path: Path,
    options: tuple[str, ...],
) -> RunningEmulator:
    if port == 0:
        port = free_port(host)
    else:
        ensure_port_free(host, port, wanted_by=name)
    process = ChildProcess(
        name=name,
        # The Firestore emulator parses its own messages, and only the English ones.
        argv=[
            str(java.path),
            heap,
            "-XX:+UseSerialGC",
            "-Duser.language=en",
            *jar.launch,
            f"--host={host}",
            f"--port={port}",
            *options,
        ],
        log_path=log_path,
        # A JAVA_TOOL_OPTIONS of the person at the machine may hold another heap or a debugger's port.
        env={name: value for name, value in os.environ.items() if name not in {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"}},
    )
    process.start()
    return RunningEmulator(name=name, host=host, port=port, env_name=env_name, process=process)


def wipe_firestore(endpoint: str, *, project: str, database: str = "(default)") -> None:
    """Delete every document of the database at `host:port`. Raises `EmulatorRequestError`."""
    _request(endpoint, "DELETE", f"/emulator/v1/projects/{project}/databases/{database}/documents")


def wipe_pubsub(endpoint: str, *, project: str) -> None:
    """Delete every subscription and topic of the project at `host:port`, messages included.

    Raises `EmulatorRequestError`.
    """
    for kind in ("subscriptions", "topics"):
        while names := _request(endpoint, "GET", f"/v1/projects/{project}/{kind}?pageSize=1000").get(kind):
            for entry in names:
                _request(endpoint, "DELETE", f"/v1/{entry['name']}")


def _request(endpoint: str, method: str, path: str) -> dict[str, list[dict[str, str]]]:
    connection = http.client.HTTPConnection(endpoint, timeout=_REQUEST_TIMEOUT_S)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as exc:
        raise EmulatorRequestError(f"{method} {path} at {endpoint} failed: {exc}.") from exc
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise EmulatorRequestError(f"{method} {path} at {endpoint} answered {response.status}: {body[:200]!r}.")
    answer: dict[str, list[dict[str, str]]] = json.loads(body or b"{}")
    return answer
