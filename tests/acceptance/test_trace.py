"""One trace id from the wish to the first sight of its video, through real processes, and measures of each of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import requests

from cli.here import announced
from cli.metrics import Measured, measured_in
from cli.trace import Span, spans_in, trace_of
from local.bundles import ROOT
from local.emulator_finder import find_emulators
from local.stack import LocalStack, StackOptions
from local.tokens import local_headers
from shared.measures import ATTRIBUTES, GPU, MEASURES, QUEUE_AGE, RENDER, START, WAIT, SpanName
from tests.acceptance.conftest import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.acceptance, pytest.mark.emulators]

PROMPT = "a xyzzy in the sun"
#: What the rooms say of a job or its render, each at least once.
TOLD = {"job accepted", "render claimed", "video committed", "render completed", "event published"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """The system with a worker that needs no model, and leaves at once."""
    folder = tmp_path_factory.mktemp("traced")
    options = StackOptions(
        run_dir=folder, models_dir=folder, worker_module="local.instant_worker", worker_env={"WARM_S": "0"}
    )
    with LocalStack(options, binaries=find_emulators(download=True)) as running:
        yield running


def run(*arguments: str, cwd: Path, code: int = 0) -> str:
    """What the command says, on whichever stream its exit code has it."""
    argv = [sys.executable, "-m", "cli.main", *arguments]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


def labels_of(found: list[Measured], name: str, label: str) -> set[str]:
    """What a label of a measure has been."""
    return {dict(each.labels)[label] for each in found if each.name == name}


def logged(stack: LocalStack, *names: str) -> list[dict[str, Any]]:
    """Every line of ours that has one of these in it, of all processes."""
    texts = [line for path in stack.logs.glob("*.log") for line in path.read_text("utf-8").splitlines()]
    return [json.loads(text) for text in texts if text.startswith("{") and any(name in text for name in names)]


def test_one_trace_leads_from_the_wish_to_the_first_sight_of_its_video(stack: LocalStack, tmp_path: Path) -> None:
    with announced(stack.api_url, run_dir=stack.telemetry.parent):
        before = {each.span_id for each in spans_in(stack.telemetry)}
        run("submit", "drifting-balloon", "--seed", "5", "--prompt", PROMPT, "-o", "film.mp4", cwd=tmp_path)
        made = [each for each in spans_in(stack.telemetry) if each.span_id not in before]
        [wish] = [each for each in made if each.name == SpanName.WISH]
        job_id = wish.attributes["job_id"]
        expected = [
            SpanName.WISH,
            SpanName.SUBMIT,
            SpanName.PUBLISH,
            SpanName.CLAIM,
            SpanName.RENDER,
            SpanName.IMPORT,
            SpanName.LOADING,
            SpanName.RENDERING,
            SpanName.ENCODING,
            SpanName.DECODING,
            SpanName.VIDEO,
            SpanName.SIGN,
            SpanName.UPLOADING,
            SpanName.COMMIT,
            SpanName.NOTIFY,
            SpanName.EVENT,
            SpanName.WAIT,
            SpanName.LINK,
        ]

        def whole() -> list[Span] | None:
            found = trace_of(job_id, [stack.telemetry])
            return found if set(expected) <= {each.name for each in found} else None

        spans = until(whole, what=f"spans of {expected}")
        shown = run("trace", job_id, cwd=tmp_path)

    assert {each.trace_id for each in spans} == {wish.trace_id}
    assert {each.service for each in spans} == {"cli", "submit", "gpu_job", "notify"}
    assert [each for each in spans if each.parent_id is None] == [wish], "one root, and everything hangs on it"
    assert {each.parent_id for each in spans if each.parent_id} <= {each.span_id for each in spans}
    by_name = {each.name: each for each in spans}
    in_order = [by_name[each].begun_s for each in expected if each not in {SpanName.WAIT, SpanName.DECODING}]
    assert in_order[:8] == sorted(in_order[:8])
    # The bucket tells of a video before whoever uploaded it has its answer, and whoever waits sees `completed` in the
    # job's document, which is written before its event is published.
    committed_s = by_name[SpanName.COMMIT].begun_s
    assert committed_s <= wish.ended_s <= by_name[SpanName.LINK].begun_s
    assert committed_s <= by_name[SpanName.EVENT].begun_s
    assert all(line in shown for line in (wish.trace_id, "rendering", "notify"))

    job = requests.get(f"{stack.api_url}/jobs/{job_id}", headers=local_headers(), timeout=10).json()
    lines = logged(stack, job_id, job["render_key"])
    assert {each["message"] for each in lines} >= TOLD
    trace_of_line = "logging.googleapis.com/trace"
    strays = [each for each in lines if not each.get(trace_of_line, "").endswith(f"/{wish.trace_id}")]
    assert strays == [], "every line that names the job or its render leads to its trace"

    said = {name: str(value) for each in spans for name, value in each.attributes.items()}
    assert said.keys() <= ATTRIBUTES
    kept = "".join(path.read_text("utf-8") for path in stack.telemetry.iterdir())
    assert "xyzzy" not in kept
    assert "http://" not in kept
    assert "Bearer" not in kept


def test_each_process_writes_its_measures(stack: LocalStack, tmp_path: Path) -> None:
    with announced(stack.api_url, run_dir=stack.telemetry.parent):
        run("submit", "drifting-balloon", "--seed", "6", "-o", "film.mp4", cwd=tmp_path)
    requests.post(stack.reconcile_url, timeout=60)

    wanted = {each.name for each in (WAIT, RENDER, GPU, START, QUEUE_AGE)}

    def told() -> list[Measured] | None:
        found = measured_in(stack.telemetry)
        return found if wanted <= {each.name for each in found} else None

    found = until(told, what=f"measures {wanted}")

    assert {each.name for each in found} <= {each.name for each in MEASURES}
    assert {"import", "first_render"} <= labels_of(found, START.name, "phase")
    assert labels_of(found, QUEUE_AGE.name, "priority") == {"interactive", "bulk"}


def test_a_job_of_which_nothing_is_kept_is_one_clear_line(tmp_path: Path) -> None:
    said = run("trace", "no-such-job", cwd=tmp_path, code=1)

    assert said.startswith("Error: No trace of a job no-such-job is kept here")
    assert said.count("\n") == 1
