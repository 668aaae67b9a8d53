"""Processes of the local stack: started in their own group, ready when they say so, gone when the stack is gone.

In: a name, a command line, a log file. Out: a `ChildProcess` to wait for and to stop; its output in the log file.

Every child is the leader of its own session and process group, so that its own children are ended with it and Ctrl-C
reaches the stack alone. Every group is announced to one guard (`local.guarding`) before the child's program runs: a
child starts as a shell that waits for a line, and gets it after the announcement. So there is no moment in which a
SIGKILL of the stack could leave a child behind.

Not caught: a child that calls setsid itself leaves its group, and a SIGKILL of both stack and guard leaves children.
"""

import contextlib
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from local.errors import PortTakenError, ProcessDiedError, ProcessNotReadyError, ProcessStartError
from local.guarding import GUARD

#: Between two looks at a child that is starting or stopping; its death ends the wait at once.
_POLL_S = 0.05
#: Below Linux's ephemeral range (32768) and macOS's (49152): no outgoing connection takes the port before the child.
_PORTS = range(20_000, 32_000)
_TAIL_BYTES = 64 * 1024


def http_ok(url: str, *, timeout_s: float = 1.0) -> bool:
    """Whether `GET url` (http only, no proxy, no redirect) answers 200 now."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def port_open(host: str, port: int, *, timeout_s: float = 1.0) -> bool:
    """Whether somebody accepts connections there now."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s):
            return True
    except OSError:
        return False


def ensure_port_free(host: str, port: int, *, wanted_by: str) -> None:
    """Raise `PortTakenError`, one line, when `wanted_by` could not listen on the port."""
    taken = port_open(host, port)  # macOS lets 127.0.0.1 be bound beside a listener on 0.0.0.0
    if not taken:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is not "taken"
            try:
                probe.bind((host, port))
            except OSError:
                taken = True
    if taken:
        raise PortTakenError(
            f"Port {port} on {host}, wanted by the {wanted_by}, is in use: stop what listens there or choose another."
        )


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nobody listens. Drawn at random: two stacks that start together rarely draw the same."""
    for port in random.sample(_PORTS, 200):
        with contextlib.suppress(PortTakenError):
            ensure_port_free(host, port, wanted_by="local stack")
            return port
    raise PortTakenError(f"No free port on {host} between {_PORTS.start} and {_PORTS.stop}.")


class ChildProcess:
    """One program of the stack. `start`, then `wait_ready`, then `stop`; as a context manager it stops at the end."""

    def __init__(
        self,
        *,
        name: str,
        argv: Sequence[str],
        log_path: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """`name` is for people; `env` is the whole environment, None means the stack's own."""
        self.name = name
        self.argv = tuple(argv)
        self.log_path = log_path
        self._env = None if env is None else dict(env)
        self._cwd = cwd
        self._popen: subprocess.Popen[bytes] | None = None
        self._ended = False
        self._started_s = 0.0
        self._lock = threading.RLock()

    @property
    def pid(self) -> int:
        """Of the program, and of its process group."""
        return self._running.pid

    def start(self) -> Self:
        """Start it, output into a new log file. Raises `ProcessStartError`; does not wait until it is ready."""
        if self._popen is not None:
            raise ProcessStartError(f"The {self.name} has been started already.")
        path = (os.environ if self._env is None else self._env).get("PATH")
        if shutil.which(self.argv[0], path=path) is None:
            raise ProcessStartError(f"The {self.name} cannot start: there is no program {self.argv[0]}.")
        self._started_s = time.monotonic()
        try:
            self.log_path.parent.mkdir(parents=True, exist_ok=True)
            with self.log_path.open("wb") as log:
                self._popen = subprocess.Popen(
                    ["/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', self.name, *self.argv],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._env,
                    cwd=self._cwd,
                    bufsize=0,
                    start_new_session=True,
                )
        except OSError as exc:
            raise ProcessStartError(f"The {self.name} cannot start: {exc}.") from exc
        GUARD.watch(self._popen.pid)
        assert self._popen.stdin is not None
        with self._popen.stdin as gate, contextlib.suppress(BrokenPipeError):
            gate.write(b"go\n")
        return self

    def poll(self) -> int | None:
        """The exit code once the program has ended (negative: the signal), else None."""
        code = self._running.poll()
        if code is not None:
            self._clear_group()
        return code

    def wait_ready(self, check: str | Callable[[], bool], *, timeout_s: float) -> float:
        """Poll until `check` (a URL that answers 200, or a callable) holds; the seconds since the start.

        Raises `ProcessDiedError` as soon as the program ends, `ProcessNotReadyError` at the deadline. Neither leaves
        anything running.
        """
        ready = check if callable(check) else lambda: http_ok(check)
        deadline_s = time.monotonic() + timeout_s
        while not ready():
            if self._exited_within(_POLL_S):
                raise ProcessDiedError(f"The {self.name} {self._how_it_ended()} before it was ready.{self._excerpt()}")
            if time.monotonic() > deadline_s:
                self.stop()
                raise ProcessNotReadyError(f"The {self.name} was not ready within {timeout_s:g} s.{self._excerpt()}")
        return time.monotonic() - self._started_s

    def stop(self, *, grace_s: float = 5.0) -> None:
        """SIGTERM to the whole group, SIGKILL to what is left after the grace. Again, or before `start`: nothing."""
        with self._lock:
            if self._popen is None or self.poll() is not None:
                return
            self._signal_group(signal.SIGTERM)
            if not self._exited_within(grace_s):
                self._signal_group(signal.SIGKILL)
                self._popen.wait()
                self._clear_group()

    def tail(self, lines: int = 20) -> list[str]:
        """The last lines of the log."""
        try:
            with self.log_path.open("rb") as log:
                log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
                return log.read().decode(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def __enter__(self) -> Self:
        return self.start() if self._popen is None else self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._popen is None:
            raise ProcessStartError(f"The {self.name} has not been started.")
        return self._popen

    def _exited_within(self, wait_s: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._running.wait(timeout=wait_s)
        return self.poll() is not None

    def _signal_group(self, signal_number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # EPERM: macOS, a group of zombies
            os.killpg(self._running.pid, signal_number)

    def _clear_group(self) -> None:
        """The leader has ended: what it left behind goes too, before its number can be given to somebody else."""
        with self._lock:
            if not self._ended:
                self._ended = True
                self._signal_group(signal.SIGKILL)
                GUARD.forget(self._running.pid)

    def _how_it_ended(self) -> str:
        code = self._running.returncode
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    def _excerpt(self) -> str:
        lines = self.tail()
        if not lines:
            return f" Its log ({self.log_path}) is empty."
        return "\n".join([f" The last lines of {self.log_path}:", *(f"  {line}" for line in lines)])
