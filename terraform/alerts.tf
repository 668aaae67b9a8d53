# What wakes somebody: each with what to do about it.

locals {
  # Events are published by functions and by workers: two kinds of a resource, and either may have been silent.
  finished = {
    for kind, status in { failed = "failed", all = "completed|failed" } : kind => join(" + ", [
      for resource in ["cloud_run_revision", "k8s_container"] :
      "(sum(increase(${local.jobs_finished}{monitored_resource=\"${resource}\",status=~\"${status}\"}[30m])) or vector(0))"
    ])
  }

  renders = "subscription_id=~\"${join("|", [for each in google_pubsub_subscription.pulled : each.name])}\""
  waits = {
    interactive = "subscription_id=\"${google_pubsub_subscription.pulled["render-requests"].name}\""
    bulk        = "subscription_id=\"${google_pubsub_subscription.pulled["render-requests-bulk"].name}\""
  }
  end_of_line = "subscription_id=\"${google_pubsub_subscription.undeliverable.name}\""

  alerts = {
    backlog_age = {
      title      = "Wishes wait too long"
      query      = "max(${local.measures.QUEUE_AGE}{priority=\"interactive\"}) > ${local.size.max_backlog_age_s}"
      duration_s = 300
      severity   = "WARNING"
      todo       = "Workers are too few, or fail: look at the dashboard for their number, then at their logs. A larger size has more."
    }
    stalls = {
      title      = "Renders stand still"
      query      = "sum(${local.grown.stalls}) >= 2"
      duration_s = 0
      severity   = "ERROR"
      todo       = "Two renders did not move for minutes, and their workers ended. The dashboard has the stage; workers' logs with jsonPayload.message=\"worker leaves its render\" have the render_key, and its trace has what came before."
    }
    silent = {
      title = "Nothing is told of the queue"
      # reconcile tells its age every minute, also when nobody waits. Without it, the alerts on measures see nothing.
      query      = "absent(${local.measures.QUEUE_AGE})"
      duration_s = 900
      severity   = "WARNING"
      todo       = "Either reconcile does not run: look at Cloud Scheduler and its logs. Or nothing recorded arrives: logs with jsonPayload.action=\"telemetry\" say why."
    }
    failure_rate = {
      title      = "Jobs fail"
      query      = "(${local.finished.failed}) / ((${local.finished.all}) > 0) > 0.2 and (${local.finished.failed}) >= 5"
      duration_s = 0
      severity   = "ERROR"
      todo       = "Each failed job says why: logs with jsonPayload.action=\"event\" and jsonPayload.status=\"failed\" name them, and the worker's logs of that render_key have the cause."
    }
    dead_letters = {
      title      = "Render requests are given up"
      query      = "sum(increase(${local.dead_letters}{${local.renders}}[30m])) > 0"
      duration_s = 0
      severity   = "WARNING"
      todo       = "A render request was delivered 100 times. The function bury sends it again or fails its jobs; its logs say what it did."
    }
    undeliverable = {
      title      = "Messages that nobody takes"
      query      = "max(${local.backlog}{${local.end_of_line}}) > 0"
      duration_s = 60
      severity   = "ERROR"
      todo       = "A function refused a message 100 times, or a system does not take its events. `gcloud pubsub subscriptions pull undeliverable-operator` shows them; attributes name where each came from. Publish it there again once the cause is gone, and acknowledge it here."
    }
    no_worker = {
      title = "No worker, and there is work"
      # Making a GPU node and pulling the image takes minutes; a Spot node may have to be waited for. Bulk that waits for another day's
      # budget has no worker rightly; where nobody says so, it has none wrongly.
      query      = "((sum(${local.backlog}{${local.waits.interactive}}) > 0) or ((sum(${local.backlog}{${local.waits.bulk}}) > 0) unless on() (max(${local.measures.BULK_PAUSE}) > 0))) unless on() (count(${local.workers}) > 0)"
      duration_s = 1200
      severity   = "CRITICAL"
      todo       = "Is there a Job in the namespace lifeasnotme? Without one, KEDA does not see the queue: look at its operator's logs. With one that is pending, no GPU is to be had: quota, or none left in the region."
    }
    function_errors = {
      title      = "Functions answer with errors"
      query      = "sum by (service_name) (increase(${local.requests}{monitored_resource=\"cloud_run_revision\",service_name=~\"${var.name}-.*\",response_code_class=\"5xx\"}[10m])) > 5"
      duration_s = 0
      severity   = "ERROR"
      todo       = "The logs of that service have the exception. Pushed messages come again by themselves; nothing is lost meanwhile."
    }
  }
}

resource "google_monitoring_alert_policy" "alerts" {
  for_each = local.alerts

  display_name          = "${var.name}: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = [google_monitoring_notification_channel.email.id]

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query               = each.value.query
      duration            = "${each.value.duration_s}s"
      evaluation_interval = "60s"
      # A metric that nobody has written yet is no mistake: a new project has none.
      disable_metric_validation = true
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${each.value.todo}\n\nMore: docs/runbook.md, \"${each.value.title}\"."
  }
}
