"""The local stack when something in it goes wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import requests

from cli import here
from local.emulator_finder import find_emulators
from local.stack import LocalStack, StackOptions
from local.tokens import local_headers
from tests.acceptance.conftest import until

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.acceptance, pytest.mark.emulators]


def test_workers_that_cannot_start_are_not_started_for_ever(tmp_path: Path) -> None:
    options = StackOptions(run_dir=tmp_path, models_dir=tmp_path, worker_env={"WARM_S": "soon"})
    with LocalStack(options, binaries=find_emulators(download=True)) as stack:
        wish = {"perspective": "curious-cat"}
        answer = requests.post(f"{stack.api_url}/jobs", json=wish, headers=local_headers(), timeout=30)
        assert answer.status_code == 202

        fault = until(lambda: stack.fault, what="the stack says that no worker starts")

        assert "3 workers in a row ended with an error" in fault
        assert "WARM_S: Input should be a valid number" in fault
        assert len(list(stack.logs.glob("worker-*.log"))) == 3


def test_only_the_folders_of_runs_that_ended_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "_RUNS_DIR", tmp_path)
    living = tmp_path / f"run-20200101-000000-{os.getpid()}"
    living.mkdir()
    for day in range(2, 9):
        (tmp_path / f"run-2020010{day}-000000-999999999").mkdir()

    new = here.new_run_dir()

    kept = sorted(tmp_path.iterdir())
    assert living in kept
    assert new in kept
    assert len(kept) == 6


def test_of_two_running_systems_the_one_that_is_left_is_still_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here, "_RUNS_DIR", tmp_path)
    with here.announced("http://first"):
        with here.announced("http://second"):
            assert here.announced_url() == "http://second"
        assert here.announced_url() == "http://first"
    (tmp_path / "system-1-999999999").write_text("{}")

    assert here.announced_url() is None
