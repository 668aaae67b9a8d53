"""Functions in Terraform are those of the code: entry points, settings, limits."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import functions_framework
import pytest
from accept_batch import MAX_BATCH_BODY_BYTES
from notify_settings import NotifySettings
from submit_settings import SubmitSettings

from local.bundles import FUNCTIONS, ROOT
from local.stack import FUNCTIONS as SERVED_LOCALLY
from local.topology import PUSH_ACK_DEADLINE_S, PUSHED
from tests.cloud.code_use import entry_points
from tests.cloud.terraform_code import TERRAFORM, Code

if TYPE_CHECKING:
    from shared.settings import Settings

CODE = Code()
DEPLOYED: Final[dict[str, dict[str, Any]]] = CODE.locals["functions"]
SETTINGS: Final[dict[str, type[Settings]]] = {"submit": SubmitSettings, "notify": NotifySettings}
#: Read by functions-framework itself.
OF_THE_SERVER: Final = "THREADS"


def of_code(bundle: str) -> dict[str, str]:
    return entry_points(ROOT / "functions" / bundle / "main.py")


def given(bundle: str) -> set[str]:
    """Settings that Terraform gives to some entry point of a bundle."""
    secret = [CODE.locals["function_secrets"].get(name, {}) for name, of in DEPLOYED.items() if of["bundle"] == bundle]
    return {*CODE.locals["function_settings"][bundle], *(name for each in secret for name in each)}


def test_every_entry_point_is_deployed_once_from_its_bundle_and_there_is_no_other() -> None:
    declared = {name: bundle for bundle in FUNCTIONS for name in of_code(bundle)}

    assert {name: of["bundle"] for name, of in DEPLOYED.items()} == declared


def test_every_entry_point_that_runs_on_one_machine_runs_in_the_cloud_too() -> None:
    assert {(name, bundle) for name, bundle, _ in SERVED_LOCALLY} <= {
        (name, of["bundle"]) for name, of in DEPLOYED.items()
    }


@pytest.mark.parametrize("bundle", FUNCTIONS)
def test_events_go_to_what_takes_events_and_calls_to_what_takes_calls(bundle: str) -> None:
    takes = of_code(bundle)

    assert set(takes.values()) <= {"http", "cloud_event"}
    for name, kind in takes.items():
        assert (DEPLOYED[name]["called_by"] in {"push", "trigger"}) == (kind == "cloud_event"), name


def test_what_is_pushed_where_is_what_is_pushed_on_one_machine() -> None:
    assert CODE.locals["pushed"] == PUSHED
    assert {name for name, of in DEPLOYED.items() if of["called_by"] == "push"} == set(PUSHED.values())


@pytest.mark.parametrize("bundle", FUNCTIONS)
def test_every_setting_that_is_given_is_read_and_every_one_that_is_required_is_given(bundle: str) -> None:
    fields = {name.upper(): field for name, field in SETTINGS[bundle].model_fields.items()}

    assert given(bundle) <= set(fields)
    assert {name for name, field in fields.items() if field.is_required()} <= set(
        CODE.locals["function_settings"][bundle]
    )


@pytest.mark.parametrize("bundle", FUNCTIONS)
def test_what_is_off_unless_it_is_set_is_set(bundle: str) -> None:
    off = {name.upper() for name, field in SETTINGS[bundle].model_fields.items() if field.default in (None, ())}

    assert off <= given(bundle)


def test_every_limit_of_callers_can_be_set_and_goes_to_the_function_that_reads_it() -> None:
    named = re.findall(r'^      "([A-Z_]+)",$', (TERRAFORM / "variables.tf").read_text("utf-8"), re.MULTILINE)
    limits = {
        name
        for name in map(str.upper, SubmitSettings.model_fields)
        if name.startswith(("QUOTA_", "BACKLOG_", "BATCH_MAX_")) or name in {"MAX_PROMPT_CHARS", "TRUSTED_PROXIES"}
    }
    written = CODE.resource("google_cloudfunctions2_function.functions").inner("service_config")[0]

    assert set(named) == limits
    assert 'each.value.bundle == "submit" ? var.limits : {}' in written["environment_variables"]


def test_the_api_serves_the_models_that_the_workers_serve() -> None:
    assert CODE.locals["function_settings"]["submit"]["SERVED_MODELS"] == '${join(",", var.served_models)}'


def test_no_deployment_takes_what_is_for_one_machine_or_says_that_it_is_none() -> None:
    assert not {"UNSIGNED_TOKENS", "K_SERVICE"} & given("submit")


def test_systems_are_written_as_the_code_reads_them() -> None:
    assert CODE.locals["function_settings"]["submit"]["SYSTEM_CALLERS"] == '${join(",", local.system_callers)}'
    assert '"${source}=${trimprefix(each.member, "serviceAccount:")}"' in (TERRAFORM / "identity.tf").read_text("utf-8")
    settings = SubmitSettings(
        google_cloud_project="life-as-not-me",
        artifact_bucket="videos",
        system_callers=("kiosk=kiosk@museum.iam.gserviceaccount.com",),
    )
    assert settings.system_owners == {"kiosk@museum.iam.gserviceaccount.com": "system:kiosk"}


def test_the_token_of_the_queue_is_a_secret_and_known_to_the_queue_alone() -> None:
    assert {name: set(of) for name, of in CODE.locals["function_secrets"].items()} == {"queue": {"QUEUE_TOKEN"}}
    for plain in CODE.locals["function_settings"].values():
        assert not [name for name in plain if "TOKEN" in name or "SECRET" in name or "KEY" in name]


def test_a_new_token_is_a_new_revision_since_an_instance_keeps_the_one_that_it_was_started_with() -> None:
    [written] = CODE.resource("google_cloudfunctions2_function.functions").inner("service_config")
    [secret] = [each["secret_environment_variables"] for each in written["dynamic"]]
    [content] = secret["content"]

    assert content["version"] == "${secret_environment_variables.value.version}"
    for named in CODE.locals["function_secrets"].values():
        for each in named.values():
            assert re.fullmatch(r"\$\{google_secret_manager_secret_version\.\w+\.version\}", each["version"])


def test_there_is_a_thread_for_every_call_at_a_time() -> None:
    server = Path(functions_framework.__file__).parent / "_http" / "gunicorn.py"
    written = CODE.resource("google_cloudfunctions2_function.functions").inner("service_config")[0]

    assert f'environ.get("{OF_THE_SERVER}"' in server.read_text("utf-8")
    assert f"{OF_THE_SERVER} = tostring(each.value.concurrency)" in written["environment_variables"]
    assert written["max_instance_request_concurrency"] == "${each.value.concurrency}"


def test_a_chunk_of_a_batch_ends_before_its_function_does_and_that_before_its_message_comes_again() -> None:
    chunk_s = SubmitSettings.model_fields["batch_chunk_s"].default

    assert chunk_s * 2 <= DEPLOYED["expand"]["timeout_s"] <= PUSH_ACK_DEADLINE_S
    assert all(DEPLOYED[name]["timeout_s"] <= PUSH_ACK_DEADLINE_S for name in PUSHED.values())


def test_reconcile_ends_before_the_next_one_begins() -> None:
    limit_s = NotifySettings.model_fields["reconcile_limit_s"].default
    job = CODE.resource("google_cloud_scheduler_job.reconcile").body

    assert job["schedule"] == "* * * * *"
    assert limit_s < 60 < DEPLOYED["reconcile"]["timeout_s"]
    assert int(job["attempt_deadline"].removesuffix("s")) >= DEPLOYED["reconcile"]["timeout_s"]


def test_functions_run_on_the_python_that_the_tests_run_on() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["mypy"]["python_version"]
    built = CODE.resource("google_cloudfunctions2_function.functions").inner("build_config")[0]

    assert built["runtime"] == f"python{version.replace('.', '')}"


def test_a_function_has_room_for_the_largest_body_of_every_call_at_a_time() -> None:
    memory_mib = int(
        CODE.resource("google_cloudfunctions2_function.functions")
        .inner("service_config")[0]["available_memory"]
        .removesuffix("Mi")
    )

    # Twice: as bytes and as what they say. 150 MiB is the process itself.
    assert 150 + 2 * DEPLOYED["submit"]["concurrency"] * MAX_BATCH_BODY_BYTES / 2**20 < memory_mib
