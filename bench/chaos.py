"""Real faults on real processes: workers killed and told to go at random, the message queue forgetting everything.

Enters: numbers. Leaves: a table of what happened, and exit status 1 if anything was lost or done twice.

Run as ``make chaos``, or ``python -m bench.chaos --jobs 300 --workers 4 --seed 1``.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import pubsub_v1
from rich.console import Console
from rich.table import Table

from bench.chaos_evidence import Evidence, at_work, read_log
from bench.instant_stack import instant_stack
from local.errors import LocalStackError
from local.stack import BUCKET
from local.tokens import PROJECT, local_headers
from shared.artifact_paths import render_key_of
from shared.google_storage import storage_client
from shared.messages import JOB_EVENTS

if TYPE_CHECKING:
    from pathlib import Path

    from bench.instant_stack import Services
    from local.stack import LocalStack

WISH: Final = {"perspective": "curious-cat", "size": "256x256"}
#: Of the test pattern's four steps: a render takes about a second.
STEP_S = 0.25
#: Seconds between two faults, drawn evenly.
PAUSE_S = (1.5, 4.0)
#: The shortest there may be: a worker that was killed is replaced so soon.
LEASE_S = 30
#: One wish in so many is one that was made before, or that somebody makes by itself.
REPEATED = 5
DEADLINE_S = 900.0
#: One run of reconcile takes no more renders than this.
RECONCILED_AT_ONCE = 200


class Faults:
    """A thread that strikes workers at random, and remembers whom, how and when."""

    def __init__(self, stack: LocalStack, *, seed: int) -> None:
        self._stack = stack
        self._random = random.Random(seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._strike, name="faults", daemon=True)
        #: Log of the worker that was struck, the signal, and the time.
        self.struck: list[tuple[Path, signal.Signals, datetime]] = []
        self._thread.start()

    def stop(self) -> None:
        """No more faults."""
        self._stopping.set()
        self._thread.join()

    def _strike(self) -> None:
        while not self._stopping.wait(self._random.uniform(*PAUSE_S)):
            workers = self._stack.workers
            if workers:
                worker = self._random.choice(workers)
                number = self._random.choice([signal.SIGKILL, signal.SIGTERM])
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, number)
                    self.struck.append((worker.log_path, number, datetime.now(UTC)))


class Events:
    """A thread that collects the ids of all events."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._stopping = threading.Event()
        self._subscriber = pubsub_v1.SubscriberClient()
        self._path = self._subscriber.subscription_path(PROJECT, "chaos")
        self.subscribe()
        self._thread = threading.Thread(target=self._collect, name="events", daemon=True)
        self._thread.start()

    def subscribe(self) -> None:
        """Again after the queue has forgotten everything."""
        topic = self._subscriber.topic_path(PROJECT, JOB_EVENTS)
        self._subscriber.create_subscription(name=self._path, topic=topic)

    def stop(self) -> None:
        """All that has come until now."""
        self._stopping.set()
        self._thread.join()
        self._subscriber.close()

    def _collect(self) -> None:
        while not self._stopping.is_set():
            with suppress(GoogleAPICallError):
                answer = self._subscriber.pull(subscription=self._path, max_messages=100, timeout=2, retry=None)
                if answer.received_messages:
                    self.ids += [json.loads(each.message.data)["event_id"] for each in answer.received_messages]
                    ack_ids = [each.ack_id for each in answer.received_messages]
                    self._subscriber.acknowledge(subscription=self._path, ack_ids=ack_ids)


def wish(services: Services, jobs: int, *, seed: int) -> None:
    """Submit the wishes, some of them repeated."""
    drawn = random.Random(seed)
    session = requests.Session()
    session.headers.update(local_headers())
    for number in range(jobs):
        one = drawn.randrange(number) if number and drawn.randrange(REPEATED) == 0 else number
        session.post(f"{services.stack.api_url}/jobs", json=WISH | {"seed": one}, timeout=60).raise_for_status()


def wish_in_bulk(services: Services, rows: int, *, jobs: int, seed: int) -> None:
    """Submit a batch; one row in so many is what somebody wishes for by itself."""
    drawn = random.Random(seed)
    seeds = [drawn.randrange(jobs) if drawn.randrange(REPEATED) == 0 else jobs + row for row in range(rows)]
    body = {"requests": [WISH | {"seed": each} for each in seeds], "priority": "bulk"}
    answer = requests.post(f"{services.stack.api_url}/batches", json=body, headers=local_headers(), timeout=60)
    answer.raise_for_status()


def wait_until_final(services: Services, wished: int, console: Console) -> dict[str, dict[str, Any]]:
    """The jobs' documents once all are final, or as they are at the deadline."""
    give_up_at = time.monotonic() + DEADLINE_S
    told = -1
    while True:
        documents = {each.id: each.to_dict() for each in services.database.collection("jobs").stream()}
        final = sum(each["finished_at"] is not None for each in documents.values())
        if final // 50 != told:
            told = final // 50
            console.print(f"  {final} of {wished} jobs are final")
        if final >= wished or time.monotonic() > give_up_at:
            return documents
        time.sleep(1)


def lost_s(faults: Faults) -> float:
    """Seconds between the last claim and the blow, for each worker that was struck in the middle of a render."""
    lost = 0.0
    for log, _, struck_at in faults.struck:
        if found := at_work(line for line in read_log(log) if line["message"] != "worker leaves its render"):
            lost += max(0.0, (struck_at - found[1]).total_seconds())
    return lost


def killed(faults: Faults) -> list[str]:
    """The renders that workers had in hand when they were killed."""
    logs = {log for log, number, _ in faults.struck if number == signal.SIGKILL}
    return [found[0] for log in logs if (found := at_work(read_log(log)))]


def forget(stack: LocalStack, events: Events) -> tuple[datetime, datetime]:
    """The message queue forgets everything, and is there again; from when until when it was away."""
    begun = datetime.now(UTC)
    stack.restart_pubsub()
    events.subscribe()
    return begun, datetime.now(UTC)


def run(*, jobs: int, rows: int, workers: int, seed: int, console: Console) -> bool:
    """The whole experiment; whether everything held."""
    worker_env = {"STEP_S": str(STEP_S), "LEASE_S": str(LEASE_S), "WARM_S": "20", "RETRY_BACKOFF_S": "1"}
    with instant_stack(workers=workers, worker_env=worker_env, reconcile_every_s=5) as services:
        stack = services.stack
        events = Events()
        begun = time.monotonic()
        faults = Faults(stack, seed=seed)
        console.print(f"{jobs} wishes, a batch of {rows}, {workers} workers, a blow every few seconds ...")
        wish_in_bulk(services, rows, jobs=jobs, seed=seed)
        wish(services, jobs, seed=seed)
        console.print("The message queue forgets everything, and is there again ...")
        away = forget(stack, events)
        # What an operator does after an incident that lost messages.
        for _ in range(0, jobs + rows, RECONCILED_AT_ONCE):
            requests.post(f"{stack.reconcile_url}?hours_ahead=6", timeout=60).raise_for_status()
        documents = wait_until_final(services, jobs + rows, console)
        took_s = time.monotonic() - begun
        faults.stop()
        time.sleep(3)  # the last events
        events.stop()
        blobs = storage_client(PROJECT).list_blobs(BUCKET)
        evidence = Evidence(
            wished=jobs + rows,
            jobs=documents | {each.id: each.to_dict() for each in services.database.collection("jobs").stream()},
            renders={each.id: each.to_dict() for each in services.database.collection("renders").stream()},
            videos={key: blob.generation for blob in blobs if (key := render_key_of(blob.name))},
            told=events.ids,
            lines=[line for log in stack.logs.glob("*.log") for line in read_log(log)],
            killed=killed(faults),
            away=away,
        )
        wasted_s = lost_s(faults)
    show(evidence, faults, took_s=took_s, wasted_s=wasted_s, console=console)
    held = evidence.held()
    for what, is_so in held.items():
        console.print(f"  {'yes' if is_so else 'NO '}  {what}")
    return all(held.values())


def show(evidence: Evidence, faults: Faults, *, took_s: float, wasted_s: float, console: Console) -> None:
    """Print the table."""
    kills = sum(number == signal.SIGKILL for _, number, _ in faults.struck)
    tokens = [render["token"] for render in evidence.renders.values()]
    table = Table("what", "how many", title=f"After {took_s:.0f} s", title_justify="left")
    table.columns[1].justify = "right"
    for name, value in (
        ("jobs", len(evidence.jobs)),
        ("  completed", len(evidence.with_status("completed"))),
        ("  failed", len(evidence.with_status("failed"))),
        ("  not final", len(evidence.with_status("queued", "in_progress"))),
        ("renders", len(tokens)),
        ("  claims", sum(tokens)),
        ("  taken over or tried again", sum(max(0, token - 1) for token in tokens)),
        ("  rendered", evidence.rendered),
        ("  committed", sum(evidence.commits.values())),
        ("workers killed with SIGKILL", kills),
        ("  in the middle of a render", len(evidence.killed)),
        ("workers told to go with SIGTERM", len(faults.struck) - kills),
        ("times the message queue forgot everything", 1),
        ("  events that it forgot", len(evidence.lost_events)),
        ("events received, different ones", len(set(evidence.told))),
        ("events received more than once", len(evidence.told) - len(set(evidence.told))),
        ("seconds of work lost", f"{wasted_s:.0f}"),
    ):
        table.add_row(name, str(value))
    console.print(table)


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300, help="wishes (default: 300)")
    parser.add_argument("--rows", type=int, default=60, help="wishes of one batch in bulk (default: 60)")
    parser.add_argument("--workers", type=int, default=4, help="workers (default: 4)")
    parser.add_argument("--seed", type=int, default=1, help="decides wishes and faults (default: 1)")
    try:
        held = run(**vars(parser.parse_args()), console=Console())
    except LocalStackError as exc:
        sys.exit(f"Error: {exc}")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
