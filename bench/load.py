"""Thousands of jobs through a few workers that render at once: is anything lost, and does any process grow?

Enters: numbers. Leaves: a table, a JSON of numbers, a plot of every process's memory, and exit status 1 if a job was
lost, a render was made twice, or a process that is deployed grew.

Run as ``make bench-load``, or ``python -m bench.load --jobs 5000 --workers 4``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import firestore
from rich.console import Console
from rich.table import Table
from urllib3.util.retry import Retry

from bench.chaos import Events
from bench.findings import Finding, add_json_option, report
from bench.instant_stack import WISH, instant_stack
from local.errors import LocalStackError
from local.stack import BUCKET
from local.tokens import PROJECT, local_headers
from shared.artifact_paths import render_key_of
from shared.documents import Status
from shared.google_storage import storage_client

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.instant_stack import Services

TITLE: Final = "Load: many jobs through a few workers that render at once"
#: Wishes that wait at a time, and whose they are: each wish reads all active ones of its owner.
IN_FLIGHT: Final = 100
PEOPLE: Final = 100
SUBMITTERS: Final = 4
LOOK_S: Final = 2.0
#: Without a job more for so long, it is over.
SILENCE_S: Final = 180.0
#: The Firestore emulator holds every document.
HEAP_MIB: Final = 1024
#: Of all samples, so many are written down.
KEPT_SAMPLES: Final = 200
#: They hold every document, message and object in memory: of what is deployed, nothing may grow.
EMULATORS: Final = ("Firestore emulator", "Pub/Sub emulator", "storage")
#: Growth from the second fifth of the jobs to the last that is none: allocators keep what they had at their peak.
FLAT_MIB: Final = 8.0
FLAT_SHARE: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was there at a moment."""

    after_s: float
    completed: int
    #: Resident memory of each process and its children, in MiB.
    mib: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Of one process, from the second fifth of the jobs to the last."""

    early_mib: float
    late_mib: float

    @property
    def allowed_mib(self) -> float:
        """So much is no growth."""
        return max(FLAT_MIB, FLAT_SHARE * self.early_mib)

    @property
    def is_flat(self) -> bool:
        """Whether that is no growth."""
        return self.late_mib - self.early_mib <= self.allowed_mib


class Memory:
    """A thread that looks at every process of the stack."""

    def __init__(self, services: Services) -> None:
        self._stack = services.stack
        self._completed = _completed(services)
        self.samples: list[Sample] = []
        self._begun = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more samples."""
        self._stopping.set()
        self._thread.join()

    @property
    def completed(self) -> int:
        """Jobs that were completed when it last looked."""
        return self.samples[-1].completed if self.samples else 0

    def _look(self) -> None:
        while not self._stopping.wait(LOOK_S):
            groups = {each.pid: each.name for each in [*self._stack.services, *self._stack.workers]}
            with suppress(GoogleAPICallError):  # a busy machine: the next look may do
                completed = int(self._completed.count().get()[0][0].value)
                after_s = round(time.monotonic() - self._begun, 1)
                self.samples.append(Sample(after_s=after_s, completed=completed, mib=memory_mib(groups)))


def memory_mib(groups: Mapping[int, str]) -> dict[str, float]:
    """Resident memory of process groups, in MiB, by their names."""
    listed = subprocess.run(["ps", "-e", "-o", "pgid=,rss="], capture_output=True, text=True, check=True).stdout
    found: Counter[str] = Counter()
    for line in listed.splitlines():
        group, kib = map(int, line.split())
        if group in groups:
            found[groups[group]] += kib
    return {name: round(kib / 1024, 1) for name, kib in sorted(found.items())}


def growth(samples: Sequence[Sample], name: str, *, jobs: int) -> Growth | None:
    """How a process grew; None: it was not there all the time."""

    def median(first: float, last: float) -> float | None:
        some = [each.mib[name] for each in samples if first <= each.completed / jobs <= last and name in each.mib]
        return statistics.median(some) if some else None

    early, late = median(0.2, 0.4), median(0.8, 1.0)
    return None if early is None or late is None else Growth(early_mib=early, late_mib=late)


def submit(services: Services, memory: Memory, jobs: int, *, time_limit_s: float) -> int:
    """Wish for so many videos, no two alike, `IN_FLIGHT` at a time; how many were wished for in time.

    It ends where none is completed for `SILENCE_S`.
    """
    session = requests.Session()
    # As a client should: a call that was cut off is repeated under its key, and makes no second job.
    again = Retry(total=5, backoff_factor=0.5, allowed_methods=None)
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=SUBMITTERS, max_retries=again))

    def one(seed: int) -> None:
        url, person = (
            f"{services.stack.api_url}/jobs",
            local_headers(f"person-{seed % PEOPLE}") | {"Idempotency-Key": f"{seed}"},
        )
        session.post(url, json=WISH | {"seed": seed}, headers=person, timeout=120).raise_for_status()

    wished, give_up_at = 0, time.monotonic() + time_limit_s
    seen, seen_at = -1, time.monotonic()
    with ThreadPoolExecutor(SUBMITTERS) as pool:
        while wished < jobs and time.monotonic() < min(give_up_at, seen_at + SILENCE_S):
            if memory.completed != seen:
                seen, seen_at = memory.completed, time.monotonic()
            room = min(jobs - wished, IN_FLIGHT - (wished - memory.completed))
            list(pool.map(one, range(wished, wished + max(0, room))))
            wished += max(0, room)
            time.sleep(LOOK_S / 4)
    return wished


def wait(memory: Memory, jobs: int, console: Console) -> None:
    """Until all are completed, or none was for a while."""
    told, seen, seen_at = 0, -1, time.monotonic()
    while memory.completed < jobs:
        if memory.completed != seen:
            seen, seen_at = memory.completed, time.monotonic()
        if time.monotonic() - seen_at > SILENCE_S:
            return
        if seen // 500 > told:
            told = seen // 500
            console.print(f"  {seen} of {jobs} jobs are completed")
        time.sleep(LOOK_S)


def losses(services: Services, events: Events, *, jobs: int) -> dict[str, int]:
    """What went wrong, by what it is; each is to be 0."""
    documents = {each.id: each.to_dict() for each in services.database.collection("jobs").stream()}
    renders = {each.id: each.to_dict() for each in services.database.collection("renders").stream()}
    blobs = storage_client(PROJECT).list_blobs(BUCKET)
    videos = {key for blob in blobs if (key := render_key_of(blob.name))}
    completed = [each for each in documents.values() if each["status"] == Status.COMPLETED]
    told = Counter(events.ids)
    return {
        "jobs that are not there": jobs - len(documents),
        "jobs that are not completed": len(documents) - len(completed),
        "completed jobs without a video": sum(each["render_key"] not in videos for each in completed),
        "videos of no render": len(videos - renders.keys()),
        "renders that were claimed more than once": sum(each["token"] > 1 for each in renders.values()),
        "jobs without an event": len(documents.keys() - told.keys()),
    }


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "cpus": os.cpu_count(),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
    }


def measure(*, jobs: int, workers: int, time_limit_s: float, console: Console) -> dict[str, Any]:
    """All the numbers, of as many jobs as could be wished for in time."""
    found: dict[str, Any] = {"workers": workers, "machine": machine()}
    worker_env = {"WARM_S": "600", "PATIENCE_S": "600"}
    with instant_stack(workers=workers, worker_env=worker_env, firestore_heap_mib=HEAP_MIB) as services:
        events, begun = Events(), time.monotonic()
        memory = Memory(services)
        console.print(f"{jobs} jobs, {workers} workers ...")
        jobs = submit(services, memory, jobs, time_limit_s=time_limit_s)
        wait(memory, jobs, console)
        found["seconds"] = round(time.monotonic() - begun, 1)
        memory.stop()
        time.sleep(3)  # the last events
        events.stop()
        found["losses"] = losses(services, events, jobs=jobs)
        # No loss: an event is published at least once.
        found["events_repeated"] = len(events.ids) - len(set(events.ids))
    found["jobs"] = jobs
    found["jobs_a_second"] = round(memory.completed / found["seconds"], 2)
    names = sorted({name for sample in memory.samples for name in sample.mib})
    grown = {name: growth(memory.samples, name, jobs=jobs) for name in names}
    found["memory"] = {
        name: asdict(each) | {"is_deployed": name not in EMULATORS, "is_flat": each.is_flat}
        for name, each in grown.items()
        if each
    }
    found["samples"] = [asdict(each) for each in memory.samples[:: 1 + len(memory.samples) // KEPT_SAMPLES]]
    return found


def held(found: Mapping[str, Any]) -> bool:
    """Whether nothing was lost and nothing that is deployed grew."""
    grew = [name for name, each in found["memory"].items() if each["is_deployed"] and not each["is_flat"]]
    return not grew and not any(found["losses"].values()) and len(found["memory"]) > len(EMULATORS)


def findings(found: Mapping[str, Any]) -> list[Finding]:
    """For the page: what was lost, how fast it was, and the process of ours that grew most for what it may."""
    of = f"of {found['jobs']} jobs through {found['workers']} workers"
    figures = [
        Finding(what=f"lost, or made twice, {of}", measured=sum(found["losses"].values()), unit="jobs", goal=0),
        Finding(what=f"jobs completed, {of}", measured=found["jobs_a_second"], unit="a second"),
    ]
    grown = {
        name: Growth(early_mib=each["early_mib"], late_mib=each["late_mib"])
        for name, each in found["memory"].items()
        if each["is_deployed"]
    }
    if grown:
        name, most = max(grown.items(), key=lambda each: (each[1].late_mib - each[1].early_mib) / each[1].allowed_mib)
        figures.append(
            Finding(
                what=f"most growth of a process of ours ({name}) from the second fifth to the last {of}",
                measured=most.late_mib - most.early_mib,
                unit="MiB",
                goal=most.allowed_mib,
            )
        )
    return figures


def table(found: Mapping[str, Any]) -> Table:
    """For people."""
    shown = Table(
        "what", "early", "late", title=f"{found['jobs']} jobs in {found['seconds']:.0f} s", title_justify="left"
    )
    for column in shown.columns[1:]:
        column.justify = "right"
    for name, each in found["memory"].items():
        mark = "" if each["is_flat"] else "  grew"
        whose = "" if each["is_deployed"] else " (emulator)"
        shown.add_row(f"{name}{whose}", f"{each['early_mib']:.0f} MiB", f"{each['late_mib']:.0f} MiB{mark}")
    shown.add_section()
    for name, number in found["losses"].items():
        shown.add_row(name, "", str(number))
    return shown


def _completed(services: Services) -> firestore.Query:
    condition = firestore.FieldFilter("status", "==", Status.COMPLETED.value)
    return services.database.collection("jobs").where(filter=condition)


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--jobs", type=int, default=5000, help="wishes, no two alike (default: 5000)")
    parser.add_argument("--workers", type=int, default=4, help="workers (default: 4)")
    parser.add_argument("--minutes", type=float, default=60, help="wish for no more after so long (default: 60)")
    parser.add_argument("--numbers", type=Path, help="write a JSON of all numbers there")
    parser.add_argument("--picture", type=Path, help="draw a PNG of every process's memory there")
    add_json_option(parser)
    arguments = parser.parse_args()
    console = Console()
    try:
        found = measure(
            jobs=arguments.jobs,
            workers=arguments.workers,
            time_limit_s=arguments.minutes * 60,
            console=console,
        )
    except LocalStackError as exc:
        sys.exit(f"Error: {exc}")
    console.print(table(found))
    report(TITLE, findings(found), console=console, json_path=arguments.json)
    if arguments.numbers:
        arguments.numbers.write_text(json.dumps(found) + "\n", encoding="utf-8")
    if arguments.picture:
        from bench import load_plot  # noqa: PLC0415 - matplotlib takes a second, and a table needs none

        load_plot.draw(found, arguments.picture)
    sys.exit(0 if held(found) else 1)


if __name__ == "__main__":
    main()
