"""The finalized events of the storage emulator: a spool on disk and threads that empty it.

Enters: the object resource of each new generation. Leaves: calls of ``deliver(resource)``, at least once each, at once
when all is well; after an error again with backoff, and after a restart what was not delivered before.

Keeps of Eventarc: at least once, retried on every failure, no order, several at a time. Keeps not: its 24 h limit (an
event waits for as long as the folder lives).
"""

import hashlib
import heapq
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local.storage_values import write_atomically

#: The first and the longest pause after a failed delivery; it doubles between them.
FIRST_BACKOFF_S = 0.1
LONGEST_BACKOFF_S = 10.0
#: Deliveries at a time: with one, a video's event waited behind those of all pictures and receipts of other jobs.
DELIVERIES = 8
#: How long ``stop`` waits for a delivery that is under way.
_STOP_TIMEOUT_S = 0.5

_log = logging.getLogger(__name__)


class EventSpool:
    """An event is a file until it is delivered.

    A crash must leave neither an object without its event nor an event without its object: the event is written aside
    before the object is visible, and counts afterwards; ``recover`` settles what a crash left between the two.
    """

    def __init__(self, folder: Path, deliver: Callable[[dict[str, Any]], None]) -> None:
        self._folder = folder
        self._deliver = deliver
        self._condition = threading.Condition()
        #: (when due on the monotonic clock, file, failures so far)
        self._waiting: list[tuple[float, Path, int]] = []
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._run, name=f"storage-events-{number}", daemon=True)
            for number in range(DELIVERIES)
        ]
        folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, resource: dict[str, Any]) -> Path:
        """Write the event aside; it does not count yet."""
        path = self._folder / f"{hashlib.sha256(resource['id'].encode()).hexdigest()}.prepared"
        write_atomically(path, resource)
        return path

    def publish(self, prepared: Path) -> None:
        """Let the event count: the object is visible."""
        self._queue(prepared.replace(prepared.with_suffix(".json")), due_s=time.monotonic())

    def recover(self, is_live: Callable[[dict[str, Any]], bool]) -> None:
        """Keep the prepared events whose object is there, drop the others; queue all that is undelivered."""
        for prepared in self._folder.glob("*.prepared"):
            if is_live(json.loads(prepared.read_bytes())):
                prepared.replace(prepared.with_suffix(".json"))
            else:
                prepared.unlink()
        for path in self._folder.glob("*.json"):
            self._queue(path, due_s=time.monotonic())

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop delivering; what is left stays on disk. Deliveries that hang are left behind, and made again later."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        give_up_at = time.monotonic() + _STOP_TIMEOUT_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, give_up_at - time.monotonic()))

    def _queue(self, path: Path, *, due_s: float, failures: int = 0) -> None:
        with self._condition:
            heapq.heappush(self._waiting, (due_s, path, failures))
            self._condition.notify()

    def _next(self) -> tuple[Path, int] | None:
        """Wait for the next event that is due; None when stopping."""
        with self._condition:
            while not self._stopping:
                wait_s = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait_s is not None and wait_s <= 0:
                    return heapq.heappop(self._waiting)[1:]
                self._condition.wait(wait_s)
            return None

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            path, failures = taken
            try:
                self._deliver(json.loads(path.read_bytes()))
            except Exception as exc:  # noqa: BLE001 - a door: whatever it was, the event is delivered again
                backoff_s = min(FIRST_BACKOFF_S * 2 ** min(failures, 30), LONGEST_BACKOFF_S)
                fields = {"action": "deliver_event", "error": str(exc), "failures": failures + 1, "retry_s": backoff_s}
                _log.warning("finalized event not delivered, will retry", extra=fields)
                self._queue(path, due_s=time.monotonic() + backoff_s, failures=failures + 1)
            else:
                path.unlink(missing_ok=True)
