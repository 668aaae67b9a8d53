"""The workflows of GitHub Actions: what they may, what they call, and what they say to Terraform."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from local.bundles import ROOT

if TYPE_CHECKING:
    from pathlib import Path

WORKFLOWS = {path.stem: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
TERRAFORM = ROOT / "terraform"


def workflow(name: str) -> dict[Any, Any]:
    read: dict[Any, Any] = yaml.safe_load(WORKFLOWS[name].read_text("utf-8"))
    return read


def events(name: str) -> dict[str, Any]:
    """What starts it. The key ``on`` is YAML's word for true."""
    found: dict[str, Any] = workflow(name)[True]
    return found


def jobs(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = workflow(name)["jobs"]
    return found


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in jobs(name).values() for step in job["steps"]]


def test_there_is_one_for_tests_one_for_plans_and_one_for_deploying() -> None:
    assert set(WORKFLOWS) == {"deploy", "plan", "test"}
    assert "pull_request" in events("test")
    assert set(events("plan")) == {"pull_request"}
    assert events("deploy") == {"push": {"tags": ["v*"]}}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_action_is_named_by_its_commit_so_that_nobody_can_move_it(name: str) -> None:
    used = re.findall(r"(?m)^\s+(?:- )?uses: (.+)$", WORKFLOWS[name].read_text("utf-8"))

    assert used
    assert [each for each in used if not re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40} # v[\d.]+", each)] == []


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_may_read_the_code_and_nothing_else_unless_it_goes_to_the_cloud(name: str) -> None:
    assert workflow(name)["permissions"] == {"contents": "read"}
    for job in jobs(name).values():
        logs_in = any("google-github-actions/auth" in step.get("uses", "") for step in job["steps"])
        asked = job.get("permissions", {"contents": "read"})
        assert asked == {"contents": "read"} | ({"id-token": "write"} if logs_in else {})
        assert job["timeout-minutes"] <= 120


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_key_and_no_secret_lies_at_github(name: str) -> None:
    text = WORKFLOWS[name].read_text("utf-8")

    assert "secrets." not in text
    assert "credentials_json" not in text
    checkouts = [step["with"] for step in steps(name) if "actions/checkout" in step.get("uses", "")]
    assert {each["persist-credentials"] for each in checkouts} == {False}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_shell_line_takes_what_a_stranger_wrote(name: str) -> None:
    assert [step["run"] for step in steps(name) if "${{" in step.get("run", "")] == []


def test_a_plan_is_made_as_who_may_only_read_and_never_for_a_fork() -> None:
    [job] = jobs("plan").values()
    [login] = [step["with"] for step in job["steps"] if "google-github-actions/auth" in step.get("uses", "")]

    assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]
    assert login["service_account"].startswith("planner@")
    assert "make deploy" not in WORKFLOWS["plan"].read_text("utf-8")


def test_who_deploys_needs_the_environment_whose_rules_say_who_may() -> None:
    [job] = jobs("deploy").values()
    [login] = [step["with"] for step in job["steps"] if "google-github-actions/auth" in step.get("uses", "")]

    assert job["environment"] == "production"
    assert login["service_account"].startswith("deployer@")
    assert workflow("deploy")["concurrency"]["cancel-in-progress"] is False


def test_the_page_is_deployed_where_there_is_one() -> None:
    page = [step for step in steps("deploy") if step.get("id") == "page" or "static-web" in step.get("uses", "")]

    assert len(page) == 2
    assert {step["if"] for step in page} == {"hashFiles('frontend/package.json') != ''"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_target_of_make_that_is_called_exists(name: str) -> None:
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8")))
    called = {each for step in steps(name) for each in re.findall(r"make ([a-z-]+)", step.get("run", ""))}

    assert called
    assert called <= targets


@pytest.mark.parametrize("name", ["plan", "deploy"])
def test_terraform_is_told_every_variable_that_a_person_told_it_so_that_a_deployment_resets_none(
    name: str, tmp_path: Path
) -> None:
    [job] = jobs(name).values()
    lines = [step.get("run", "") for step in job["steps"]]
    [place] = [number for number, line in enumerate(lines) if "terraform.tfvars" in line]
    step = job["steps"][place]
    (tmp_path / "terraform").mkdir()
    wished = 'project = "art"\napi_callers = ["user:ada@example.com"]\n# $HOME `id` "\n'

    subprocess.run(["sh", "-c", step["run"]], cwd=tmp_path, env={**os.environ, "TFVARS": wished}, check=True)

    assert step["env"] == {"TFVARS": "${{ vars.TFVARS }}"}
    assert (tmp_path / "terraform" / "terraform.tfvars").read_text("utf-8") == wished + "\n"
    assert f"make {name}" in lines[place + 1]
    assert not [key for key in job["env"] if key.startswith("TF_VAR_")], "the file is all of it"


def test_outputs_that_the_page_is_deployed_with_exist() -> None:
    asked = set(re.findall(r"output -raw (\w+)", WORKFLOWS["deploy"].read_text("utf-8")))
    text = "\n".join(path.read_text("utf-8") for path in TERRAFORM.glob("*.tf"))

    assert asked == {"api_url", "web_api_key", "web_app_deployment_token"}
    assert asked <= set(re.findall(r'(?m)^output "(\w+)"', text))


def test_the_page_is_built_with_all_that_its_build_asks_for() -> None:
    asked = set(re.findall(r"\bVITE_\w+", (ROOT / "frontend" / "hosting.ts").read_text("utf-8")))
    [told] = [step["env"] for step in steps("deploy") if "static-web" in step.get("uses", "")]

    assert set(told) == asked
    assert told["VITE_FIREBASE_API_KEY"] == "${{ steps.page.outputs.api_key }}"


def test_what_the_workflows_want_to_know_is_documented() -> None:
    wanted = {each for path in WORKFLOWS.values() for each in re.findall(r"vars\.(\w+)", path.read_text("utf-8"))}
    page = (ROOT / "docs" / "deploy.md").read_text("utf-8")

    assert {each for each in wanted if f"`{each}`" not in page} == set()
