"""What each account may do is what its code does, no less and no more than the next smaller role gives."""

from __future__ import annotations

import ast
import re
from typing import Final

import pytest

from local.bundles import ROOT
from shared.messages import SUBSCRIPTION_OF_PRIORITY, TOPICS
from tests.cloud.code_use import calls_of, reached, topics_of, uses
from tests.cloud.terraform_code import Code

CODE = Code()
ROOMS: Final = {
    "submit": ROOT / "functions" / "submit",
    "notify": ROOT / "functions" / "notify",
    "worker": ROOT / "gpu_job",
}
#: What a call of a store needs of IAM: https://cloud.google.com/storage/docs/access-control/iam-json
NEEDED: Final = {
    "create": {"storage.objects.create"},
    "write": {"storage.objects.create", "storage.objects.get", "storage.objects.update"},
    "get": {"storage.objects.get"},
    "find": {"storage.objects.get"},
    "read": {"storage.objects.get"},
    "keep_folder": {"storage.objects.list", "storage.objects.update"},
    "delete": {"storage.objects.delete"},
    "delete_folder": {"storage.objects.list", "storage.objects.delete"},
    # The link is opened with the signer's rights.
    "signed_url": {"storage.objects.get", "iam.serviceAccounts.signBlob"},
}
#: https://cloud.google.com/storage/docs/access-control/iam-roles, of objects alone, the smaller ones first.
STORAGE_ROLES: Final = {
    "roles/storage.objectCreator": {"storage.objects.create"},
    "roles/storage.objectViewer": {"storage.objects.get", "storage.objects.list"},
    "roles/storage.objectUser": {
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.get",
        "storage.objects.list",
        "storage.objects.update",
    },
}

#: Grants to the worker by what is mounted into it, not by what its code calls: weights and compiled kernels.
ON_THE_CLUSTER: Final = {
    "google_storage_bucket_iam_member.weights",
    "google_storage_managed_folder_iam_member.kernels",
}


def needed(account: str, store: str) -> set[str]:
    calls = calls_of(ROOMS[account], store)
    assert calls <= set(NEEDED), "a call that nobody knows the permissions of"
    return {permission for call in calls for permission in NEEDED[call]}


def smallest(permissions: set[str]) -> str:
    return next(role for role, has in STORAGE_ROLES.items() if permissions <= has)


def test_the_artifact_bucket_is_known_to_all_three_and_each_has_the_smallest_role_that_does() -> None:
    # Submit keeps the rows of a batch there, too: those lie in the artifact bucket, others are only read.
    wants = {account: needed(account, "artifacts") | needed(account, "manifests") for account in ROOMS}
    roles = {
        account: smallest({each for each in want if each.startswith("storage.")}) for account, want in wants.items()
    }

    assert roles == CODE.locals["artifact_roles"]
    assert {"create", "get"} <= calls_of(ROOMS["worker"], "artifacts"), "the code is read, not skipped"


def test_only_who_signs_links_may_sign_and_only_for_itself() -> None:
    signers = [account for account in ROOMS if "iam.serviceAccounts.signBlob" in needed(account, "artifacts")]
    grants = [
        each.body
        for each in CODE.of_kind("google_service_account_iam_member")
        if each.body["role"] == "roles/iam.serviceAccountTokenCreator"
    ]

    assert signers == ["submit"]
    assert [(each["service_account_id"], each["member"]) for each in grants] == [
        (f'${{google_service_account.accounts["{signer}"].name}}', f'${{local.members["{signer}"]}}')
        for signer in signers
    ]


def test_manifests_of_others_are_read_by_submit_alone() -> None:
    readers = [account for account in ROOMS if calls_of(ROOMS[account], "manifests")]
    grant = CODE.resource("google_storage_bucket_iam_member.manifests").body

    assert readers == ["submit"]
    assert (grant["role"], grant["member"]) == ("roles/storage.objectViewer", '${local.members["submit"]}')


@pytest.mark.parametrize("account", ROOMS)
def test_each_publishes_to_the_topics_that_its_code_publishes_to_and_to_no_other(account: str) -> None:
    granted = {topic for topic, accounts in CODE.locals["topics"].items() if account in accounts}

    assert topics_of(ROOMS[account])
    assert granted == topics_of(ROOMS[account])


def test_the_topics_are_those_of_the_code_and_the_end_of_the_line() -> None:
    assert set(CODE.locals["topics"]) == {*TOPICS, "undeliverable"}


def test_who_opens_the_database_may_and_nobody_else() -> None:
    openers = [name for name, room in ROOMS.items() if uses(room, "FirestoreJobStore")]
    grant = CODE.resource("google_project_iam_member.datastore").body

    assert set(openers) == set(ROOMS)
    assert grant["role"] == "roles/datastore.user"
    assert grant["for_each"] == f"${{toset([{', '.join(f'{chr(34)}{name}{chr(34)}' for name in openers)}])}}"


def test_all_three_tell_of_what_they_do_and_may_read_nothing_of_it() -> None:
    tellers = [
        name for name, room in ROOMS.items() if any("tracing.start" in ast.unparse(each) for each in reached(room))
    ]
    grant = CODE.resource("google_project_iam_member.telemetry").body

    assert set(tellers) == set(ROOMS)
    assert re.findall(r'"(\w+)"', str(grant["for_each"]).split("],")[0]) == tellers
    assert set(re.findall(r"roles/[\w.]+", str(grant["for_each"]))) == {
        "roles/telemetry.tracesWriter",
        "roles/telemetry.metricsWriter",
    }


def test_who_pulls_may_pull_and_nobody_else() -> None:
    pullers = [name for name, room in ROOMS.items() if uses(room, "PubSubMessageSource")]
    grant = CODE.resource("google_pubsub_subscription_iam_member.pulled").body

    assert pullers == ["worker"]
    assert (grant["role"], grant["member"]) == ("roles/pubsub.subscriber", '${local.members["worker"]}')
    assert set(CODE.locals["pulled"].values()) == set(SUBSCRIPTION_OF_PRIORITY.values())


def test_every_grant_to_one_of_the_three_is_looked_at_above() -> None:
    granted = {
        each.address
        for each in CODE.resources
        if each.kind.endswith("_iam_member")
        and re.search(r"local\.members\[(\"(submit|notify|worker)\"|each\.)", str(each.body["member"]))
    }

    assert granted - ON_THE_CLUSTER == {
        "google_storage_bucket_iam_member.artifacts",
        "google_storage_bucket_iam_member.manifests",
        "google_pubsub_topic_iam_member.publishers",
        "google_pubsub_subscription_iam_member.pulled",
        "google_project_iam_member.datastore",
        "google_project_iam_member.telemetry",
        "google_service_account_iam_member.sign",
        # QUEUE_TOKEN, a setting of submit
        "google_secret_manager_secret_iam_member.queue_token",
        # SIGNING_IDENTITY, a setting of the worker
        "google_secret_manager_secret_iam_member.signing_identity",
    }
