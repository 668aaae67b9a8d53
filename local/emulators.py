"""Google's Firestore and Pub/Sub emulators as running programs.

In: `EmulatorBinaries` (`local.emulator_finder`), a host, a port, a log file. Out: a `RunningEmulator` to wait for and
to stop, and the environment variable by which Google's clients find it.

    binaries = find_emulators(download=True, on_progress=show)
    firestore = start_firestore(binaries, log_path=logs / "firestore.log")  # starting takes 2-3 s: start both ...
    pubsub = start_pubsub(binaries, log_path=logs / "pubsub.log")
    for emulator in (firestore, pubsub):                                   # ... and then wait for both
        emulator.wait_ready()

@FACTS@
"""

import os
from dataclasses import dataclass
from pathlib import Path

from local.emulator_finder import EmulatorBinaries, EmulatorJar
from local.processes import ChildProcess, ensure_port_free, free_port, http_ok

#: Of the person at the machine: may hold another heap or a debugger's port.
_JAVA_VARIABLES = frozenset({"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS"})


@dataclass(frozen=True, kw_only=True)
class RunningEmulator:
    """An emulator that was started; ready once `wait_ready` has returned."""

    process: ChildProcess
    #: `host:port`.
    endpoint: str
    #: The variable by which Google's clients find it.
    env_name: str

    @property
    def env(self) -> dict[str, str]:
        """What a program needs in its environment to reach this emulator."""
        return {self.env_name: self.endpoint}

    def wait_ready(self, *, timeout_s: float = 60.0) -> None:
        """Until `GET /` answers 200. Raises `ProcessFailedError` at the deadline, and as soon as it ends."""
        self.process.wait_ready(lambda: http_ok(f"http://{self.endpoint}/"), timeout_s=timeout_s)

    def stop(self) -> None:
        """SIGTERM, after 5 s SIGKILL; again: nothing. Whatever it held is gone."""
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

    Raises `PortTakenError`, `ProcessFailedError`.
    """
    options = () if rules is None else (f"--rules={rules}",)
    return _start(
        binaries.java,
        binaries.firestore,
        *options,
        name="Firestore emulator",
        env_name="FIRESTORE_EMULATOR_HOST",
        heap="-Xmx256m",
        host=host,
        port=port,
        log_path=log_path,
    )


def start_pubsub(
    binaries: EmulatorBinaries, *, host: str = "127.0.0.1", port: int = 0, log_path: Path
) -> RunningEmulator:
    """Start it, do not wait. Port 0 draws a free one. Raises `PortTakenError`, `ProcessFailedError`."""
    return _start(
        binaries.java,
        binaries.pubsub,
        name="Pub/Sub emulator",
        env_name="PUBSUB_EMULATOR_HOST",
        heap="-Xmx128m",
        host=host,
        port=port,
        log_path=log_path,
    )


def _start(
    java: str,
    jar: EmulatorJar,
    *options: str,
    name: str,
    env_name: str,
    heap: str,
    host: str,
    port: int,
    log_path: Path,
) -> RunningEmulator:
    if port == 0:
        port = free_port(host)
    else:
        ensure_port_free(host, port, wanted_by=name)
    # The Firestore emulator parses its own messages, and only the English ones.
    jvm = (java, heap, "-XX:+UseSerialGC", "-Duser.language=en")
    process = ChildProcess(
        name=name,
        argv=[*jvm, *jar.launch, f"--host={host}", f"--port={port}", *options],
        log_path=log_path,
        env={variable: value for variable, value in os.environ.items() if variable not in _JAVA_VARIABLES},
    )
    return RunningEmulator(process=process, endpoint=f"{host}:{port}", env_name=env_name)
