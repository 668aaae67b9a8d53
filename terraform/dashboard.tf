# One page: is it well, how much waits, what does it do.

locals {
  charts = [
    { title = "Oldest wish that nobody has taken, seconds", unit = "s", queries = {
      "by priority" = "max by (priority) (${local.measures.QUEUE_AGE})"
    } },
    { title = "From a wish to its worker, seconds", unit = "s", queries = {
      for name, part in { "half" = 0.5, "95 %" = 0.95 } :
      name => "histogram_quantile(${part}, sum by (le, priority) (${local.grown.waits}))"
    } },
    { title = "Render requests that wait or are being made", unit = "1", queries = {
      "by queue" = "sum by (subscription_id) (${local.backlog}{${local.renders}})"
    } },
    { title = "Bulk waits for another day's budget, seconds left", unit = "s", queries = { "left" = "max(${local.measures.BULK_PAUSE})" } },
    { title = "Workers", unit = "1", queries = { "running" = "count(${local.workers}) or vector(0)" } },
    { title = "GPUs at work", unit = "%", queries = {
      "duty cycle" = "avg(kubernetes_io:container_accelerator_duty_cycle{namespace_name=\"lifeasnotme\"})"
    } },
    { title = "A render, seconds", unit = "s", queries = {
      for name, part in { "half" = 0.5, "95 %" = 0.95 } :
      name => "histogram_quantile(${part}, sum by (le, model, gpu) (${local.grown.renders}))"
    } },
    { title = "A render's stages, seconds on average", unit = "s", queries = {
      "by stage" = "sum by (stage, model) (${local.grown.stages_s}) / sum by (stage, model) (${local.grown.stages})"
    } },
    { title = "A worker's start after its node and image, seconds on average", unit = "s", queries = {
      # A worker starts once, so its last word is the whole.
      "by phase" = "sum by (phase) (last_over_time(${local.measures.START}_sum[3h])) / sum by (phase) (last_over_time(${local.measures.START}_count[3h]))"
    } },
    # Of nodes that are there, so it is what their starts took.
    { title = "A GPU node's start, seconds", unit = "s", queries = { "on average" = "avg(${local.node_start})", "longest" = "max(${local.node_start})" } },
    { title = "From a worker's pod to its first look for work, node and image included, seconds", unit = "s", queries = {
      "on average" = "avg(${local.pod_start})"
      "longest"    = "max(${local.pod_start})"
    } },
    { title = "GPU seconds that are paid for, an hour", unit = "s", queries = {
      "by model and GPU" = "sum by (model, gpu) (${local.grown.gpu_s})"
    } },
    { title = "What renders cost, an hour", unit = "1", queries = {
      "by model and currency" = "sum by (model, currency) (${local.grown.cost})"
    } },
    { title = "Jobs that failed, an hour", unit = "1", queries = {
      "by code" = "sum by (code) (${local.grown.failures})"
    } },
    { title = "Renders that stood still, an hour", unit = "1", queries = {
      "by stage" = "sum by (stage) (${local.grown.stalls})"
    } },
    { title = "Jobs that became final, a minute", unit = "1", queries = {
      "by functions" = "sum by (status) (rate(${local.jobs_finished}{monitored_resource=\"cloud_run_revision\"}[5m])) * 60"
      "by workers"   = "sum by (status) (rate(${local.jobs_finished}{monitored_resource=\"k8s_container\"}[5m])) * 60"
    } },
    { title = "Dead letters, an hour", unit = "1", queries = {
      "given up"    = "sum by (subscription_id) (increase(${local.dead_letters}{monitored_resource=\"pubsub_subscription\"}[1h]))"
      "what became" = "sum by (done) (${local.grown.dead_letters})"
    } },
    { title = "Calls of functions, a minute", unit = "1", queries = {
      "by answer" = "sum by (service_name, response_code_class) (rate(${local.requests}{monitored_resource=\"cloud_run_revision\",service_name=~\"${var.name}-.*\"}[5m])) * 60"
    } },
    { title = "Answers of the API, 95th percentile", unit = "ms", queries = {
      "p95" = "histogram_quantile(0.95, sum by (le) (rate(run_googleapis_com:request_latencies_bucket{monitored_resource=\"cloud_run_revision\",service_name=\"${var.name}-submit\"}[5m])))"
    } },
  ]
}

resource "google_monitoring_dashboard" "overview" {
  dashboard_json = jsonencode({
    displayName = var.name
    mosaicLayout = {
      columns = 12
      tiles = [
        for number, chart in local.charts : {
          xPos   = number % 2 * 6
          yPos   = floor(number / 2) * 4
          width  = 6
          height = 4
          widget = {
            title = chart.title
            xyChart = {
              dataSets = [
                for legend in sort(keys(chart.queries)) : {
                  plotType       = "LINE"
                  targetAxis     = "Y1"
                  legendTemplate = legend
                  timeSeriesQuery = {
                    prometheusQuery = chart.queries[legend]
                    unitOverride    = chart.unit
                  }
                }
              ]
              yAxis = { scale = "LINEAR" }
            }
          }
        }
      ]
    }
  })

  depends_on = [google_project_service.services]
}
