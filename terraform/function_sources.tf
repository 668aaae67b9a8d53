# The folders that `make bundle` makes, as objects named for what is in them: other code is another name, so it is built.

locals {
  bundles = {
    for name in ["submit", "notify"] : name => {
      folder = "${path.module}/../build/${name}"
      files  = fileset("${path.module}/../build/${name}", "**")
    }
  }
  bundle_hash = {
    for name, bundle in local.bundles : name => substr(
      sha256(join("\n", [for file in sort(bundle.files) : "${file} ${filesha256("${bundle.folder}/${file}")}"])), 0, 16
    )
  }
}

data "archive_file" "bundles" {
  for_each = local.bundles

  type        = "zip"
  source_dir  = each.value.folder
  output_path = "${path.module}/../build/${each.key}.zip"

  lifecycle {
    precondition {
      condition     = contains(each.value.files, "main.py") && contains(each.value.files, "shared/__init__.py")
      error_message = "build/${each.key} is not there or not whole: run `make bundle` first."
    }
  }
}

resource "google_storage_bucket_object" "bundles" {
  for_each = local.bundles

  bucket = google_storage_bucket.sources.name
  name   = "${each.key}-${local.bundle_hash[each.key]}.zip"
  source = data.archive_file.bundles[each.key].output_path

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_artifact_registry_repository" "functions" {
  repository_id = "${var.name}-functions"
  location      = var.region
  format        = "DOCKER"

  cleanup_policies {
    id     = "keep-the-latest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 3
    }
  }

  cleanup_policies {
    id     = "delete-the-rest"
    action = "DELETE"
    condition {
      older_than = "604800s"
    }
  }

  depends_on = [google_project_service.services]
}

# What Cloud Build needs to build a function with an account of ours instead of the project's default one.
resource "google_project_iam_member" "build" {
  # The build's sources and layers lie in buckets and repositories that Cloud Functions makes by itself.
  for_each = toset(["roles/artifactregistry.writer", "roles/logging.logWriter", "roles/storage.objectViewer"])

  project = var.project
  role    = each.key
  member  = local.members["build"]
}
