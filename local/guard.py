"""The guard: one small process per stack that ends the stack's children when the stack itself is gone.

In: lines on standard input, written by `local.processes`: `+PGID` (watch this process group), `-PGID` (it has ended);
one argument, the grace in seconds between SIGTERM and SIGKILL. Out: nothing; signals to the groups still watched.

The other end of the pipe is held by the stack alone. The kernel closes it however the stack ends, SIGKILL included, on
Linux and on macOS; Linux's PR_SET_PDEATHSIG would fire when the forking *thread* ends, and does not exist on macOS.
This file is run by its path with `python -I -S`, so it imports the standard library only, and little of it.
"""

import os
import signal
import sys
import time

_POLL_S = 0.02


def _send(group: int, signal_number: int) -> bool:
    """Whether the group still had somebody to receive it. macOS answers EPERM for a group of zombies: nobody."""
    try:
        os.killpg(group, signal_number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def end_groups(groups: set[int], *, grace_s: float) -> None:
    """SIGTERM to all of them, SIGKILL to those that are still there after the grace."""
    left = {group for group in groups if _send(group, signal.SIGTERM)}
    deadline_s = time.monotonic() + grace_s
    while left and time.monotonic() < deadline_s:
        time.sleep(_POLL_S)
        left = {group for group in left if _send(group, 0)}
    for group in left:
        _send(group, signal.SIGKILL)


def main() -> None:
    """Keep the list until the pipe closes, then end what is on it."""
    # Whoever ends the stack by a signal to everybody must not end the guard before the stack.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups.add(group)
        else:
            groups.discard(group)
    end_groups(groups, grace_s=float(sys.argv[1]))


if __name__ == "__main__":
    main()
