# Subscriptions. Every one has a dead-letter topic but the last, where people look.

locals {
  # Longer than a job of a batch may wait (7 days): a message is never older than what it is for.
  message_retention = "1209600s"
  # Putting a message back counts as a delivery, so there may be many. The most that Pub/Sub knows.
  max_delivery_attempts = 100

  # Pulled by the workers, by the topic. Its deadline is the worker's lease: so soon is a crash noticed.
  pulled = {
    "render-requests"      = "render-requests-workers"
    "render-requests-bulk" = "render-requests-bulk-workers"
  }

  # Pushed to a function, by the topic.
  pushed = {
    "job-requests"         = "intake"
    "batch-chunks"         = "expand"
    "schedule"             = "schedule"
    "render-requests-dead" = "bury"
  }
}

resource "google_pubsub_subscription" "pulled" {
  for_each = local.pulled

  name                       = each.value
  topic                      = google_pubsub_topic.topics[each.key].id
  ack_deadline_seconds       = 60
  message_retention_duration = local.message_retention

  # A message that is put back says itself when it comes again, so there is no retry policy.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.topics["render-requests-dead"].id
    max_delivery_attempts = local.max_delivery_attempts
  }

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription_iam_member" "pulled" {
  for_each = local.pulled

  subscription = google_pubsub_subscription.pulled[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = local.members["worker"]
}

resource "google_pubsub_subscription" "pushed" {
  for_each = local.pushed

  name  = "${each.key}-${each.value}"
  topic = google_pubsub_topic.topics[each.key].id
  # Longer than any function may take: one that is called again while it works does everything twice.
  ack_deadline_seconds       = 600
  message_retention_duration = local.message_retention

  push_config {
    push_endpoint = google_cloudfunctions2_function.functions[each.value].service_config[0].uri

    oidc_token {
      service_account_email = google_service_account.accounts["push"].email
      audience              = google_cloudfunctions2_function.functions[each.value].service_config[0].uri
    }
  }

  retry_policy {
    minimum_backoff = "1s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.topics["undeliverable"].id
    max_delivery_attempts = local.max_delivery_attempts
  }

  expiration_policy {
    ttl = ""
  }

  # Without it every call is refused until somebody looks, and each counts as a delivery.
  depends_on = [google_cloud_run_v2_service_iam_member.invokers]
}

# Each outside system hears of its own jobs alone. A filter can't be changed afterwards: another prefix is another name.
resource "google_pubsub_subscription" "systems" {
  for_each = var.systems

  name                       = "job-events-${each.key}"
  topic                      = google_pubsub_topic.topics["job-events"].id
  filter                     = "hasPrefix(attributes.job_id, \"${each.value.job_id_prefix}\")"
  ack_deadline_seconds       = 60
  message_retention_duration = local.message_retention

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.topics["undeliverable"].id
    max_delivery_attempts = local.max_delivery_attempts
  }

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription_iam_member" "systems" {
  for_each = var.systems

  subscription = google_pubsub_subscription.systems[each.key].name
  role         = "roles/pubsub.subscriber"
  member       = each.value.member
}

resource "google_pubsub_subscription" "undeliverable" {
  name                       = "undeliverable-operator"
  topic                      = google_pubsub_topic.topics["undeliverable"].id
  ack_deadline_seconds       = 60
  message_retention_duration = local.message_retention

  expiration_policy {
    ttl = ""
  }
}

locals {
  subscriptions_with_dead_letters = merge(
    { for topic, each in google_pubsub_subscription.pulled : each.name => each },
    { for topic, each in google_pubsub_subscription.pushed : each.name => each },
    { for system, each in google_pubsub_subscription.systems : each.name => each },
  )
}

# Pub/Sub acknowledges what it forwards.
resource "google_pubsub_subscription_iam_member" "dead_letters" {
  for_each = local.subscriptions_with_dead_letters

  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = google_project_service_identity.pubsub.member
}
