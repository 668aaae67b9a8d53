"""Google's Firestore and Pub/Sub emulators as running programs.

In: `EmulatorBinaries` (`local.emulator_finder`), a host, a port, a log file. Out: a `RunningEmulator` to wait for and
to stop, and the environment variable by which Google's clients find it.

    binaries = find_emulators(download=True, on_progress=show)
    firestore = start_firestore(binaries, log_path=logs / "firestore.log")  # starting takes 2-3 s: start both ...
    pubsub = start_pubsub(binaries, log_path=logs / "pubsub.log")
    for emulator in (firestore, pubsub):                                   # ... and then wait for both
        emulator.wait_ready()

How they differ from the cloud, measured on Pub/Sub 0.8.20 and Firestore 1.19.9 (gcloud SDK 528, two cores). Both keep
nothing over a restart, authorize everybody, and take up to 250 MB each.

Pub/Sub
- An empty `pull` ends by itself 0.94 s before the client's timeout, with no message and no error; below 1 s it does not
  wait at all, and a loop around it spins. From 100 s on it raises DeadlineExceeded.
- A waiting pull or push is looked at every 50-100 ms: publish to pull takes 30 ms p50, to a pushed function 70 ms.
- Subscription filters are accepted and ignored.
- Dead letters are forwarded by the next pull of the source subscription, not before it; those of a push at once.
- A failed push is repeated every second, without backoff unless the subscription has a retry policy. A function slower
  than the ack deadline is called again, in parallel, at each deadline; its late answer does not count.
- An ack that comes after the redelivery is accepted and has no effect.

Firestore
- Contended transactions collapse: 8 threads on one document made 3 commits of 40 in 51 s. Compare-and-set by
  `last_update_time` does not: 200 of 200 in 3.6 s.
- Composite indexes are not asked for.
- Rules are kept to, but any token that can be read is believed: expired, of another project, with a false signature.
  `Bearer owner` is everybody's master key. A list is judged by its conditions, as in the cloud.

As in the cloud: `modify_ack_deadline(0)` redelivers at once; dead letter after exactly five deliveries; preconditions
and creations hold, and one that fails undoes its batch; a write that changes nothing keeps the update time; every
snapshot of a query has one read time. `tests/contract/test_emulators.py` holds what the system counts on.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from local.emulator_finder import EmulatorBinaries, EmulatorJar
from local.processes import ChildProcess, ensure_port_free, free_port, http_ok

#: It holds every document, and answers UNKNOWN when they do not fit: enough for some ten thousand jobs.
FIRESTORE_HEAP_MIB = 256
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
    heap_mib: int = FIRESTORE_HEAP_MIB,
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
        heap=f"-Xmx{heap_mib}m",
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
