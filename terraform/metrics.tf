# Numbers that Google's own metrics don't have: counted from the logs, or told by functions and workers themselves.

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
  # What shared/measures.py tells, by the constant that names it; tests/cloud compares.
  measures = {
    QUEUE_AGE    = "lifeasnotme_queue_age_seconds"
    WAIT         = "lifeasnotme_wait_seconds"
    RENDER       = "lifeasnotme_render_seconds"
    GPU          = "lifeasnotme_gpu_seconds_total"
    COST         = "lifeasnotme_cost_total"
    START        = "lifeasnotme_worker_start_seconds"
    STALLS       = "lifeasnotme_progress_stalls_total"
    FAILURES     = "lifeasnotme_failures_total"
    DEAD_LETTERS = "lifeasnotme_dead_letters_total"
    BULK_PAUSE   = "lifeasnotme_bulk_pause_seconds"
  }

  # What is counted by functions and workers, each process from 0.
  counted = {
    waits        = "${local.measures.WAIT}_bucket"
    renders      = "${local.measures.RENDER}_bucket{stage=\"whole\"}"
    stages       = "${local.measures.RENDER}_count"
    stages_s     = "${local.measures.RENDER}_sum"
    gpu_s        = local.measures.GPU
    cost         = local.measures.COST
    stalls       = local.measures.STALLS
    failures     = local.measures.FAILURES
    dead_letters = local.measures.DEAD_LETTERS
  }

  # By how much each has grown in an hour, by process. increase() and rate() take the first value of a series for where it began, so they
  # miss all that a worker has sent once, which may be all of it. What was there an hour ago is taken off; where nothing was, nothing.
  grown = {
    for name, series in local.counted :
    name => "(last_over_time(${series}[1h]) - (last_over_time(${series}[1d] offset 1h) or 0 * last_over_time(${series}[1h])))"
  }

  # Setting TELEMETRY: spans and measures go to the Telemetry API, which keeps measures under a region.
  telemetry = "gcp:${var.region}"
}

# To write, and nothing else. The project knows no smaller place for them.
resource "google_project_iam_member" "telemetry" {
  for_each = {
    for pair in setproduct(["submit", "notify", "worker"], ["roles/telemetry.tracesWriter", "roles/telemetry.metricsWriter"]) :
    "${pair[0]} ${pair[1]}" => { account = pair[0], role = pair[1] }
  }

  project = var.project
  role    = each.value.role
  member  = local.members[each.value.account]
}

locals {
  # In PromQL's spelling.
  jobs_finished = "logging_googleapis_com:user_${google_logging_metric.jobs_finished.name}"
  backlog       = "pubsub_googleapis_com:subscription_num_undelivered_messages"
  dead_letters  = "pubsub_googleapis_com:subscription_dead_letter_message_count"
  workers       = "kubernetes_io:container_uptime{namespace_name=\"lifeasnotme\",container_name=\"worker\"}"
  # What a pod and its node take before the worker's own first line: GKE's system metrics, "Kubernetes metrics" in Google's list.
  node_start = "kubernetes_io:node_latencies_startup{accelerator_family=\"gpu\"}"
  pod_start  = "kubernetes_io:pod_latencies_pod_first_ready{namespace_name=\"lifeasnotme\"}"
  requests   = "run_googleapis_com:request_count"
}
