# What must hold of the plan, at every size. Needs no account: `make check-cloud`.

mock_provider "google" {
  mock_data "google_project" {
    defaults = { number = "42" }
  }
}
mock_provider "google-beta" {}
mock_provider "azurerm" {}
mock_provider "archive" {}
mock_provider "time" {}

variables {
  project               = "demo-project"
  billing_account       = "012345-6789AB-CDEF01"
  alert_email           = "operator@example.com"
  azure_subscription_id = "00000000-0000-0000-0000-000000000000"
}

run "small" {
  command = plan

  assert {
    condition = alltrue([
      for each in [google_storage_bucket.artifacts, google_storage_bucket.manifests, google_storage_bucket.weights, google_storage_bucket.sources] :
      each.public_access_prevention == "enforced" && each.uniform_bucket_level_access
    ])
    error_message = "No bucket can become public."
  }

  assert {
    condition = toset([
      for each in google_cloud_run_v2_service_iam_member.invokers : each.name if startswith(each.member, "all")
    ]) == toset(["lifeasnotme-queue"])
    error_message = "Unless chosen otherwise, everybody may call nothing but the queue."
  }

  assert {
    condition = alltrue([
      for name, each in google_cloudfunctions2_function.functions :
      each.service_config[0].ingress_settings == (contains(["submit", "reconcile"], name) ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY")
    ])
    error_message = "From outside of the network nothing is reached but the API and the repair."
  }

  assert {
    condition = length(setintersection(["roles/owner", "roles/editor", "roles/viewer"], concat(
      [for each in google_project_iam_member.datastore : each.role],
      [for each in google_project_iam_member.build : each.role],
      [google_project_iam_member.trigger.role, google_project_iam_member.storage_agent.role, google_project_iam_member.eventarc_agent.role],
    ))) == 0
    error_message = "No primitive roles."
  }

  assert {
    condition = alltrue([
      for each in concat(values(google_pubsub_subscription.pulled), values(google_pubsub_subscription.pushed)) :
      length(each.dead_letter_policy) == 1
    ])
    error_message = "Every subscription has dead letters."
  }

  assert {
    condition = alltrue([
      for each in concat(values(google_pubsub_subscription.pulled), values(google_pubsub_subscription.pushed), [google_pubsub_subscription.undeliverable]) :
      tonumber(trimsuffix(each.message_retention_duration, "s")) >= 7 * 86400 && each.expiration_policy[0].ttl == ""
    ])
    error_message = "Messages are kept for a week at least, and subscriptions for ever."
  }

  assert {
    condition     = length(google_pubsub_subscription_iam_member.dead_letters) == length(google_pubsub_subscription.pulled) + length(google_pubsub_subscription.pushed)
    error_message = "Pub/Sub may acknowledge what it forwards."
  }

  assert {
    condition = alltrue([
      for each in google_cloudfunctions2_function.functions["notify"].event_trigger :
      each.trigger_region == lower(google_storage_bucket.artifacts.location) && each.retry_policy == "RETRY_POLICY_RETRY"
    ]) && length(google_cloudfunctions2_function.functions["notify"].event_trigger) == 1
    error_message = "The trigger is where its bucket is, and tries again."
  }

  assert {
    condition     = alltrue([for name, each in google_cloudfunctions2_function.functions : length(each.event_trigger) == 0 if name != "notify"])
    error_message = "All others are called or pushed to."
  }

  assert {
    condition     = alltrue([for each in google_firestore_field.expires_at : length(each.ttl_config) == 1]) && length(google_firestore_field.expires_at) == 6
    error_message = "Expired documents go."
  }

  assert {
    condition     = google_firestore_database.default.name == "(default)" && google_firestore_database.default.delete_protection_state == "DELETE_PROTECTION_ENABLED"
    error_message = "The database is the one that clients find, and it is protected."
  }

  assert {
    condition = (
      length(google_billing_budget.month.budget_filter[0].projects) == 1 &&
      google_billing_budget.month.amount[0].specified_amount[0].units == "50" &&
      anytrue([for each in google_billing_budget.month.threshold_rules : each.threshold_percent < 1])
    )
    error_message = "There is a budget of this project, and it warns in time."
  }

  assert {
    condition     = toset(keys(google_monitoring_alert_policy.alerts)) == toset(["backlog_age", "dead_letters", "failure_rate", "function_errors", "no_worker", "silent", "stalls", "undeliverable"])
    error_message = "Somebody is told of each thing that may go wrong."
  }

  assert {
    condition     = alltrue([for each in google_cloudfunctions2_function.functions : each.service_config[0].min_instance_count == 0])
    error_message = "A small deployment keeps no function warm."
  }

  assert {
    condition = toset([
      for name, each in google_cloudfunctions2_function.functions : name if length(each.service_config[0].secret_environment_variables) > 0
    ]) == toset(["queue"])
    error_message = "The queue alone knows the token."
  }

  assert {
    condition     = length(google_cloud_scheduler_job.plans) == 0 && length(google_pubsub_subscription.systems) == 0 && length(google_firestore_backup_schedule.daily) == 0
    error_message = "Nothing that costs is made without being asked for."
  }

  assert {
    condition     = length(google_pubsub_topic.topics["job-requests"].schema_settings) == 0
    error_message = "Plain JSON by default."
  }
}

run "standard" {
  command = plan

  variables {
    size        = "standard"
    api_callers = ["group:museum@example.com", "user:ada@example.com"]
  }

  assert {
    condition = toset([
      for each in google_cloud_run_v2_service_iam_member.invokers : each.member if each.name == "lifeasnotme-submit"
    ]) == toset(["group:museum@example.com", "user:ada@example.com"])
    error_message = "Who is named may call the API, and nobody else."
  }

  assert {
    condition     = google_firestore_database.default.point_in_time_recovery_enablement == "POINT_IN_TIME_RECOVERY_ENABLED" && length(google_firestore_backup_schedule.daily) == 1
    error_message = "A standard deployment can be restored."
  }

  assert {
    condition     = google_cloudfunctions2_function.functions["submit"].service_config[0].min_instance_count == 1
    error_message = "Its API is warm."
  }

  assert {
    condition     = google_billing_budget.month.amount[0].specified_amount[0].units == "2000"
    error_message = "It has a budget of its own."
  }
}

run "everything_that_can_be_chosen" {
  command = plan

  variables {
    public_api        = true
    app_check         = true
    api_callers       = ["group:museum@example.com", "serviceAccount:robot@museum.iam.gserviceaccount.com", "serviceAccount:kiosk@museum.iam.gserviceaccount.com"]
    avro_job_requests = true
    monthly_budget    = 7
    keep_data         = false
    served_models     = ["wan2.1-t2v-1.3b", "fastwan2.2-ti2v-5b"]
    cors_origins      = ["http://localhost:5173"]
    manifest_writers  = ["group:museum@example.com"]
    plans             = { "fresh-takes" = { cron = "0 3 * * *" } }
    systems = {
      kiosk = { member = "serviceAccount:kiosk@museum.iam.gserviceaccount.com", job_id_prefix = "museum-kiosk-" }
    }
  }

  assert {
    condition     = google_cloud_run_v2_service_iam_member.invokers["submit allUsers"].member == "allUsers"
    error_message = "The API is public when that is chosen."
  }

  assert {
    condition     = google_pubsub_subscription.systems["kiosk"].filter == "hasPrefix(attributes.job_id, \"museum-kiosk-\")" && length(google_pubsub_subscription.systems["kiosk"].dead_letter_policy) == 1
    error_message = "A system hears of its own jobs alone, and has dead letters."
  }

  assert {
    condition     = google_cloudfunctions2_function.functions["submit"].service_config[0].environment_variables["SYSTEM_CALLERS"] == "kiosk=kiosk@museum.iam.gserviceaccount.com,robot@museum.iam.gserviceaccount.com"
    error_message = "A system is one with the account that publishes for it, and service accounts that may call are systems; groups are none."
  }

  assert {
    condition     = google_identity_platform_config.people.sign_in[0].anonymous[0].enabled && google_identity_platform_config.people.autodelete_anonymous_users
    error_message = "Everybody may try it without a name, and unused accounts go."
  }

  assert {
    condition     = google_pubsub_topic_iam_member.systems["kiosk"].topic == "job-requests" && google_pubsub_subscription_iam_member.systems["kiosk"].subscription == "job-events-kiosk"
    error_message = "It publishes wishes and reads its own events, nothing else."
  }

  assert {
    condition     = google_pubsub_topic.topics["job-requests"].schema_settings[0].encoding == "JSON"
    error_message = "Pub/Sub refuses malformed wishes."
  }

  assert {
    condition     = jsondecode(base64decode(google_cloud_scheduler_job.plans["fresh-takes"].pubsub_target[0].data)) == { schema_version = 1, plan = "fresh-takes", every = "day" }
    error_message = "A plan's message is what the function reads."
  }

  assert {
    condition     = google_cloudfunctions2_function.functions["submit"].service_config[0].environment_variables["SERVED_MODELS"] == "wan2.1-t2v-1.3b,fastwan2.2-ti2v-5b"
    error_message = "The first model is the default."
  }

  assert {
    condition     = contains(google_storage_bucket.artifacts.cors[0].origin, "http://localhost:5173")
    error_message = "A page that may call the API may show its videos."
  }

  assert {
    condition     = google_firestore_database.default.delete_protection_state == "DELETE_PROTECTION_DISABLED" && google_storage_bucket.artifacts.force_destroy
    error_message = "Data goes when that is said."
  }
}

run "what_makes_no_sense_is_refused" {
  command = plan

  variables {
    project               = "Demo"
    billing_account       = "mine"
    alert_email           = "me"
    azure_subscription_id = "mine"
    name                  = "Life As Not Me"
    region                = "Europe"
    size                  = "huge"
    azure_location        = "moon"
    served_models         = ["no-such-model"]
    api_callers           = ["allUsers"]
    cors_origins          = ["*"]
    plans                 = { "no-such-plan" = { cron = "0 3 * * *" } }
    systems               = { kiosk = { member = "allUsers", job_id_prefix = "_" } }
    manifest_writers      = ["allAuthenticatedUsers"]
    monthly_budget        = 0
  }

  expect_failures = [
    var.project, var.billing_account, var.alert_email, var.azure_subscription_id, var.name, var.region, var.size,
    var.azure_location, var.served_models, var.api_callers, var.cors_origins, var.plans, var.systems,
    var.manifest_writers, var.monthly_budget,
  ]
}
