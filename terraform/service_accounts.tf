# One account for each that acts. What each may do stands beside what it does it to.

locals {
  accounts = {
    submit    = "The API and the intake: functions/submit"
    notify    = "The storage trigger, dead letters and reconcile: functions/notify"
    worker    = "The GPU worker: gpu_job"
    push      = "Pub/Sub, when it calls a function"
    trigger   = "Eventarc, when it calls a function"
    scheduler = "Cloud Scheduler, when it calls a function"
    build     = "Cloud Build, when it builds a function"
  }
}

resource "google_service_account" "accounts" {
  for_each = local.accounts

  account_id   = "${var.name}-${each.key}"
  display_name = each.value

  depends_on = [google_project_service.services]
}

locals {
  # The member of each account, by its name.
  members = { for name, account in google_service_account.accounts : name => "serviceAccount:${account.email}" }
}
