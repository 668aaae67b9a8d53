"""What must hold of every resource that was ever written here, whoever adds the next one. In: `Code`. Out: findings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from tests.cloud.terraform_code import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cloud.terraform_code import Code

#: Pub/Sub's own name for whoever comes along.
EVERYBODY: Final = re.compile(r"\ball(Authenticated)?Users\b")
#: Where everybody may stand: the API when that is chosen, and the queue's number inside of the network.
MAY_SAY_EVERYBODY: Final = {"callers", "network"}
#: Where people look at what nobody took.
END_OF_LINE: Final = "google_pubsub_subscription.undeliverable"
A_WEEK_S: Final = 7 * 86_400
PRIMITIVE: Final = {"roles/owner", "roles/editor", "roles/viewer"}


def findings(code: Code) -> list[str]:
    """Every fault, as ``address: what is wrong``."""
    return [finding for policy in POLICIES for finding in policy(code)]


def no_bucket_can_become_public(code: Code) -> Iterator[str]:
    for bucket in code.of_kind("google_storage_bucket"):
        if bucket.body.get("public_access_prevention") != "enforced":
            yield f"{bucket.address}: public access is not prevented"
        if bucket.body.get("uniform_bucket_level_access") not in (True, "true"):
            yield f"{bucket.address}: objects have access lists of their own"
        if not bucket.inner("soft_delete_policy"):
            yield f"{bucket.address}: how long deleted objects are kept is left to chance"


def everybody_is_nowhere_but_where_it_was_decided(code: Code) -> Iterator[str]:
    for block in code.resources:
        if any(EVERYBODY.search(text) for text in texts(block.body)):
            yield f"{block.address}: everybody"
    for name, value in code.locals.items():
        kept = (
            {each: of for each, of in value.items() if each not in MAY_SAY_EVERYBODY} if name == "invokers" else value
        )
        if any(EVERYBODY.search(text) for text in texts(kept)):
            yield f"local.{name}: everybody"
    if code.variables["public_api"]["default"] not in (False, "false"):
        yield "var.public_api: the API is public unless said otherwise"


def no_role_is_primitive_and_no_grant_takes_others_away(code: Code) -> Iterator[str]:
    for block in code.resources:
        if PRIMITIVE & set(texts(block.body)):
            yield f"{block.address}: a primitive role"
        if re.search(r"_iam_(binding|policy)$", block.kind):
            yield f"{block.address}: takes away what others granted"
        if block.kind == "google_service_account_key":
            yield f"{block.address}: a key lies around"


def every_subscription_has_dead_letters_and_keeps_for_a_week(code: Code) -> Iterator[str]:
    for each in code.of_kind("google_pubsub_subscription"):
        if not each.inner("dead_letter_policy") and each.address != END_OF_LINE:
            yield f"{each.address}: no dead letters"
        kept = code.value(each.body.get("message_retention_duration", "0s"))
        if int(kept.removesuffix("s")) < A_WEEK_S:
            yield f"{each.address}: messages are lost within a week"
        if [policy.get("ttl") for policy in each.inner("expiration_policy")] != [""]:
            yield f"{each.address}: goes away when it is quiet for a month"


def a_trigger_is_where_its_bucket_is(code: Code) -> Iterator[str]:
    for function in code.of_kind("google_cloudfunctions2_function"):
        for trigger in function.inner("event_trigger"):
            if trigger.get("trigger_region") != "${lower(event_trigger.value.location)}":
                yield f"{function.address}: the trigger's region is not that of the bucket"
            if trigger.get("retry_policy") != "RETRY_POLICY_RETRY":
                yield f"{function.address}: an event that fails is lost"


def nothing_runs_as_the_projects_default_account(code: Code) -> Iterator[str]:
    for function in code.of_kind("google_cloudfunctions2_function"):
        accounts = [
            *(each.get("service_account") for each in function.inner("build_config")),
            *(each.get("service_account_email") for each in function.inner("service_config")),
            *(each.get("service_account_email") for each in function.inner("event_trigger")),
        ]
        if not all(accounts):
            yield f"{function.address}: runs, is built or is called as the project's default account"


def expired_documents_go(code: Code) -> Iterator[str]:
    for field in code.of_kind("google_firestore_field"):
        if field.name == "expires_at" and not field.inner("ttl_config"):
            yield f"{field.address}: documents stay for ever"
    if not any(field.name == "expires_at" for field in code.of_kind("google_firestore_field")):
        yield "google_firestore_field.expires_at: documents stay for ever"


def there_is_a_budget_and_somebody_hears_of_it(code: Code) -> Iterator[str]:
    if not code.of_kind("google_billing_budget"):
        yield "google_billing_budget: none"
    for each in code.of_kind("google_billing_budget"):
        if not any(rule.get("spend_basis") == "FORECASTED_SPEND" for rule in each.inner("threshold_rules")):
            yield f"{each.address}: warns when the money is gone"
    for each in [*code.of_kind("google_billing_budget"), *code.of_kind("google_monitoring_alert_policy")]:
        if not any("google_monitoring_notification_channel" in text for text in texts(each.body)):
            yield f"{each.address}: nobody hears of it"


def no_secret_lies_in_the_state(code: Code) -> Iterator[str]:
    for each in code.of_kind("google_secret_manager_secret_version"):
        if "secret_data" in each.body:
            yield f"{each.address}: the secret lies in the state"
    for block in code.of_kind("random_password"):
        yield f"{block.address}: the secret lies in the state"


def every_variable_is_described_and_typed(code: Code) -> Iterator[str]:
    for name, body in code.variables.items():
        if not body.get("description") or not body.get("type"):
            yield f"var.{name}: no description or no type"


POLICIES: Final[list[Callable[[Code], Iterator[str]]]] = [
    no_bucket_can_become_public,
    everybody_is_nowhere_but_where_it_was_decided,
    no_role_is_primitive_and_no_grant_takes_others_away,
    every_subscription_has_dead_letters_and_keeps_for_a_week,
    a_trigger_is_where_its_bucket_is,
    nothing_runs_as_the_projects_default_account,
    expired_documents_go,
    there_is_a_budget_and_somebody_hears_of_it,
    no_secret_lies_in_the_state,
    every_variable_is_described_and_typed,
]
