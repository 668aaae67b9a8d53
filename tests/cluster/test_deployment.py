"""Plan, deploy and destroy with programs that write down what they are told, and answer as the real ones do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cluster.programs import ALL, CLUSTER, DIGEST, IMAGE, ROOT, TOKEN, Programs, state

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path, *ALL)


def placed() -> dict[str, str]:
    data = json.loads((ROOT / "build/kubernetes/deployment.json").read_text(encoding="utf-8"))["data"]
    return {str(name): str(value) for name, value in data.items()}


def in_order(programs: Programs, parts: Sequence[str]) -> bool:
    places = [programs.place_of(part) for part in parts]
    return places == sorted(places)


def test_deploying_goes_from_the_cloud_to_the_image_to_keda_to_the_worker(programs: Programs) -> None:
    done = programs.call("deployment", "deploy", "--state-bucket", "art-state", "--yes")

    assert done.returncode == 0, done.stderr
    assert in_order(
        programs,
        [
            "terraform -chdir=./terraform init -backend-config=bucket=art-state",
            "terraform -chdir=./terraform apply -auto-approve",
            "docker login",
            "docker build --platform=linux/amd64 --file=./gpu_job/Dockerfile",
            f"docker push {IMAGE}:0123456789ab",
            "terraform -chdir=./terraform/in_cluster init -backend-config=bucket=art-state",
            "terraform -chdir=./terraform/in_cluster apply -auto-approve",
            "kubectl apply -k ./build/kubernetes",
            "kubectl wait --for=condition=Ready",
        ],
    )
    assert placed() == {
        **{name: str(CLUSTER[name]) for name in placed() if name != "image"},
        "image": DIGEST,
    }, "by digest, so nobody moves it"


def test_nobody_sees_the_token_on_a_command_line_or_finds_it_afterwards(programs: Programs) -> None:
    programs.call("deployment", "deploy", "--state-bucket", "art-state", "--yes")

    assert not any(TOKEN in line for line in programs.lines)
    assert all(call["env"]["TF_VAR_access_token"] == TOKEN for call in programs.calls if call["env"])
    login, apply = (programs.calls[programs.place_of(part)] for part in ("docker login", "kubectl apply"))
    assert login["stdin"] == TOKEN
    assert apply["kubeconfig"]["users"][0]["user"]["token"] == TOKEN
    assert apply["kubeconfig"]["clusters"][0]["cluster"]["server"] == f"https://{CLUSTER['endpoint']}"
    assert apply["mode"] == 0o600
    [path] = [each for each in apply["argv"] if each.startswith("--kubeconfig=")]
    assert not Path(path.removeprefix("--kubeconfig=")).exists()


def test_the_second_phase_gets_what_it_asks_for_and_no_more(programs: Programs) -> None:
    programs.call("deployment", "deploy", "--state-bucket", "art-state", "--yes")

    apply = programs.calls[programs.place_of("in_cluster apply")]
    declared = (ROOT / "terraform/in_cluster/variables.tf").read_text(encoding="utf-8")
    names = {line.split('"')[1] for line in declared.splitlines() if line.startswith("variable ")}
    assert {name.removeprefix("TF_VAR_") for name in apply["env"]} == names
    assert apply["env"]["TF_VAR_keda_account"] == CLUSTER["keda_account"]


def test_an_image_that_exists_is_taken_and_no_container_engine_is_needed(tmp_path: Path) -> None:
    programs = Programs(tmp_path, "terraform", "gcloud", "kubectl", "az")

    done = programs.call("deployment", "deploy", "--state-bucket", "art-state", "--yes", "--image", f"{IMAGE}@sha256:1")

    assert done.returncode == 0, done.stderr
    assert placed()["image"] == f"{IMAGE}@sha256:1"


def test_podman_does_as_well_as_docker(tmp_path: Path) -> None:
    programs = Programs(tmp_path, "terraform", "gcloud", "kubectl", "az", "podman", "git")

    assert programs.call("deployment", "deploy", "--state-bucket", "art-state", "--yes").returncode == 0

    assert programs.place_of("podman build") < programs.place_of("podman push")


def test_all_tools_that_are_missing_are_told_in_one_line_before_anything_is_done(tmp_path: Path) -> None:
    programs = Programs(tmp_path, "gcloud")

    done = programs.call("deployment", "deploy", "--state-bucket", "art-state", "--yes")

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("Missing: terraform (https://")
    assert "kubectl (" in line
    assert "az (" in line
    assert "docker (" in line
    assert "gcloud (" not in line
    assert programs.calls == []


def test_an_application_that_logs_in_to_azure_by_itself_needs_no_az(tmp_path: Path) -> None:
    programs = Programs(tmp_path, "terraform", "gcloud", "kubectl")
    programs.env = {"ARM_CLIENT_ID": "00000000-0000-0000-0000-000000000000"}

    assert programs.call("deployment", "plan", "--state-bucket", "art-state").returncode == 0


@pytest.mark.parametrize("step", ["plan", "deploy", "destroy"])
def test_without_a_place_for_the_state_nothing_begins(programs: Programs, step: str) -> None:
    if (ROOT / "terraform/.terraform/terraform.tfstate").is_file():
        pytest.skip("terraform was initialised in this checkout")

    done = programs.call("deployment", step)

    assert done.returncode == 1
    assert "gcloud storage buckets create" in done.stderr
    assert programs.calls == []


@pytest.mark.parametrize(
    ("fails", "never"),
    [
        ("terraform apply", "docker"),
        ("docker build", "docker push"),
        ("docker push", "in_cluster"),
        ("in_cluster apply", "kubectl"),
        ("kubectl apply", "kubectl wait"),
    ],
)
def test_what_fails_ends_it_and_nothing_is_built_on_top(programs: Programs, fails: str, never: str) -> None:
    part = {"terraform apply": f"terraform -chdir={ROOT / 'terraform'} apply", "kubectl apply": " apply -k"}
    programs.answers = {part.get(fails, fails): {"code": 3}} | programs.answers

    done = programs.call("deployment", "deploy", "--state-bucket", "art-state", "--yes")

    assert done.returncode == 1
    assert "ended with 3: see above." in done.stderr
    assert not any(never in line for line in programs.lines)


def test_deploying_asks_before_it_changes_the_cloud(programs: Programs) -> None:
    programs.call("deployment", "deploy", "--state-bucket", "art-state")

    assert programs.lines[programs.place_of("./terraform apply")].endswith("apply"), "terraform asks"


def test_who_lacks_weights_is_told(programs: Programs) -> None:
    assert "make weights" not in programs.call("deployment", "deploy", "--state-bucket", "b", "--yes").stdout
    programs.answers |= {"storage ls gs://art-project-lifeasnotme-weights/pocket": {"code": 1}}

    assert "lacks pocket: make weights" in programs.call("deployment", "deploy", "--state-bucket", "b", "--yes").stdout


def test_a_plan_changes_nothing(programs: Programs) -> None:
    programs.answers[" diff "] = {"code": 1}

    done = programs.call("deployment", "plan", "--state-bucket", "art-state")

    assert done.returncode == 0, done.stderr
    words = {word for line in programs.lines for word in line.split()}
    assert not words & {"apply", "destroy", "delete", "push", "build"}
    assert in_order(programs, ["./terraform plan", "in_cluster plan", "kubectl diff"])
    assert placed()["image"] == DIGEST, "what runs now"


def test_before_there_is_a_cluster_the_first_phase_alone_is_planned(programs: Programs) -> None:
    programs.answers = {f"-chdir={ROOT / 'terraform'} output": {"stdout": "{}"}}

    done = programs.call("deployment", "plan", "--state-bucket", "art-state")

    assert done.returncode == 0
    assert "no cluster yet" in done.stdout
    assert not any("in_cluster" in line or "kubectl" in line for line in programs.lines)


def test_before_there_is_keda_no_worker_is_planned(programs: Programs) -> None:
    programs.answers["get crd"] = {"stdout": ""}

    done = programs.call("deployment", "plan", "--state-bucket", "art-state")

    assert done.returncode == 0
    assert "KEDA is not in the cluster yet" in done.stdout
    assert not any("diff" in line for line in programs.lines)


@pytest.mark.parametrize("right", ["can-i patch", "can-i get secrets"])
def test_who_may_only_read_sees_the_plan_of_the_cloud(programs: Programs, right: str) -> None:
    programs.answers[right] = {"code": 1}

    done = programs.call("deployment", "plan", "--state-bucket", "art-state")

    assert done.returncode == 0
    assert "takes the right to change it" in done.stdout
    assert programs.place_of("./terraform plan") >= 0
    assert not any("in_cluster" in line or "diff" in line for line in programs.lines)


@pytest.mark.parametrize("answer", ["", "\n", "yes\n", "art\n"])
def test_destroying_asks_for_the_project_by_name(programs: Programs, answer: str) -> None:
    done = programs.call("deployment", "destroy", "--state-bucket", "art-state", stdin=answer)

    assert done.returncode == 1
    assert "Nothing was deleted." in done.stderr
    assert not any("delete" in line or "destroy" in line for line in programs.lines)


def test_destroying_ends_the_workers_then_keda_then_the_cloud(programs: Programs) -> None:
    done = programs.call("deployment", "destroy", "--state-bucket", "art-state", stdin="art-project\n")

    assert done.returncode == 0, done.stderr
    assert in_order(
        programs,
        ["kubectl delete -k ./build/kubernetes", "./terraform/in_cluster destroy", "-chdir=./terraform destroy"],
    )


@pytest.mark.parametrize("agreed", [[], ["--yes"]])
def test_while_jobs_and_videos_are_protected_nothing_is_destroyed_and_a_line_says_what_to_do(
    programs: Programs, agreed: list[str]
) -> None:
    programs.answers[" show -json"] = state(keep_data=True)

    done = programs.call("deployment", "destroy", "--state-bucket", "art-state", *agreed, stdin="art-project\n")

    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert "google_firestore_database.default, google_storage_bucket.artifacts are protected" in line
    assert line.endswith("terraform -chdir=terraform apply -var=keep_data=false")
    assert not any("delete" in line or "destroy" in line for line in programs.lines)


def test_what_was_half_destroyed_can_be_destroyed_to_its_end(programs: Programs) -> None:
    programs.answers[" show -json"] = state(keep_data=False, has_cluster=False)

    done = programs.call("deployment", "destroy", "--state-bucket", "art-state", stdin="destroy\n")

    assert done.returncode == 0, done.stderr
    assert not any("kubectl" in line or "in_cluster" in line for line in programs.lines)
    assert programs.place_of("./terraform destroy")


def test_what_was_never_finished_can_be_destroyed(programs: Programs) -> None:
    programs.answers[f"terraform -chdir={ROOT / 'terraform'} output"] = {"stdout": "{}"}
    programs.answers[" show -json"] = {"stdout": '{"format_version": "1.0"}'}

    done = programs.call("deployment", "destroy", "--state-bucket", "art-state", stdin="destroy\n")

    assert done.returncode == 0, done.stderr
    assert not any("kubectl" in line or "in_cluster" in line for line in programs.lines)
    assert programs.place_of("./terraform destroy")
