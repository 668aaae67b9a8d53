"""The operator's commands before they reach a service, and what they say to who asks wrongly."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli import here
from cli.admin import site as sites
from cli.admin.site import EMULATORS, NoSiteError, Place, find_place
from cli.main import main
from cli.metrics import measured_in
from shared.crew import MAX_REASON_CHARS
from shared.documents import Status
from shared.errors import Retryable
from shared.measures import FAILURES
from tests.unit.admin_world import World

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

ENV = {"GOOGLE_CLOUD_PROJECT": "here", "ARTIFACT_BUCKET": "artifacts", "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No system is announced on this machine yet."""
    monkeypatch.setattr(here, "_RUNS_DIR", tmp_path)
    for name in (*EMULATORS, "GOOGLE_CLOUD_PROJECT", "LIFEASNOTME_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def world(runs: Path, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: ARG001 - no other system is found
    """The system that every command finds."""
    world = World()
    monkeypatch.setattr(sites, "find_place", lambda **_: world.site.place)
    monkeypatch.setattr(sites, "connect", lambda _: world.site)
    return world


def run(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


@pytest.mark.parametrize("command", ["top", "inspect", "retry", "fail", "drain"])
def test_every_command_explains_itself(command: str) -> None:
    done = run(command, "--help")

    assert done.exit_code == 0
    assert "--project" in done.output


@pytest.mark.parametrize("command", [("inspect",), ("retry",), ("fail", "--reason", "it hangs", "--yes")])
@pytest.mark.parametrize(
    ("job_id", "said"), [("../secrets", "is no job's id"), ("job-9999", "there is no job job-9999")]
)
def test_a_bad_id_is_one_clear_line(world: World, command: tuple[str, ...], job_id: str, said: str) -> None:
    done = run(*command, job_id)

    assert done.exit_code == 2
    assert said in done.output
    assert world.told() == []


@pytest.mark.parametrize("reason", ["", "  ", "x" * (MAX_REASON_CHARS + 1), "a\x1b[2Jscreen"])
def test_a_reason_is_one_short_line(world: World, reason: str) -> None:
    world.wish()

    assert run("fail", "job-0001", "--yes", "--reason", reason).exit_code == 2
    assert run("drain", "--yes", "--reason", reason).exit_code == 2
    assert world.job("job-0001").value.status is Status.QUEUED
    assert world.crew.orders() is None


def test_failing_asks_and_no_changes_nothing(world: World) -> None:
    world.wish()

    done = run("fail", "job-0001", "--reason", "it hangs", typed="n\n")

    assert done.exit_code == 1
    assert "Fail job job-0001 (queued) on this machine?" in done.output
    assert world.job("job-0001").value.status is Status.QUEUED


def test_who_fails_a_job_of_this_machine_counts_it_beside_what_its_processes_count(
    world: World, tmp_path: Path
) -> None:
    world.wish("job-0001")
    world.site = replace(world.site, place=replace(world.site.place, log_dir=tmp_path / "run" / "logs"))

    assert run("fail", "job-0001", "--reason", "it hangs", "--yes").exit_code == 0

    [failures] = measured_in(tmp_path / "run" / "telemetry")
    assert (failures.name, failures.labels, failures.value) == (FAILURES.name, (("code", "render_failed"),), 1)


def test_failing_with_yes_or_a_yes_fails(world: World) -> None:
    world.wish()
    world.wish("job-0002")

    assert run("fail", "job-0001", "--reason", "it hangs", "--yes").exit_code == 0
    assert run("fail", "job-0002", "--reason", "it hangs", typed="y\n").exit_code == 0

    assert world.told() == [("job-0001", "failed"), ("job-0002", "failed")]


def test_what_cannot_be_done_is_one_line_and_exit_status_1(world: World) -> None:
    world.wish()
    run("fail", "job-0001", "--reason", "it hangs", "--yes")

    done = run("fail", "job-0001", "--reason", "it hangs", "--yes")

    assert done.exit_code == 1
    assert done.output == "Error: The job is failed: nothing leaves that.\n"


def test_draining_asks_and_taking_back_does_not(world: World) -> None:
    assert run("drain", typed="n\n").exit_code == 1
    assert world.crew.orders() is None

    assert "a new model" in run("drain", "--reason", "a new model", "--yes").output
    assert run("drain", "--off").output == "Workers take work.\n"

    stored = world.crew.orders()
    assert stored
    assert not stored.value.is_draining


def test_waiting_for_a_drain_ends_when_nobody_is_there(world: World) -> None:  # noqa: ARG001
    done = run("drain", "--yes", "--wait", "5")

    assert done.exit_code == 0
    assert done.output.endswith("No worker is there.\n")


def test_waiting_for_a_drain_names_who_is_still_there(world: World) -> None:
    world.report("worker-a")

    done = run("drain", "--yes", "--wait", "0")

    assert done.exit_code == 1
    assert "still worker-a (waiting)" in done.output


def test_without_a_terminal_top_prints_once(world: World) -> None:
    world.wish()

    for arguments in (("top",), ("top", "--once")):
        done = run(*arguments)
        assert done.exit_code == 0
        assert done.output.count("renders to do") == 1
    assert json.loads(run("top", "--json").output)["to_do"] == {"interactive": 1, "bulk": 0}


def test_inspect_prints_a_history_for_people_and_for_machines(world: World) -> None:
    world.wish()

    assert "Job job-0001 on this machine" in run("inspect", "job-0001").output
    assert json.loads(run("inspect", "job-0001", "--json").output)["job"]["job_id"] == "job-0001"


def test_a_service_that_does_not_answer_is_one_line(world: World) -> None:
    def no_answer() -> None:
        raise Retryable("firestore does not answer: ServiceUnavailable")

    world.wish()
    world.store.meddling.before("render", no_answer)

    done = run("inspect", "job-0001")

    assert done.exit_code == 1
    assert done.output == "Error: firestore does not answer: ServiceUnavailable\n"


def test_a_project_is_the_cloud_with_its_own_bucket(runs: Path) -> None:  # noqa: ARG001
    assert find_place(project="my-project", bucket=None, environ={}) == Place(
        project="my-project", bucket="my-project-lifeasnotme-artifacts", env={}, is_local=False
    )


def test_a_project_is_never_looked_for_on_an_emulator(runs: Path) -> None:  # noqa: ARG001
    with pytest.raises(NoSiteError, match="FIRESTORE_EMULATOR_HOST is set"):
        find_place(project="my-project", bucket=None, environ=ENV)


def test_a_project_that_other_tools_use_is_not_taken_for_one_that_is_meant(runs: Path) -> None:  # noqa: ARG001
    with pytest.raises(NoSiteError, match="lifeasnotme up"):
        find_place(project=None, bucket=None, environ={"GOOGLE_CLOUD_PROJECT": "my-project"})


def test_the_system_on_this_machine_is_found_without_being_told(runs: Path) -> None:
    with here.announced("http://api", env=ENV, run_dir=runs / "run"):
        place = find_place(project=None, bucket=None, environ={})
        same = find_place(project=None, bucket=None, environ=ENV)

    assert (place.project, place.bucket, place.env, place.log_dir) == ("here", "artifacts", ENV, runs / "run" / "logs")
    assert (same.project, same.bucket, same.env, same.log_dir) == ("here", "artifacts", {}, runs / "run" / "logs")


def test_exported_emulators_go_before_another_system_on_this_machine(runs: Path) -> None:
    with here.announced("http://api", env=ENV, run_dir=runs / "run"):
        exported = ENV | {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:2", "GOOGLE_CLOUD_PROJECT": "there"}
        place = find_place(project=None, bucket=None, environ=exported)

    assert (place.project, place.log_dir) == ("there", None)


def test_an_embedded_system_says_that_nobody_can_look_into_it(runs: Path) -> None:  # noqa: ARG001
    with here.announced("http://api"), pytest.raises(NoSiteError, match="embedded"):
        find_place(project=None, bucket=None, environ={})
