"""The runbook: its commands for this machine do what it says, on a system that was started for them, in its order."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

from cli.here import announced
from local.emulator_finder import find_emulators
from local.stack import LocalStack, StackOptions
from local.tokens import local_headers
from tests.acceptance.conftest import until
from tests.runbook import blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.acceptance, pytest.mark.emulators]

BIN = Path(sys.executable).parent


@pytest.fixture
def house(tmp_path: Path) -> Iterator[LocalStack]:
    """A system whose workers render at once, and stay for long."""
    options = StackOptions(
        run_dir=tmp_path / "run",
        models_dir=tmp_path,
        worker_module="local.instant_worker",
        worker_env={"WARM_S": "600", "PATIENCE_S": "600"},
    )
    with (
        LocalStack(options, binaries=find_emulators(download=True)) as stack,
        announced(stack.api_url, env=stack.env, run_dir=options.run_dir),
    ):
        yield stack


def run(script: str, *, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_EMULATOR_HOST")}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=cwd,
        env=kept | {"PATH": f"{BIN}:{os.environ['PATH']}", "COLUMNS": "200"} | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def submit(house: LocalStack, seed: int) -> str:
    wish = {"perspective": "curious-cat", "size": "256x256", "seed": seed}
    answer = requests.post(f"{house.api_url}/jobs", json=wish, headers=local_headers(), timeout=30)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def status(house: LocalStack, job_id: str) -> str:
    answer = requests.get(f"{house.api_url}/jobs/{job_id}", headers=local_headers(), timeout=30)
    return str(answer.json()["status"])


def test_every_command_for_this_machine_does_what_the_runbook_says(house: LocalStack, tmp_path: Path) -> None:
    drained = run("lifeasnotme drain --yes --reason 'a story'", cwd=tmp_path)
    assert drained.returncode == 0, drained.stderr
    job, failed = submit(house, 1), submit(house, 2)
    assert run(f"lifeasnotme fail {failed} --reason 'a story' --yes", cwd=tmp_path).returncode == 0

    said: dict[str, str] = {}
    for block in blocks("local"):
        done = run(block.text, cwd=tmp_path, JOB=job, FAILED=failed)
        assert done.returncode == 0, f"{block.section}:\n{block.text}\n{done.stdout}\n{done.stderr}"
        said[block.section] = said.get(block.section, "") + done.stdout
    late = submit(house, 3)

    assert "DRAINED: workers take no work. a story" in said["Wishes wait too long"]
    assert "Its render: published again." in said["Wishes wait too long"]
    assert f"{failed} render_failed" in said["Jobs fail"]
    assert "Asked for again: job " in said["Jobs fail"]
    assert "idle 0 0" in said["Render requests are given up"]
    assert "Workers take work." in said["No worker, and there is work"]
    assert "curious-cat" in said["Functions answer with errors"]
    assert job in said["Messages that nobody takes"]
    assert "GPU seconds today; bulk is paused until: None" in said["The day's budget is spent"]
    assert "No worker is there." in said["Workers are drained"]
    assert "DRAINED: workers take no work. new weights" in said["Workers are drained"]
    again = said["Jobs fail"].split("Asked for again: job ")[1].split()[0]
    until(lambda: status(house, again) == "completed", what="what was asked for again is made")
    until(lambda: status(house, late) == "completed", what="what came after the drain is made")
    assert (status(house, job), status(house, failed)) == ("failed", "failed")

    history = run(f"lifeasnotme inspect {again}", cwd=tmp_path).stdout
    for words in ("completed", "video.mp4", "receipt.json", "published", "render claimed", "video committed"):
        assert words in history


def test_workers_that_are_drained_leave_and_nobody_comes_until_they_are_taken_back(
    house: LocalStack, tmp_path: Path
) -> None:
    first = submit(house, 1)
    until(lambda: status(house, first) == "completed", what="a worker is there")
    [worker] = house.workers
    until(lambda: "waiting" in run("lifeasnotme top", cwd=tmp_path).stdout, what="an idle worker is seen")

    assert run("lifeasnotme drain --yes --wait 60", cwd=tmp_path).returncode == 0

    assert until(lambda: worker.poll() is not None, what="the worker has ended")
    assert worker.poll() == 0
    second = submit(house, 2)
    seen = run("lifeasnotme top", cwd=tmp_path).stdout
    assert "No worker is there." in seen
    assert second in seen
    assert house.workers == []

    assert run("lifeasnotme drain --off", cwd=tmp_path).returncode == 0
    until(lambda: status(house, second) == "completed", what="what waited is made")
