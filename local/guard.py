"""Children that die with their parent, even when the parent is killed by SIGKILL.

In: process groups, told by `GUARD.watch` when they start and by `GUARD.forget` when they have ended. Out: once this
process is gone, SIGTERM to the groups still watched, and SIGKILL to what is left of them 1 s later.

That is done by one small process, this file run as a program, at the reading end of a pipe whose writing end only this
process holds. The kernel closes the pipe however its holder ends, on Linux and on macOS; Linux's PR_SET_PDEATHSIG
fires when the forking *thread* ends and macOS has none. The guard takes 10 MB.

Not caught: a child that leaves its group (setsid), and a SIGKILL in the microseconds between a start and its `watch`.
"""

import contextlib
import os
import signal
import sys
import threading
import time

_GRACE_S = 1.0
_POLL_S = 0.02


class Guard:
    """This process's end of the pipe; safe to use from any thread. The guard starts with the first group."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pipe: int | None = None

    def watch(self, group: int) -> None:
        """From now on the group dies with this process."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group has ended; its number may soon belong to somebody else."""
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        with self._lock, contextlib.suppress(BrokenPipeError):  # somebody killed the guard: the stack goes on without
            if self._pipe is None:
                self._pipe = _start_guard()
            os.write(self._pipe, line.encode())


GUARD = Guard()


def _start_guard() -> int:
    reading_end, writing_end = os.pipe()
    os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", __file__],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, reading_end, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    os.close(reading_end)
    return writing_end


def _signal(group: int, number: int) -> bool:
    """Whether the group still had somebody to receive it. macOS answers EPERM for a group of zombies: nobody."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def main() -> None:
    """Keep the list until the pipe closes, then end what is on it."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # "kill them all" must not take the guard first
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    groups = {group for group in groups if _signal(group, signal.SIGTERM)}
    deadline_s = time.monotonic() + _GRACE_S
    while groups and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        groups = {group for group in groups if _signal(group, 0)}
    for group in groups:
        _signal(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
