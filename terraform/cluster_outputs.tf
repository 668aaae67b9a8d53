# What the second phase takes over from the first: deployment.py hands it to in_cluster/ and to kubernetes/.

locals {
  # A quarter is left for who waits: bulk alone never starts the last workers.
  bulk_workers = max(1, floor(local.size.max_workers * 3 / 4))
  # `targetValue` of kubernetes/base/worker.yaml.
  renders_a_worker = 2

  # Settings of the API, of notify and of the workers alike; empty: there is none.
  budgets = {
    bulk = var.daily_budget_gpu_s.bulk == null ? "" : tostring(var.daily_budget_gpu_s.bulk)
    all  = var.daily_budget_gpu_s.all == null ? "" : tostring(var.daily_budget_gpu_s.all)
  }

  registry_urls = {
    for name, each in google_artifact_registry_repository.registries :
    name => "${each.location}-docker.pkg.dev/${var.project}/${each.repository_id}"
  }
}

output "cluster" {
  description = "Where the cluster is, and what it must know of the rest."
  value = {
    project           = var.project
    size              = var.size
    endpoint          = google_container_cluster.cluster.control_plane_endpoints_config[0].dns_endpoint_config[0].endpoint
    image             = "${local.registry_urls["images"]}/worker"
    keda_registry     = local.registry_urls["ghcr"]
    keda_account      = google_service_account.keda_scaler.email
    worker_account    = google_service_account.accounts["worker"].email
    artifact_bucket   = google_storage_bucket.artifacts.name
    weights_bucket    = google_storage_bucket.weights.name
    served_models     = join(",", var.served_models)
    queue_url         = "${google_cloudfunctions2_function.functions["queue"].service_config[0].uri}/queue?bulk_at_most=${local.renders_a_worker * local.bulk_workers}"
    queue_token       = google_secret_manager_secret.queue_token.secret_id
    signing_secret    = "${google_secret_manager_secret.signing_identity.id}/versions/latest"
    telemetry         = local.telemetry
    max_workers       = local.size.max_workers
    budget_bulk_gpu_s = local.budgets.bulk
    budget_gpu_s      = local.budgets.all
  }
}
