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
import tempfile
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import pubsub_v1, storage
from rich.console import Console
from rich.table import Table

from bench.pipeline import connect
from local.emulator_finder import find_emulators
from local.errors import LocalStackError
from local.stack import BUCKET, PROJECT, LocalStack, StackOptions
from shared.artifact_paths import render_key_of
from shared.messages import JOB_EVENTS

if TYPE_CHECKING:
    from bench.pipeline import Services

#: Of the test pattern's four steps: a render takes about a second.
STEP_S = 0.25
#: Seconds between two faults, drawn evenly.
PAUSE_S = (1.5, 4.0)
#: The shortest there may be: a worker that was killed is replaced so soon.
LEASE_S = 30
#: One wish in so many is one that was made before.
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


def wish(services: Services, jobs: int, *, seed: int) -> list[str]:
    """Submit the wishes, some of them repeated; the jobs' ids."""
    drawn = random.Random(seed)
    session, ids = requests.Session(), []
    for number in range(jobs):
        one = drawn.randrange(number) if number and drawn.randrange(REPEATED) == 0 else number
        body = {"perspective": "curious-cat", "size": "64x64", "seed": one}
        answer = session.post(f"{services.stack.api_url}/jobs", json=body, timeout=60)
        answer.raise_for_status()
        ids.append(answer.json()["job_id"])
    return ids


def wait_until_final(services: Services, ids: list[str], console: Console) -> dict[str, dict[str, Any]]:
    """The jobs' documents once all are final, or as they are at the deadline."""
    give_up_at = time.monotonic() + DEADLINE_S
    told = -1
    while True:
        documents = {each.id: each.to_dict() for each in services.database.collection("jobs").stream()}
        final = sum(documents[each]["finished_at"] is not None for each in ids)
        if final // 50 != told:
            told = final // 50
            console.print(f"  {final} of {len(ids)} jobs are final")
        if final == len(ids) or time.monotonic() > give_up_at:
            return {each: documents[each] for each in ids}
        time.sleep(1)


def lost_s(faults: Faults) -> float:
    """Seconds between the last claim and the blow, for each worker that was struck in the middle of a render."""
    lost = 0.0
    for log, _, struck_at in faults.struck:
        claimed: datetime | None = None
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError):
                entry = json.loads(line)
                if entry.get("message") == "render claimed":
                    claimed = datetime.fromisoformat(entry["time"])
                elif str(entry.get("message", "")).startswith("video "):
                    claimed = None
        if claimed is not None:
            lost += max(0.0, (struck_at - claimed).total_seconds())
    return lost


def run(*, jobs: int, workers: int, seed: int, console: Console) -> bool:
    """The whole experiment; whether everything held."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        options = StackOptions(
            run_dir=Path(folder),
            models_dir=Path(folder),
            max_workers=workers,
            worker_module="local.instant_worker",
            worker_env={"STEP_S": str(STEP_S), "LEASE_S": str(LEASE_S), "WARM_S": "20", "RETRY_BACKOFF_S": "1"},
            reconcile_every_s=5,
        )
        with LocalStack(options, binaries=find_emulators(download=True)) as stack:
            services = connect(stack)
            events = Events()
            begun = time.monotonic()
            faults = Faults(stack, seed=seed)
            console.print(f"{jobs} wishes, {workers} workers, a blow every few seconds ...")
            ids = wish(services, jobs, seed=seed)
            console.print("The message queue forgets everything, and is there again ...")
            stack.restart_pubsub()
            events.subscribe()
            # What an operator does after an incident that lost messages.
            for _ in range(0, jobs, RECONCILED_AT_ONCE):
                requests.post(f"{stack.reconcile_url}?hours_ahead=6", timeout=60).raise_for_status()
            documents = wait_until_final(services, ids, console)
            took_s = time.monotonic() - begun
            faults.stop()
            time.sleep(3)  # the last events
            events.stop()
            renders = {each.id: each.to_dict() for each in services.database.collection("renders").stream()}
            blobs = [blob.name for blob in storage.Client(project=PROJECT).list_blobs(BUCKET)]
            wasted_s = lost_s(faults)
    commits = {key for name in blobs if (key := render_key_of(name))}
    by_status = {
        status: sum(job["status"] == status for job in documents.values())
        for status in ("completed", "failed", "queued", "in_progress")
    }
    told = set(events.ids)
    kills = sum(number == signal.SIGKILL for _, number, _ in faults.struck)
    table = Table("what", "how many", title=f"After {took_s:.0f} s", title_justify="left")
    table.columns[1].justify = "right"
    for name, value in (
        ("jobs", len(ids)),
        ("  completed", by_status["completed"]),
        ("  failed", by_status["failed"]),
        ("  not final", by_status["queued"] + by_status["in_progress"]),
        ("renders", len(renders)),
        ("  claims", sum(render["token"] for render in renders.values())),
        ("  taken over or tried again", sum(max(0, render["token"] - 1) for render in renders.values())),
        ("  committed", len(commits)),
        ("workers killed with SIGKILL", kills),
        ("workers told to go with SIGTERM", len(faults.struck) - kills),
        ("times the message queue forgot everything", 1),
        ("events received, different ones", len(told)),
        ("events received more than once", len(events.ids) - len(told)),
        ("seconds of work lost", f"{wasted_s:.0f}"),
    ):
        table.add_row(name, str(value))
    console.print(table)
    completed = [job for job in documents.values() if job["status"] == "completed"]
    held = {
        "every job is final": by_status["queued"] + by_status["in_progress"] == 0,
        "every completed job has a video": all(job["render_key"] in commits for job in completed),
        "every committed render is completed": all(renders[key]["state"] == "completed" for key in commits),
        "every failed job says why": all(job["error"] for job in documents.values() if job["status"] == "failed"),
        "nothing is left to tell": not any(job["event_pending"] for job in documents.values()),
    }
    for what, is_so in held.items():
        console.print(f"  {'yes' if is_so else 'NO '}  {what}")
    return all(held.values())


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=300, help="wishes (default: 300)")
    parser.add_argument("--workers", type=int, default=4, help="workers (default: 4)")
    parser.add_argument("--seed", type=int, default=1, help="decides wishes and faults (default: 1)")
    try:
        held = run(**vars(parser.parse_args()), console=Console())
    except LocalStackError as exc:
        sys.exit(f"Error: {exc}")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
