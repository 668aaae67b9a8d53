# Buckets: videos, manifests of batches, weights of models, sources of functions. None is public, none can become so.

locals {
  # Whatever attaches to a render keeps its objects by their custom time, once a day at most; documents go after 30 days.
  artifact_days = 32
}

resource "google_storage_bucket" "artifacts" {
  name                        = "${var.project}-${var.name}-artifacts"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.keep_data

  # What a person deletes is gone at once; what is lost otherwise can be rendered again.
  soft_delete_policy {
    retention_duration_seconds = 0
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_custom_time = local.artifact_days
    }
  }

  lifecycle_rule {
    action {
      type = "AbortIncompleteMultipartUpload"
    }
    condition {
      age = 1
    }
  }

  # Signed links are opened by the page's video element and by its download.
  cors {
    origin          = local.cors_origins
    method          = ["GET", "HEAD"]
    response_header = ["Content-Type", "Content-Length", "Content-Range", "Accept-Ranges"]
    max_age_seconds = 3600
  }

  depends_on = [google_project_service.services]
}

locals {
  # Of each account, as its code calls the bucket; tests/cloud compares.
  artifact_roles = {
    submit = "roles/storage.objectUser"
    notify = "roles/storage.objectUser"
    worker = "roles/storage.objectUser"
  }
}

resource "google_storage_bucket_iam_member" "artifacts" {
  for_each = local.artifact_roles

  bucket = google_storage_bucket.artifacts.name
  role   = each.value
  member = local.members[each.key]
}

# Nothing but manifests lies here: who may place a batch can have any line of any object read.
resource "google_storage_bucket" "manifests" {
  name                        = "${var.project}-${var.name}-manifests"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.keep_data

  soft_delete_policy {
    retention_duration_seconds = 7 * 86400
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      age = 30
    }
  }

  depends_on = [google_project_service.services]
}

resource "google_storage_bucket_iam_member" "manifests" {
  bucket = google_storage_bucket.manifests.name
  role   = "roles/storage.objectViewer"
  member = local.members["submit"]
}

resource "google_storage_bucket_iam_member" "manifest_writers" {
  for_each = var.manifest_writers

  bucket = google_storage_bucket.manifests.name
  role   = "roles/storage.objectCreator"
  member = each.key
}

# Mounted by the workers: folders of models, and the kernels that they compiled.
resource "google_storage_bucket" "weights" {
  name                        = "${var.project}-${var.name}-weights"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = !var.keep_data

  soft_delete_policy {
    retention_duration_seconds = 7 * 86400
  }

  depends_on = [google_project_service.services]
}

resource "google_storage_bucket" "sources" {
  name                        = "${var.project}-${var.name}-sources"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = true

  soft_delete_policy {
    retention_duration_seconds = 0
  }

  depends_on = [google_project_service.services]
}
