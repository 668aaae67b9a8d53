# APIs of Google Cloud that are used, and the agents that act for Google's own services.

locals {
  services = toset([
    "artifactregistry.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "cloudtrace.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "eventarc.googleapis.com",
    "firebaserules.googleapis.com",
    "firestore.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "identitytoolkit.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "storage.googleapis.com",
    "telemetry.googleapis.com",
  ])
}

resource "google_project_service" "services" {
  for_each = local.services

  service            = each.key
  disable_on_destroy = false
}

data "google_project" "this" {
  depends_on = [google_project_service.services]
}

resource "google_project_service_identity" "pubsub" {
  provider = google-beta

  service    = "pubsub.googleapis.com"
  depends_on = [google_project_service.services]
}

resource "google_project_service_identity" "eventarc" {
  provider = google-beta

  service    = "eventarc.googleapis.com"
  depends_on = [google_project_service.services]
}

# Made by asking for it.
data "google_storage_project_service_account" "storage" {
  depends_on = [google_project_service.services]
}

# On a fresh project Eventarc's agent has no role yet when the first trigger is made.
resource "google_project_iam_member" "eventarc_agent" {
  #checkov:skip=CKV_GCP_49:the role that Google itself gives to its agent
  project = var.project
  role    = "roles/eventarc.serviceAgent"
  member  = google_project_service_identity.eventarc.member
}
