"""Workers as needed: as many as there are renders to do, up to a limit. What KEDA does in the cloud.

Enters: a way to ask for the length of the queue, and a way to start a worker. Workers leave by themselves.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.processes import ChildProcess

#: How often the queue is looked at; KEDA looks every few seconds.
INTERVAL_S = 0.25
#: A worker that ended with an error is followed by the next one after this long.
CRASH_PAUSE_S = 2.0
#: After so many in a row no more are started.
MAX_FAILED = 3


def bulk_workers(limit: int) -> int:
    """How many of so many workers bulk may start; the rest is for who waits. As in terraform/cluster_outputs.tf."""
    return max(1, limit * 3 // 4)


class Workers:
    """A thread that keeps the number of workers right, from its construction until `stop`."""

    def __init__(
        self, *, renders_to_do: Callable[[], int], start_worker: Callable[[int], ChildProcess], limit: int
    ) -> None:
        self._renders_to_do = renders_to_do
        self._start_worker = start_worker
        self._limit = limit
        self._running: list[ChildProcess] = []
        #: Why no worker is started any more: the last words of the one that failed last. None while all is well.
        self.fault: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._scale, name="workers", daemon=True)
        self._thread.start()

    @property
    def running(self) -> list[ChildProcess]:
        """Those that run now."""
        return [worker for worker in list(self._running) if worker.poll() is None]

    def stop(self) -> None:
        """Stop all workers, which give back what they have, and the thread; twice is once."""
        self._stopping.set()
        self._thread.join()
        with ThreadPoolExecutor(max(1, len(self._running))) as pool:
            # A worker that was told to go is gone after 9 s, come what may.
            list(pool.map(lambda worker: worker.stop(grace_s=10), self._running))
        self._running.clear()

    def _scale(self) -> None:
        number = failed = 0
        while not self._stopping.wait(INTERVAL_S):
            ended = [worker for worker in self._running if worker.poll() is not None]
            self._running = [worker for worker in self._running if worker not in ended]
            for worker in ended:
                # A worker that was killed is no sign that the next one will fail.
                failed = failed + 1 if (worker.poll() or 0) > 0 else 0
                if failed == MAX_FAILED:
                    self.fault = f"{failed} workers in a row ended with an error.{worker.excerpt()}"
                    return
            if failed and ended and self._stopping.wait(CRASH_PAUSE_S):
                return
            if len(self._running) >= self._limit:
                continue  # counting costs the database
            for _ in range(len(self._running), min(self._renders_to_do(), self._limit)):
                number += 1
                self._running.append(self._start_worker(number))
