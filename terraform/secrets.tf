# What the autoscaler shows at the queue. It never lies in the state: made here, handed over, forgotten.

ephemeral "random_password" "queue_token" {
  length  = 48
  special = false
}

resource "google_secret_manager_secret" "queue_token" {
  secret_id = "${var.name}-queue-token"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.services]
}

resource "google_secret_manager_secret_version" "queue_token" {
  secret = google_secret_manager_secret.queue_token.id
  # Another number makes another token: the function is deployed anew with it, and the autoscaler reads it anew when it is refused.
  secret_data_wo         = ephemeral.random_password.queue_token.result
  secret_data_wo_version = 1

  # The one that is in use goes when the other one is.
  lifecycle {
    create_before_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "queue_token" {
  secret_id = google_secret_manager_secret.queue_token.id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.members["submit"]
}

# Who signs the videos: a private key and the certificates of an authority that C2PA knows. Its value comes from outside,
# see docs/deploy.md; while it has no version, workers say that they sign nothing.
resource "google_secret_manager_secret" "signing_identity" {
  secret_id = "${var.name}-signing-identity"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.services]
}

resource "google_secret_manager_secret_iam_member" "signing_identity" {
  secret_id = google_secret_manager_secret.signing_identity.id
  role      = "roles/secretmanager.secretAccessor"
  member    = local.members["worker"]
}
