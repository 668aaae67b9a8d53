# What happens by itself: repair every minute, and plans where somebody wants them.

resource "google_cloud_scheduler_job" "reconcile" {
  name             = "${var.name}-reconcile"
  region           = var.region
  description      = "Repair what should have happened and did not"
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "120s"

  # The next minute comes anyway.
  retry_config {
    retry_count = 0
  }

  http_target {
    uri         = google_cloudfunctions2_function.functions["reconcile"].service_config[0].uri
    http_method = "POST"

    oidc_token {
      service_account_email = google_service_account.accounts["scheduler"].email
      audience              = google_cloudfunctions2_function.functions["reconcile"].service_config[0].uri
    }
  }
}

resource "google_cloud_scheduler_job" "plans" {
  for_each = var.plans

  name        = "${var.name}-plan-${each.key}"
  region      = var.region
  description = "Render a plan: ${each.key}"
  schedule    = each.value.cron
  time_zone   = "Etc/UTC"

  retry_config {
    retry_count = 5
  }

  pubsub_target {
    topic_name = google_pubsub_topic.topics["schedule"].id
    data       = base64encode(jsonencode({ schema_version = 1, plan = each.key, every = each.value.every }))
  }
}
