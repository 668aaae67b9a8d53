# Numbers that Google's own metrics don't have, counted from the logs.

resource "google_logging_metric" "jobs_finished" {
  name        = "${var.name}_jobs_finished"
  description = "Jobs that became final, by status"
  # Written by shared/outbox.py, by whoever publishes the event.
  filter = "jsonPayload.action=\"event\" AND jsonPayload.message=\"event published\""

  label_extractors = { status = "EXTRACT(jsonPayload.status)" }

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"

    labels {
      key        = "status"
      value_type = "STRING"
    }
  }

  depends_on = [google_project_service.services]
}

locals {
  # In PromQL's spelling.
  jobs_finished = "logging_googleapis_com:user_${google_logging_metric.jobs_finished.name}"
  backlog       = "pubsub_googleapis_com:subscription_num_undelivered_messages"
  backlog_age   = "pubsub_googleapis_com:subscription_oldest_unacked_message_age"
  dead_letters  = "pubsub_googleapis_com:subscription_dead_letter_message_count"
  workers       = "kubernetes_io:container_uptime{namespace_name=\"lifeasnotme\",container_name=\"worker\"}"
  requests      = "run_googleapis_com:request_count"
}
