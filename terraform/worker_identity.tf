# Who is who in the cluster: nodes, worker, autoscaler. A Kubernetes account is a Google account by Workload Identity, so
# there is no key anywhere.

locals {
  # As in kubernetes/base.
  worker_namespace = "lifeasnotme"
  # As KEDA's chart names them.
  keda_namespace = "keda"
  keda_account   = "keda-operator"
}

# Nodes pull images, and write logs and metrics.
resource "google_service_account" "nodes" {
  account_id   = "${var.name}-nodes"
  display_name = "The cluster's nodes"

  depends_on = [google_project_service.services]
}

resource "google_project_iam_member" "nodes" {
  project = var.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes.member
}

# The autoscaler reads the token of the queue, and nothing else.
resource "google_service_account" "keda_scaler" {
  account_id   = "${var.name}-keda-scaler"
  display_name = "KEDA, when it asks how many renders there are"

  depends_on = [google_project_service.services]
}

resource "google_secret_manager_secret_iam_member" "keda_scaler" {
  secret_id = google_secret_manager_secret.queue_token.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.keda_scaler.member
}

resource "google_service_account_iam_member" "keda_scaler" {
  service_account_id = google_service_account.keda_scaler.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${local.keda_namespace}/${local.keda_account}]"

  # The project's pool of identities is made with its first cluster.
  depends_on = [google_container_cluster.cluster]
}

resource "google_service_account_iam_member" "worker" {
  service_account_id = google_service_account.accounts["worker"].name
  role               = "roles/iam.workloadIdentityUser"
  member             = "serviceAccount:${var.project}.svc.id.goog[${local.worker_namespace}/worker]"

  depends_on = [google_container_cluster.cluster]
}

# Weights are read only: whoever could write them could run code in every worker.
resource "google_storage_bucket_iam_member" "weights" {
  bucket = google_storage_bucket.weights.name
  role   = "roles/storage.objectViewer"
  member = local.members["worker"]
}

# Compiled kernels are the workers' own, and nobody else runs them.
resource "google_storage_managed_folder" "kernels" {
  bucket        = google_storage_bucket.weights.name
  name          = "kernels/"
  force_destroy = true
}

resource "google_storage_managed_folder_iam_member" "kernels" {
  bucket         = google_storage_bucket.weights.name
  managed_folder = google_storage_managed_folder.kernels.name
  role           = "roles/storage.objectUser"
  member         = local.members["worker"]
}
