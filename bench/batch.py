"""How long it takes until a manifest's wishes are all jobs that are queued, and how much memory that needs.

Beside it, in the same run, the floor: the same number of documents and messages, written and published by the same
clients with nothing else done. No worker runs. Machines are noisy, so read the ratio first.

Run as ``make bench-batch``, or ``python -m bench.batch --rows 10000``. With ``--equal`` thousands of wishes wait for
each of a few renders.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from rich.console import Console

from bench.findings import Finding, add_json_option, report
from bench.instant_stack import instant_stack
from local.errors import LocalStackError
from local.stack import MANIFEST_BUCKET
from local.tokens import PROJECT, local_headers
from shared.google_storage import storage_client
from shared.job_store import Create, Replace
from shared.jobs import publish
from shared.messages import RENDER_REQUESTS_BULK, RenderRequested, attributes_of, encode
from shared.requests import Priority
from shared.testing import a_job, a_render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.instant_stack import Services
    from local.processes import ChildProcess

LOOK_S = 0.2
DEADLINE_S = 1800.0
#: As the function does: what goes into one commit.
GROUP_ROWS = 200
#: The emulator's compiler needs some calls until it is as fast as it will be.
WARM_UP_ROWS = 1000
#: Two documents a row, of both runs; 100 000 rows fit too.
HEAP_MIB = 2048
#: Different videos among wishes that are equal.
FEW = 5
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Peak:
    """Most memory that a process had at any look."""

    mib: float = 0.0


@contextmanager
def watched(process: ChildProcess) -> Iterator[Peak]:
    """Look at the resident memory of a server until the end of the block.

    Of gunicorn's child, which does the work. Linux only: elsewhere it stays 0.
    """
    peak, done = Peak(), threading.Event()
    proc = Path("/proc")

    def look() -> None:
        while not done.wait(0.05):
            with suppress(OSError):
                children = (proc / f"{process.pid}/task/{process.pid}/children").read_text().split()
                for pid in children or [str(process.pid)]:
                    pages = int((proc / pid / "statm").read_text().split()[1])
                    peak.mib = max(peak.mib, pages * PAGE_BYTES / 2**20)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def write_manifest(rows: int, *, renders: int) -> str:
    """Upload so many wishes for so many different videos; the manifest's address."""
    seeds = (number % renders for number in range(rows))
    text = "".join(json.dumps({"perspective": "curious-cat", "seed": seed}) + "\n" for seed in seeds)
    client = storage_client(PROJECT)
    client.bucket(MANIFEST_BUCKET).blob("bench.jsonl").upload_from_string(text)
    return f"gs://{MANIFEST_BUCKET}/bench.jsonl"


def place_batch(services: Services, manifest: str, *, rows: int) -> tuple[float, float]:
    """Seconds from the call to the 202, and to the last row placed."""
    begun = time.monotonic()
    url = f"{services.stack.api_url}/batches"
    answer = requests.post(url, json={"manifest": manifest}, headers=local_headers(), timeout=60)
    answer.raise_for_status()
    accepted_s = time.monotonic() - begun
    document = services.database.document("batches", answer.json()["batch_id"])
    while (batch := document.get().to_dict())["state"] in {"accepted", "placing"}:
        if time.monotonic() - begun > DEADLINE_S:
            raise LocalStackError(f"not placed within {DEADLINE_S:.0f} s: {batch['placed']} of {rows}")
        time.sleep(LOOK_S)
    if batch["placed"] != rows:
        raise LocalStackError(f"the batch is {batch['state']}: {batch['placed']} of {rows} rows, {batch['error']}")
    return accepted_s, time.monotonic() - begun


def floor(services: Services, rows: int, *, renders: int, name: str) -> float:
    """Seconds of the same commits and messages, one group after the other, with nothing in between."""
    store, now = services.store, datetime.now(UTC)
    spec = a_render(now=now, changes={"priority": Priority.BULK})
    job = a_job(spec, now=now)
    message = RenderRequested(render_key=spec.render_key)
    topic, data, attributes = RENDER_REQUESTS_BULK, encode(message), attributes_of(message)
    begun = time.monotonic()
    for first in range(0, rows, GROUP_ROWS):
        numbers = range(first, min(first + GROUP_ROWS, rows))
        jobs = [job.model_copy(update={"job_id": f"{name}-{number:08}"}) for number in numbers]
        fresh = [
            spec.model_copy(update={"render_key": hashlib.sha256(f"{name}/{number}".encode()).hexdigest()[:40]})
            for number in numbers
            if number < renders
        ]
        written = store.commit(*(Create(value=each) for each in jobs), *(Create(value=each) for each in fresh))
        if not fresh:
            continue
        services.publisher.publish_all(topic, [(data, attributes) for _ in fresh])
        marks = [publish(render, now=now) for render in fresh]
        placed = written[len(jobs) :]
        store.commit(*(Replace(stored=stored, value=mark) for stored, mark in zip(placed, marks, strict=True)))
    return time.monotonic() - begun


def measure(*, rows: int, renders: int, console: Console) -> list[Finding]:
    """The batch and its floor, on one stack without workers."""
    with instant_stack(workers=0, reconcile_every_s=3600, has_telemetry=False, firestore_heap_mib=HEAP_MIB) as services:
        expand = services.stack.service("expand")
        manifest = write_manifest(rows, renders=renders)
        floor(services, WARM_UP_ROWS, renders=WARM_UP_ROWS, name="warm-up")
        idle_mib = memory_mib(expand)
        console.print(f"{rows} wishes for {renders} videos by a manifest ...")
        with watched(expand) as peak:
            accepted_s, placed_s = place_batch(services, manifest, rows=rows)
        console.print("the floor ...")
        floor_s = floor(services, rows, renders=renders, name="floor")
    return [
        Finding(what="POST to 202", measured=accepted_s * 1000, unit="ms"),
        Finding(what=f"until all {rows} are queued", measured=placed_s, unit="s", floor=floor_s),
        Finding(what="rows queued", measured=rows / placed_s, unit="a second", floor=rows / floor_s),
        Finding(what="peak memory of the function", measured=peak.mib, unit="MiB", floor=idle_mib),
    ]


def memory_mib(process: ChildProcess) -> float:
    """Resident memory now."""
    with watched(process) as peak:
        time.sleep(0.2)
    return peak.mib


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.batch", description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000, help="wishes in the manifest (default: 10000)")
    parser.add_argument("--equal", action="store_true", help=f"wishes for {FEW} videos alone, so most are equal")
    add_json_option(parser)
    arguments = parser.parse_args()
    console, renders = Console(), FEW if arguments.equal else arguments.rows
    try:
        findings = measure(rows=arguments.rows, renders=renders, console=console)
    except LocalStackError as exc:
        sys.exit(f"Error: {exc}")
    title = f"A batch: {arguments.rows} wishes for {renders} videos by a manifest, no worker"
    report(title, findings, console=console, json_path=arguments.json)


if __name__ == "__main__":
    main()
