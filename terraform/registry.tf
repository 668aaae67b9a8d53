# Container images: our own, and a cache of those that KEDA's makers publish, since the nodes can't reach the internet.

locals {
  # By the name of the repository: what it holds, and how many versions of each image are kept whatever their age.
  registries = {
    images = { description = "The worker: gpu_job/Dockerfile", upstream = null, kept = 10 }
    ghcr   = { description = "What the nodes pull of ghcr.io: KEDA", upstream = "https://ghcr.io", kept = 3 }
  }
}

resource "google_artifact_registry_repository" "registries" {
  for_each = local.registries

  repository_id = "${var.name}-${each.key}"
  location      = var.region
  description   = each.value.description
  format        = "DOCKER"
  mode          = each.value.upstream == null ? "STANDARD_REPOSITORY" : "REMOTE_REPOSITORY"

  dynamic "remote_repository_config" {
    for_each = each.value.upstream == null ? [] : [each.value.upstream]
    content {
      docker_repository {
        custom_repository {
          uri = remote_repository_config.value
        }
      }
    }
  }

  cleanup_policies {
    id     = "keep-latest"
    action = "KEEP"

    most_recent_versions {
      keep_count = each.value.kept
    }
  }

  # Where both policies meet, keeping wins.
  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      tag_state  = "ANY"
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.services]
}

resource "google_artifact_registry_repository_iam_member" "nodes" {
  for_each = google_artifact_registry_repository.registries

  repository = each.value.name
  location   = each.value.location
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes.member
}
