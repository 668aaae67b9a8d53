"""Retention, deadlines and names in Terraform are those that the code counts on."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from gpu_job.worker_settings import WorkerSettings
from local.topology import ACK_DEADLINE_S, MAX_DELIVERY_ATTEMPTS, PUSH_ACK_DEADLINE_S
from shared.batch_store.firestore import BATCHES
from shared.batches import Batch
from shared.crew import Presence
from shared.crew_store.firestore import WORKERS
from shared.documents import Job, Render, Slot
from shared.job_store.firestore import JOBS, RENDERS, SLOTS
from shared.jobs import BULK_DEADLINE, KEPT_LONGER_EVERY, RETENTION
from shared.messages import RENDER_REQUESTS_DEAD, SUBSCRIPTION_OF_PRIORITY, TOPIC_OF_PRIORITY, PlanScheduled
from shared.own_themes import OwnThemes
from shared.theme_store.firestore import THEMES
from tests.cloud.terraform_code import TERRAFORM, Code

if TYPE_CHECKING:
    from pydantic import BaseModel

CODE = Code()
#: What Firestore takes at most for deleting what has expired:
#: https://cloud.google.com/firestore/docs/ttl
TTL_LAG = timedelta(days=1)


def seconds(written: Any) -> timedelta:
    return timedelta(seconds=int(CODE.value(written).removesuffix("s")))


def test_an_object_outlives_the_documents_that_speak_of_it() -> None:
    conditions = [
        condition
        for rule in CODE.resource("google_storage_bucket.artifacts").inner("lifecycle_rule")
        for condition in rule["condition"]
        if "days_since_custom_time" in condition
    ]

    assert [each["days_since_custom_time"] for each in conditions] == ["${local.artifact_days}"]
    assert timedelta(days=CODE.locals["artifact_days"]) >= RETENTION + KEPT_LONGER_EVERY + TTL_LAG


def test_no_object_of_the_artifact_bucket_goes_by_its_age_since_it_may_have_been_kept() -> None:
    for rule in CODE.resource("google_storage_bucket.artifacts").inner("lifecycle_rule"):
        deletes = [each["type"] for each in rule["action"]] == ["Delete"]
        assert not deletes or not any("age" in condition for condition in rule["condition"])


@pytest.mark.parametrize("name", [each.name for each in CODE.of_kind("google_pubsub_subscription")])
def test_a_message_is_kept_for_longer_than_what_it_is_for_may_wait(name: str) -> None:
    body = CODE.resource(f"google_pubsub_subscription.{name}").body

    assert seconds(body["message_retention_duration"]) > BULK_DEADLINE


def test_workers_pull_as_on_one_machine() -> None:
    pulled = CODE.resource("google_pubsub_subscription.pulled")
    [dead] = pulled.inner("dead_letter_policy")

    assert CODE.locals["pulled"] == {TOPIC_OF_PRIORITY[each]: name for each, name in SUBSCRIPTION_OF_PRIORITY.items()}
    assert pulled.body["ack_deadline_seconds"] == ACK_DEADLINE_S == WorkerSettings.model_fields["lease_s"].default
    assert dead["dead_letter_topic"] == f'${{google_pubsub_topic.topics["{RENDER_REQUESTS_DEAD}"].id}}'
    assert CODE.value(dead["max_delivery_attempts"]) == MAX_DELIVERY_ATTEMPTS


def test_functions_are_pushed_to_as_on_one_machine() -> None:
    pushed = CODE.resource("google_pubsub_subscription.pushed").body

    assert pushed["ack_deadline_seconds"] == PUSH_ACK_DEADLINE_S


def test_whatever_is_dead_goes_to_a_topic_to_which_pubsub_may_publish() -> None:
    targets = {
        target
        for each in CODE.of_kind("google_pubsub_subscription")
        for policy in each.inner("dead_letter_policy")
        for target in [policy["dead_letter_topic"].split('"')[1]]
    }
    grant = CODE.resource("google_pubsub_topic_iam_member.dead_letters").body

    assert all(f'"{target}"' in grant["for_each"] for target in targets)
    assert targets == {RENDER_REQUESTS_DEAD, "undeliverable"}


def test_documents_that_say_when_they_expire_do() -> None:
    documents: dict[str, type[BaseModel]] = {
        JOBS: Job,
        RENDERS: Render,
        BATCHES: Batch,
        SLOTS: Slot,
        THEMES: OwnThemes,
        WORKERS: Presence,
    }
    expiring = {name for name, model in documents.items() if "expires_at" in model.model_fields}
    field = CODE.resource("google_firestore_field.expires_at").body

    assert expiring == set(json.loads(field["for_each"].removeprefix("${toset(").removesuffix(")}")))
    assert (field["collection"], field["field"]) == ("${each.key}", "expires_at")


def test_a_scheduled_message_is_one_that_the_function_reads() -> None:
    target = CODE.resource("google_cloud_scheduler_job.plans").inner("pubsub_target")[0]["data"]
    sent = PlanScheduled(plan="fresh-takes", every="week").model_dump(exclude_none=True)

    assert set(sent) == {"schema_version", "plan", "every"}
    for name in sent:
        assert f"{name} = " in target
    assert "schema_version = 1" in target


def test_the_alert_on_failures_counts_what_the_outbox_logs() -> None:
    written = CODE.resource("google_logging_metric.jobs_finished").body["filter"].replace("\\", "")
    outbox = (TERRAFORM.parent / "shared" / "outbox.py").read_text("utf-8")

    assert 'jsonPayload.action="event"' in written
    assert 'jsonPayload.message="event published"' in written
    assert 'log.info("event published", extra={"action": "event"' in outbox
    assert '"status": job.status.value' in outbox
