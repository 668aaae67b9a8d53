"""Terraform keeps to what was decided, and each mistake that breaks it is found."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.cloud.policies import POLICIES, findings
from tests.cloud.terraform_code import TERRAFORM, Code

if TYPE_CHECKING:
    from pathlib import Path

#: File, what stands there, what a tired person writes instead (None: a line more at the end), and what is said of it.
MISTAKES = [
    ("buckets.tf", '"enforced"', '"inherited"', "google_storage_bucket.artifacts: public access is not prevented"),
    (
        "buckets.tf",
        "uniform_bucket_level_access = true",
        "uniform_bucket_level_access = false",
        "google_storage_bucket.artifacts: objects have access lists of their own",
    ),
    ("buckets.tf", "soft_delete_policy", "retention_policy", "left to chance"),
    (
        "buckets.tf",
        None,
        'resource "google_storage_bucket_iam_member" "all" {\n  bucket = "b"\n  role = "r"\n  member = "allUsers"\n}\n',
        "google_storage_bucket_iam_member.all: everybody",
    ),
    ("functions.tf", '[local.members["push"]]', '["allUsers"]', "local.invokers: everybody"),
    ("functions.tf", '[local.members["push"]]', '["allAuthenticatedUsers"]', "local.invokers: everybody"),
    ("variables.tf", "default     = false", "default     = true", "var.public_api: the API is public"),
    ("firestore.tf", "roles/datastore.user", "roles/editor", "google_project_iam_member.datastore: a primitive role"),
    (
        "functions.tf",
        '"google_project_iam_member" "trigger"',
        '"google_project_iam_binding" "trigger"',
        "google_project_iam_binding.trigger: takes away what others granted",
    ),
    (
        "service_accounts.tf",
        None,
        'resource "google_service_account_key" "k" {\n  service_account_id = "a"\n}\n',
        "google_service_account_key.k: a key lies around",
    ),
    (
        "subscriptions.tf",
        "dead_letter_policy",
        "no_dead_letter_policy",
        "google_pubsub_subscription.pulled: no dead letters",
    ),
    (
        "subscriptions.tf",
        '"1209600s"',
        '"86400s"',
        "google_pubsub_subscription.systems: messages are lost within a week",
    ),
    (
        "subscriptions.tf",
        '  expiration_policy {\n    ttl = ""\n  }',
        "",
        "google_pubsub_subscription.pulled: goes away when it is quiet for a month",
    ),
    ("functions.tf", "lower(event_trigger.value.location)", "var.region", "the trigger's region"),
    ("functions.tf", "RETRY_POLICY_RETRY", "RETRY_POLICY_DO_NOT_RETRY", "an event that fails is lost"),
    (
        "functions.tf",
        'service_account   = google_service_account.accounts["build"].id',
        "",
        "runs, is built or is called as the project's default account",
    ),
    ("firestore.tf", "ttl_config {}", "", "google_firestore_field.expires_at: documents stay for ever"),
    ("firestore.tf", '"google_firestore_field" "expires_at"', '"google_firestore_field" "x"', "stay for ever"),
    ("budget.tf", '"google_billing_budget" "month"', '"google_logging_metric" "month"', "google_billing_budget: none"),
    ("budget.tf", "FORECASTED_SPEND", "CURRENT_SPEND", "google_billing_budget.month: warns when the money is gone"),
    ("alerts.tf", "google_monitoring_notification_channel.email.id", "", "alerts: nobody hears of it"),
    ("secrets.tf", "secret_data_wo  ", "secret_data  ", "the secret lies in the state"),
    ("variables.tf", "  type        = string", "", "no description or no type"),
]


def with_mistake(folder: Path, file: str, right: str | None, wrong: str) -> Code:
    shutil.copytree(TERRAFORM, folder, ignore=shutil.ignore_patterns(".terraform", "tests"))
    text = (folder / file).read_text("utf-8")
    assert right is None or right in text, "the mistake can't be made any more: make another one"
    (folder / file).write_text(text.replace(right, wrong, 1) if right else text + wrong, "utf-8")
    return Code(folder)


def test_terraform_keeps_to_every_policy() -> None:
    assert findings(Code()) == []


@pytest.mark.parametrize(("file", "right", "wrong", "said"), MISTAKES)
def test_a_mistake_is_found(tmp_path: Path, file: str, right: str | None, wrong: str, said: str) -> None:
    assert any(said in finding for finding in findings(with_mistake(tmp_path / "terraform", file, right, wrong)))


def test_no_policy_is_silent_at_every_mistake(tmp_path: Path) -> None:
    silent = set(POLICIES)
    for number, (file, right, wrong, _) in enumerate(MISTAKES):
        code = with_mistake(tmp_path / str(number), file, right, wrong)
        silent -= {policy for policy in silent if list(policy(code))}

    assert not silent, "a policy that finds nothing proves nothing"


def test_every_file_and_every_variable_is_explained_with_its_default() -> None:
    readme = (TERRAFORM / "README.md").read_text("utf-8")
    code = Code()
    explained = dict(re.findall(r"^\| `(\w+)` \| (?:`(.+?)`|\*\*required\*\*) \|", readme, re.MULTILINE))

    assert [path.name for path in TERRAFORM.glob("*.tf") if f"`{path.name}`" not in readme] == []
    assert set(explained) == set(code.variables)
    for name, body in code.variables.items():
        assert _as_written(body) == explained[name], name


def _as_written(variable: dict[str, Any]) -> str:
    return json.dumps(variable["default"]) if "default" in variable else ""
