"""How much the pipeline adds to a render: from the 202 to `completed` seen, with a renderer that returns at once.

The client hears of it as the page does, by a listener on the job's document, and then asks for the video's addresses.

Beside it, in the same run, the floor: the same calls to the same emulators, one after the other, with nothing in
between. Machines are noisy, so read the ratio first.

Run as ``make bench-pipeline``, or ``python -m bench.pipeline --jobs 50 --burst 500 --workers 4``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import requests
from google.cloud import firestore
from rich.console import Console

from bench.findings import Finding, add_json_option, report
from bench.instant_stack import WISH, instant_stack
from gpu_job.message_source.pubsub import PubSubMessageSource
from local.errors import LocalStackError
from local.stack import BUCKET
from local.tokens import PROJECT, local_headers
from shared.artifact_paths import human_view_path, poster_path, receipt_path, video_path
from shared.documents import Render, Status
from shared.documents import Stage as WorkStage
from shared.job_store import Create, Replace
from shared.jobs import claim_render, follow, renew_render, touch
from shared.messages import RENDER_REQUESTS, RenderRequested, encode
from shared.testing import a_job, a_render

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bench.instant_stack import Services
    from gpu_job.message_source import Message
    from shared.documents import Job
    from shared.job_store import Kept, Stored

TITLE = "The pipeline's overhead, with a renderer that returns at once"
#: Of the median: so many times the floor at most.
GOAL_RATIO = 1.3
DEADLINE_S = 600.0
#: Who wishes when all wish at once.
PEOPLE = 100
#: About what a clip of 256x256 weighs.
VIDEO_BYTES = bytes(8_000)


@contextmanager
def completed_of(services: Services, job_id: str) -> Iterator[threading.Event]:
    """Set once a listener on the document of that job hears that it is completed."""
    completed = threading.Event()

    def heard(documents: Sequence[firestore.DocumentSnapshot], *_: object) -> None:
        if any(each.exists and each.get("status") == Status.COMPLETED for each in documents):
            completed.set()

    watch = services.database.document("jobs", job_id).on_snapshot(heard)
    try:
        yield completed
    finally:
        watch.unsubscribe()


def one_after_the_other(services: Services, jobs: int, *, first_seed: int) -> list[float]:
    """Seconds from each 202 to `completed`, less what rendering, encoding and signing took.

    Args:
        services: with a worker.
        jobs: how many.
        first_seed: of the first; none may have been wished for before.
    """
    session, api = requests.Session(), services.stack.api_url
    session.headers.update(local_headers())
    overheads_s = []
    for seed in range(first_seed, first_seed + jobs):
        answer = session.post(f"{api}/jobs", json=WISH | {"seed": seed}, timeout=30)
        begun = time.monotonic()
        answer.raise_for_status()
        if answer.status_code != HTTPStatus.ACCEPTED:
            raise LocalStackError(f"seed {seed} was wished for before: nothing is rendered")
        job_url = api + answer.headers["Location"]
        with completed_of(services, answer.json()["job_id"]) as completed:
            if not completed.wait(DEADLINE_S):
                raise LocalStackError(f"not completed within {DEADLINE_S:.0f} s: {job_url}")
            job = session.get(job_url, timeout=30).json()
            took_s = time.monotonic() - begun
        render = services.store.render(job["render_key"])
        assert render is not None
        assert render.value.usage is not None
        overheads_s.append(took_s - render.value.usage.whole_s - render.value.usage.sign_s)
    return overheads_s


def all_at_once(services: Services, jobs: int, *, first_seed: int) -> tuple[float, float, list[float]]:
    """Jobs submitted a second, jobs completed a second, and seconds from each wish to its video."""
    api = services.stack.api_url
    session = requests.Session()
    session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=8))

    def submit(seed: int) -> None:
        # Of many people: each wish reads the active ones of its owner.
        person = local_headers(f"person-{seed % PEOPLE}")
        session.post(f"{api}/jobs", json=WISH | {"seed": seed}, headers=person, timeout=60).raise_for_status()

    completed = services.database.collection("jobs").where(
        filter=firestore.FieldFilter("status", "==", Status.COMPLETED.value)
    )
    before = completed.count().get()[0][0].value
    begun_at, begun = datetime.now(UTC), time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(submit, range(first_seed, first_seed + jobs)))
    submitted_s = time.monotonic() - begun
    while completed.count().get()[0][0].value - before < jobs:
        if time.monotonic() - begun > DEADLINE_S:
            raise LocalStackError(f"not all of {jobs} jobs were completed within {DEADLINE_S:.0f} s")
        time.sleep(0.1)
    completed_s = time.monotonic() - begun
    documents = [each.to_dict() for each in completed.stream()]
    waits_s = [
        (each["finished_at"] - each["created_at"]).total_seconds()
        for each in documents
        if each["created_at"] >= begun_at
    ]
    return jobs / submitted_s, jobs / completed_s, waits_s


def floor(services: Services, source: PubSubMessageSource, *, seed: int, is_heard: bool) -> float:
    """The calls that one job makes after its 202, by themselves, and a client that hears of it; in seconds."""
    store, now = services.store, datetime.now(UTC)
    render = a_render(now=now, seed=seed, size="256x256", prompt="the floor")
    key = render.render_key
    job = a_job(render, job_id=f"floor-{seed:08}", now=now)
    placed, idle = store.commit(Create(value=job), Create(value=render))
    services.publisher.publish(RENDER_REQUESTS, encode(RenderRequested(render_key=key)), attributes={})
    begun = time.monotonic()
    with completed_of(services, job.job_id) if is_heard else nullcontext() as completed:
        message = _calls(services, source, job=job, placed=placed, idle=idle)
        # The client hears of it, and asks for the addresses.
        if completed:
            completed.wait(DEADLINE_S)
        requests.get(f"{services.stack.api_url}/jobs/{job.job_id}", headers=local_headers(), timeout=30)
        took_s = time.monotonic() - begun
    source.acknowledge(message)
    return took_s


def _calls(
    services: Services, source: PubSubMessageSource, *, job: Job, placed: Stored[Kept], idle: Stored[Kept]
) -> Message:
    """From the message to the completed job."""
    store, artifacts, now = services.store, services.artifacts, datetime.now(UTC)
    assert isinstance(idle.value, Render)
    render, key = idle.value, idle.value.render_key
    # The worker takes the message and claims the render,
    message = source.pull(timeout_s=3)
    assert message is not None
    artifacts.get(video_path(key))
    store.render(key)
    store.waiting_jobs(key, limit=1)
    [claimed] = store.commit(Replace(stored=idle, value=claim_render(render, holder="floor", lease_s=60, now=now)))
    # tells the job,
    store.waiting_jobs(key)
    leased = renew_render(claimed.value, stage=WorkStage.LOADING, progress=0, now=now)  # type: ignore[arg-type]
    leased_render, told = store.commit(
        Replace(stored=claimed, value=leased), Replace(stored=placed, value=follow(job, leased, now=now))
    )
    source.extend(message, deadline_s=60)
    # and uploads.
    artifacts.create(poster_path(key, "1"), b"poster", content_type="image/jpeg")
    artifacts.create(receipt_path(key, "1"), b"receipt", content_type="application/json")
    artifacts.create(human_view_path(key, "1"), VIDEO_BYTES, content_type="video/mp4")
    # Under a name that `notify` does not care for: its event comes by hand, so that it can be waited for.
    artifacts.create(f"floor/{key}.mp4", VIDEO_BYTES, content_type="video/mp4", metadata={"result": "x" * 500})
    # The event reaches a function,
    event = {"ce-id": "1", "ce-source": "//floor", "ce-specversion": "1.0", "ce-type": "floor"}
    requests.post(services.stack.notify_url, json={"bucket": BUCKET, "name": "floor"}, headers=event, timeout=30)
    # which completes the render and the job.
    artifacts.get(video_path(key))
    store.render(key)
    [done] = store.commit(Replace(stored=leased_render, value=touch(leased, now=datetime.now(UTC))))
    store.waiting_jobs(key)
    final = told.value.model_copy(update={"status": Status.COMPLETED, "progress": 100})
    store.commit(Replace(stored=done, value=touch(leased, now=datetime.now(UTC))), Replace(stored=told, value=final))
    return message


def floors(services: Services, jobs: int, *, threads: int, first_seed: int) -> tuple[list[float], float]:
    """Seconds of each floor, and floors a second. Without a listener for several threads, as for jobs at once."""

    def some(thread: int) -> list[float]:
        source = PubSubMessageSource(project=PROJECT)
        seeds = range(first_seed + thread, first_seed + jobs, threads)
        took_s = [floor(services, source, seed=seed, is_heard=threads == 1) for seed in seeds]
        source.close()
        return took_s

    begun = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        took_s = [each for part in pool.map(some, range(threads)) for each in part]
    return took_s, jobs / (time.monotonic() - begun)


def percentiles_ms(seconds: Sequence[float]) -> tuple[float, float]:
    """p50 and p99."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return statistics.median(seconds) * 1000, cuts[98] * 1000


def alone(services: Services, jobs: int) -> list[Finding]:
    """Of jobs one after the other."""
    one_after_the_other(services, 3, first_seed=9_000)  # starts the worker, opens connections
    seen = percentiles_ms(one_after_the_other(services, jobs, first_seed=0))
    services.stack.stop_workers()  # nobody else may take the floor's messages
    least = percentiles_ms(floors(services, jobs, threads=1, first_seed=10_000)[0])
    return [
        Finding(
            what=f"202 to completed seen, {name} of {jobs}",
            measured=seen_ms,
            unit="ms",
            floor=least_ms,
            goal_ratio=goal,
        )
        for name, seen_ms, least_ms, goal in zip(("p50", "p99"), seen, least, (GOAL_RATIO, None), strict=True)
    ]


def together(services: Services, jobs: int, *, workers: int) -> list[Finding]:
    """Of jobs all at once."""
    all_at_once(services, 3 * workers, first_seed=19_000)  # starts the workers
    submitted, completed, waits_s = all_at_once(services, jobs, first_seed=20_000)
    services.stack.stop_workers()  # nobody else may take the floor's messages
    least = floors(services, jobs, threads=workers, first_seed=30_000)[1]
    p50, p99 = (each / 1000 for each in percentiles_ms(waits_s))
    return [
        Finding(what=f"wish to completed, queueing and all, p50 of {jobs} at once", measured=p50, unit="s"),
        Finding(what=f"wish to completed, queueing and all, p99 of {jobs} at once", measured=p99, unit="s"),
        Finding(what=f"jobs submitted, of {jobs}", measured=submitted, unit="a second"),
        Finding(what=f"jobs completed, of {jobs}, {workers} workers", measured=completed, unit="a second", floor=least),
    ]


def measure(*, jobs: int, burst: int, workers: int, console: Console) -> list[Finding]:
    """Both measurements, each on a stack of its own, each with its floor."""
    stack_of = partial(
        instant_stack,
        worker_env={"WARM_S": "20", "PATIENCE_S": "20"},
        reconcile_every_s=3600,
        has_telemetry=False,
    )
    with stack_of(workers=1) as services:
        console.print(f"{jobs} jobs, one after the other, one worker ...")
        findings = alone(services, jobs)
    with stack_of(workers=workers) as services:
        console.print(f"{burst} jobs at once, {workers} workers ...")
        return findings + together(services, burst, workers=workers)


def main() -> None:
    """Entry of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=50, help="jobs one after the other (default: 50)")
    parser.add_argument("--burst", type=int, default=500, help="jobs at once (default: 500)")
    parser.add_argument("--workers", type=int, default=4, help="workers for the jobs at once (default: 4)")
    add_json_option(parser)
    arguments = parser.parse_args()
    console = Console()
    try:
        findings = measure(jobs=arguments.jobs, burst=arguments.burst, workers=arguments.workers, console=console)
    except LocalStackError as exc:
        sys.exit(f"Error: {exc}")
    report(TITLE, findings, console=console, json_path=arguments.json)


if __name__ == "__main__":
    main()
