# Topics, who may publish to each, and the schema of the outside door.

locals {
  # Publishers of each topic, as the code publishes; tests/cloud compares with shared/messages.py and with each room.
  topics = {
    "render-requests"      = ["submit", "notify"]
    "render-requests-bulk" = ["submit", "notify"]
    "render-requests-dead" = ["worker"]
    "job-requests"         = []
    "job-events"           = ["submit", "notify", "worker"]
    "batch-chunks"         = ["submit", "notify"]
    "schedule"             = []
    # What could not be delivered to anybody, for a person to look at: the end of the line.
    "undeliverable" = []
  }
}

resource "google_pubsub_topic" "topics" {
  for_each = local.topics

  name = each.key

  dynamic "schema_settings" {
    for_each = each.key == "job-requests" && var.avro_job_requests ? [google_pubsub_schema.job_requested.id] : []
    content {
      schema   = schema_settings.value
      encoding = "JSON"
    }
  }

  depends_on = [google_project_service.services]
}

resource "google_pubsub_schema" "job_requested" {
  name       = "job-requested"
  type       = "AVRO"
  definition = file("${path.module}/../docs/schemas/job-requested.avsc")

  depends_on = [google_project_service.services]
}

resource "google_pubsub_topic_iam_member" "publishers" {
  for_each = merge([
    for topic, names in local.topics : { for name in names : "${topic} ${name}" => { topic = topic, account = name } }
  ]...)

  topic  = google_pubsub_topic.topics[each.value.topic].name
  role   = "roles/pubsub.publisher"
  member = local.members[each.value.account]
}

# Pub/Sub itself forwards dead letters.
resource "google_pubsub_topic_iam_member" "dead_letters" {
  for_each = toset(["render-requests-dead", "undeliverable"])

  topic  = google_pubsub_topic.topics[each.key].name
  role   = "roles/pubsub.publisher"
  member = google_project_service_identity.pubsub.member
}

resource "google_pubsub_topic_iam_member" "systems" {
  for_each = var.systems

  topic  = google_pubsub_topic.topics["job-requests"].name
  role   = "roles/pubsub.publisher"
  member = each.value.member
}
