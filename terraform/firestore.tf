# The database: the one that Google's clients find without a name.

resource "google_firestore_database" "default" {
  name        = "(default)"
  location_id = var.region
  type        = "FIRESTORE_NATIVE"
  # Every write is a compare-and-set by update time; no transaction waits for another.
  concurrency_mode                  = "OPTIMISTIC"
  point_in_time_recovery_enablement = local.size.point_in_time_recovery ? "POINT_IN_TIME_RECOVERY_ENABLED" : "POINT_IN_TIME_RECOVERY_DISABLED"
  delete_protection_state           = var.keep_data ? "DELETE_PROTECTION_ENABLED" : "DELETE_PROTECTION_DISABLED"
  deletion_policy                   = "DELETE"

  depends_on = [google_project_service.services]
}

resource "google_firestore_backup_schedule" "daily" {
  count = local.size.daily_backup ? 1 : 0

  database  = google_firestore_database.default.name
  retention = "604800s"

  daily_recurrence {}
}

# Documents go a day or so after their time. No query asks for that time, and an index on it would be a hot spot.
resource "google_firestore_field" "expires_at" {
  for_each = toset(["batches", "jobs", "renders", "slots", "themes", "workers"])

  database   = google_firestore_database.default.name
  collection = each.key
  field      = "expires_at"

  ttl_config {}
  index_config {}
}

# What no query asks for by itself: of a render's sixty numbers and of a wish, each had two entries of its own to write.
# A map's exemption is that of all that is in it (https://firebase.google.com/docs/firestore/solutions/index-map-field);
# the indexes below have what they name all the same.
resource "google_firestore_field" "without_index" {
  for_each = { renders = "spec", jobs = "request" }

  database   = google_firestore_database.default.name
  collection = each.key
  field      = each.value

  index_config {}
}

locals {
  # Every query of shared/job_store/firestore.py that needs more than the index of one field; tests/cloud compares.
  firestore_indexes = {
    jobs_by_deadline      = { collection = "jobs", fields = ["status", "deadline_at"] }
    jobs_by_last_change   = { collection = "jobs", fields = ["status", "updated_at"] }
    jobs_by_age           = { collection = "jobs", fields = ["status", "request.priority", "created_at"] }
    jobs_by_event         = { collection = "jobs", fields = ["event_pending", "updated_at"] }
    renders_to_do         = { collection = "renders", fields = ["state", "priority", "check_at"] }
    renders_by_age        = { collection = "renders", fields = ["state", "priority", "check_at", "created_at"] }
    renders_by_next_check = { collection = "renders", fields = ["priority", "check_at"] }
    # A field with a minus: the newest first.
    latest_jobs      = { collection = "jobs", fields = ["status", "-updated_at"] }
    jobs_of_an_owner = { collection = "jobs", fields = ["owner", "-created_at"] }
    public_films     = { collection = "renders", fields = ["state", "spec.scope", "-finished_at"] }
    latest_finished  = { collection = "renders", fields = ["state", "-finished_at"] }
    longest_waiting  = { collection = "renders", fields = ["state", "created_at", "check_at"] }
    # What is added up comes last.
    cost_of_renders  = { collection = "renders", fields = ["state", "finished_at", "cost.gpu_s", "cost.amount"] }
    cost_of_a_batch  = { collection = "jobs", fields = ["batch_id", "cost.gpu_s", "cost.amount"] }
    cost_of_an_owner = { collection = "jobs", fields = ["owner", "finished_at", "cost.gpu_s", "cost.amount"] }
  }
}

resource "google_firestore_index" "indexes" {
  for_each = local.firestore_indexes

  database   = google_firestore_database.default.name
  collection = each.value.collection

  dynamic "fields" {
    for_each = each.value.fields
    content {
      field_path = trimprefix(fields.value, "-")
      order      = startswith(fields.value, "-") ? "DESCENDING" : "ASCENDING"
    }
  }
}

# Browsers read the database too, by these rules; the service's own accounts are not asked.
resource "google_firebaserules_ruleset" "firestore" {
  source {
    files {
      name    = "firestore.rules"
      content = file("${path.module}/firestore.rules")
    }
  }

  depends_on = [google_firestore_database.default]

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_firebaserules_release" "firestore" {
  name         = "cloud.firestore"
  ruleset_name = "projects/${var.project}/rulesets/${basename(google_firebaserules_ruleset.firestore.name)}"

  lifecycle {
    replace_triggered_by = [google_firebaserules_ruleset.firestore]
  }
}

resource "google_project_iam_member" "datastore" {
  for_each = toset(["submit", "notify", "worker"])

  project = var.project
  role    = "roles/datastore.user"
  member  = local.members[each.key]
}
