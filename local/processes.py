"""Processes of the local stack: started in their own group, ready when they say so, gone when the stack is gone.

In: a name, a command line, a log file. Out: a `ChildProcess` to wait for and to stop; its output in the log file.

Every child leads its own session and process group, so that its own children end with it, and Ctrl-C reaches the stack
alone. Every group is announced to the guard (`local.guard`), which ends it when the stack dies without having done so.
"""

import contextlib
import http.client
import os
import random
import signal
import socket
import subprocess
import time
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from local.errors import PortTakenError, ProcessFailedError
from local.guard import GUARD

#: Where every part of the stack listens: nobody else can reach it.
HOST = "127.0.0.1"
#: Between two looks at a child that is starting; its death ends the wait at once.
_POLL_S = 0.05
#: Of one look.
_ANSWER_S = 1.0
#: Below Linux's ephemeral range (32768) and macOS's (49152): no outgoing connection takes the port before the child.
_PORTS = range(20_000, 32_000)
_EXCERPT_LINES = 20
_EXCERPT_BYTES = 16 * 1024


def http_ok(url: str) -> bool:
    """Whether `GET url` (http, no proxy, no redirect) answers 200 now."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=_ANSWER_S)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def port_open(host: str, port: int) -> bool:
    """Whether somebody accepts connections there now."""
    try:
        socket.create_connection((host, port), timeout=_ANSWER_S).close()
    except OSError:
        return False
    return True


def ensure_port_free(host: str, port: int, *, wanted_by: str) -> None:
    """Raise `PortTakenError`, one line, when `wanted_by` could not listen on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: TIME_WAIT is not "taken"
        try:
            probe.bind((host, port))
        except OSError as exc:
            raise PortTakenError(f"Port {port} on {host}, wanted by the {wanted_by}, cannot be had: {exc}.") from exc
    if port_open(host, port):  # macOS lets 127.0.0.1 be bound beside a listener on 0.0.0.0
        raise PortTakenError(
            f"Port {port} on {host}, wanted by the {wanted_by}, is in use: stop what listens there, or choose another."
        )


def free_port(host: str = "127.0.0.1") -> int:
    """A port on which nobody listens. Drawn at random: two stacks that start together rarely draw the same."""
    for port in random.sample(_PORTS, 200):
        with contextlib.suppress(PortTakenError):
            ensure_port_free(host, port, wanted_by="local stack")
            return port
    raise PortTakenError(f"No free port on {host} between {_PORTS.start} and {_PORTS.stop}.")


class ChildProcess:
    """One program of the stack, running from its construction until `stop` or the end of its `with` block."""

    def __init__(
        self,
        *,
        name: str,
        argv: Sequence[str],
        log_path: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        """Start it, output into a new log file. Raises `ProcessFailedError`; does not wait until it is ready.

        `name` is for people; `env` is the whole environment, None means the stack's own.
        """
        self.name = name
        self.log_path = log_path
        try:
            log_path.parent.mkdir(parents=True, exist_ok=True)
            with log_path.open("wb") as log:
                self._popen = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=env,
                    cwd=cwd,
                    start_new_session=True,
                )
        except OSError as exc:
            raise ProcessFailedError(f"The {name} cannot start: {exc}.") from exc
        self._group_cleared = False
        GUARD.watch(self.pid)

    @property
    def pid(self) -> int:
        """Of the program, and of its process group."""
        return self._popen.pid

    def poll(self) -> int | None:
        """The exit code once the program has ended (negative: the signal), else None."""
        code = self._popen.poll()
        if code is not None and not self._group_cleared:
            self._group_cleared = True
            self._signal_group(signal.SIGKILL)  # what the program left behind
            GUARD.forget(self.pid)
        return code

    def wait_ready(self, is_ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Poll until `is_ready`. Raises `ProcessFailedError` at the deadline, and as soon as the program ends."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            if (code := self.poll()) is not None:
                how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
                raise ProcessFailedError(f"The {self.name} {how} before it was ready.{self.excerpt()}")
            if is_ready():
                return
            if time.monotonic() > deadline_s:
                self.stop()
                raise ProcessFailedError(f"The {self.name} was not ready within {timeout_s:g} s.{self.excerpt()}")
            self._wait(_POLL_S)

    def stop(self, *, grace_s: float = 5.0) -> None:
        """SIGTERM to the whole group, SIGKILL to what is left after the grace. Again: nothing."""
        if self.poll() is not None:
            return
        self._signal_group(signal.SIGTERM)
        self._wait(grace_s)
        if self.poll() is None:
            self._signal_group(signal.SIGKILL)
            self._popen.wait()
            self.poll()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait(self, wait_s: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=wait_s)

    def _signal_group(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # EPERM: macOS, a group of zombies
            os.killpg(self.pid, number)

    def excerpt(self) -> str:
        """The last lines of its log, for a message to people."""
        with self.log_path.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _EXCERPT_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-_EXCERPT_LINES:]
        if not lines:
            return f" Its log ({self.log_path}) is empty."
        return "\n".join([f" The last lines of {self.log_path}:", *(f"  {line}" for line in lines)])
