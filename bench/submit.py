"""How many wishes a second ``POST /jobs`` takes, beside a bare function that makes the same calls and nothing else.

Both run as in the cloud, by functions-framework, on the same emulators; no worker runs. They take turns, since a
machine's speed drifts.

Run as ``make bench-submit``, or ``python -m bench.submit --wishes 100``.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from google.cloud import firestore
from rich.console import Console

from bench.bare_submit import SAMPLES
from bench.findings import Finding, add_json_option, report
from local.emulator_finder import find_emulators
from local.errors import LocalStackError
from local.processes import HOST, ChildProcess, free_port
from local.stack import LocalStack, StackOptions
from local.tokens import PROJECT, local_headers
from shared.slots import owner_key

if TYPE_CHECKING:
    from collections.abc import Mapping

WISH = {"perspective": "curious-cat", "size": "256x256", "theme": "autumn-mist"}
#: As many at a time as functions-framework has threads here for one function.
CLIENTS = 8
TURNS = 5
#: Of a bare function's wishes a second.
GOAL_SHARE = 0.8
READY_S = 60.0


def wishes_s(url: str, numbers: range, *, session: requests.Session) -> tuple[float, list[float]]:
    """Seconds for all of them from `CLIENTS` clients at once, and of each. Everyone wishes once."""

    def wish(number: int) -> float:
        begun = time.monotonic()
        # Of another person each, so that nobody's slots fill up and cost ever more to read.
        headers = local_headers(f"person-{number}")
        session.post(url, json=WISH | {"seed": number}, headers=headers, timeout=60).raise_for_status()
        return time.monotonic() - begun

    begun = time.monotonic()
    with ThreadPoolExecutor(CLIENTS) as pool:
        each_s = list(pool.map(wish, numbers))
    return time.monotonic() - begun, each_s


def wish_to_copy(stack: LocalStack, *, session: requests.Session) -> dict[str, str]:
    """Where the documents of one wish are, as the bare function's environment says it."""
    answer = session.post(f"{stack.api_url}/jobs", json=WISH, headers=local_headers("to-copy"), timeout=60)
    answer.raise_for_status()
    os.environ.update(stack.env)
    database = firestore.Client(project=PROJECT)
    job = database.document("jobs", answer.json()["job_id"]).get()
    [slot] = database.collection("owners", owner_key(job.get("owner")), "slots").stream()
    places = {"job": f"jobs/{job.id}", "render": f"renders/{job.get('render_key')}", "slot": slot.reference.path}
    return {SAMPLES[name]: path for name, path in places.items()}


def bare_function(stack: LocalStack, samples: Mapping[str, str], *, port: int) -> ChildProcess:
    """The function of `bench.bare_submit`, as the stack runs its own."""
    source = str(Path(__file__).with_name("bare_submit.py"))
    argv = [sys.executable, "-m", "functions_framework", "--target", "bare", "--source", source]
    return ChildProcess(
        name="bare",
        argv=[*argv, "--host", HOST, "--port", str(port)],
        log_path=stack.logs / "bare.log",
        env={**os.environ, **stack.env, **samples},
    )


def measure(*, wishes: int, console: Console) -> list[Finding]:
    """Both, by turns."""
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=CLIENTS))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        options = StackOptions(
            run_dir=Path(folder), models_dir=Path(folder), max_workers=0, reconcile_every_s=3600, has_telemetry=False
        )
        with LocalStack(options, binaries=find_emulators(download=True)) as stack:
            port = free_port(HOST)
            with bare_function(stack, wish_to_copy(stack, session=session), port=port) as bare:
                bare_url = f"http://{HOST}:{port}"
                bare.wait_ready(partial(answers, bare_url), timeout_s=READY_S)
                urls = {"ours": f"{stack.api_url}/jobs", "bare": bare_url}
                took_s: dict[str, list[float]] = {name: [] for name in urls}
                waits_s: dict[str, list[float]] = {name: [] for name in urls}
                for turn in range(TURNS + 1):
                    console.print(f"turn {turn} of {TURNS}, {wishes} wishes each ..." if turn else "warming up ...")
                    for name, url in urls.items():
                        whole_s, each_s = wishes_s(url, range(turn * wishes, (turn + 1) * wishes), session=session)
                        if turn:
                            took_s[name].append(whole_s)
                            waits_s[name] += each_s
    rate = {name: wishes / statistics.median(each) for name, each in took_s.items()}
    wait_ms = {name: statistics.median(each) * 1000 for name, each in waits_s.items()}
    return [
        Finding(
            what=f"wishes taken, {CLIENTS} clients",
            measured=rate["ours"],
            unit="a second",
            floor=rate["bare"],
            goal_ratio=1 / GOAL_SHARE,
        ),
        Finding(what="POST to 202, p50", measured=wait_ms["ours"], unit="ms", floor=wait_ms["bare"]),
    ]


def answers(url: str) -> bool:
    """Whether a function is loaded; a GET without a body is refused."""
    with suppress(requests.RequestException):
        return bool(requests.get(url, timeout=5).status_code)
    return False


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.submit", description=__doc__.splitlines()[0])
    parser.add_argument("--wishes", type=int, default=100, help=f"in each of {TURNS} turns (default: 100)")
    add_json_option(parser)
    arguments = parser.parse_args()
    console = Console()
    try:
        findings = measure(wishes=arguments.wishes, console=console)
    except LocalStackError as exc:
        sys.exit(f"Error: {exc}")
    report(
        "POST /jobs, beside a function that makes the same calls", findings, console=console, json_path=arguments.json
    )


if __name__ == "__main__":
    main()
