# The two Cloud Functions, one deployment for each entry point: its own limits, its own callers.

locals {
  # bundle: build/<bundle>, and the account that it runs as. called_by: who may call it besides nobody.
  # concurrency: calls at a time on one instance, each on a thread of its own.
  functions = {
    submit = {
      bundle        = "submit"
      called_by     = "callers"
      timeout_s     = 60
      concurrency   = 16
      min_instances = local.size.api_min_instances
      max_instances = local.size.api_max_instances
    }
    # The number of renders alone, for the autoscaler: it can't mint Google's tokens, so it comes with a secret.
    queue = {
      bundle        = "submit"
      called_by     = "network"
      timeout_s     = 30
      concurrency   = 8
      min_instances = 0
      max_instances = 1
    }
    intake = {
      bundle        = "submit"
      called_by     = "push"
      timeout_s     = 60
      concurrency   = 8
      min_instances = 0
      max_instances = local.size.push_max_instances
    }
    # A chunk of a batch takes minutes of a whole processor.
    expand = {
      bundle        = "submit"
      called_by     = "push"
      timeout_s     = 540
      concurrency   = 1
      min_instances = 0
      max_instances = local.size.push_max_instances
    }
    schedule = {
      bundle        = "submit"
      called_by     = "push"
      timeout_s     = 120
      concurrency   = 1
      min_instances = 0
      max_instances = 1
    }
    notify = {
      bundle        = "notify"
      called_by     = "trigger"
      timeout_s     = 60
      concurrency   = 8
      min_instances = 0
      max_instances = local.size.push_max_instances
    }
    bury = {
      bundle        = "notify"
      called_by     = "push"
      timeout_s     = 60
      concurrency   = 8
      min_instances = 0
      max_instances = local.size.push_max_instances
    }
    reconcile = {
      bundle        = "notify"
      called_by     = "scheduler"
      timeout_s     = 120
      concurrency   = 1
      min_instances = 0
      max_instances = 2
    }
  }

  # Settings, as functions/*/*_settings.py read them; those that are missing keep the default that docs/settings.md has.
  function_settings = {
    submit = {
      GOOGLE_CLOUD_PROJECT = var.project
      ARTIFACT_BUCKET      = google_storage_bucket.artifacts.name
      TELEMETRY            = local.telemetry
      SERVED_MODELS        = join(",", var.served_models)
      CORS_ORIGINS         = join(",", local.cors_origins)
      BATCH_BUCKETS        = google_storage_bucket.manifests.name
      API_AUDIENCES        = join(",", local.api_audiences)
      SYSTEM_CALLERS       = join(",", local.system_callers)
      # What estimates know of the autoscaler: docs/scaling.md has the seconds of a start.
      MAX_WORKERS      = local.size.max_workers
      RENDERS_A_WORKER = local.renders_a_worker
      BULK_AT_MOST     = local.renders_a_worker * local.bulk_workers
      WORKER_WARM_S    = local.size.warm_s
      # As notify and the workers have them; empty: there is none.
      BUDGET_BULK_GPU_S = local.budgets.bulk
      BUDGET_GPU_S      = local.budgets.all
      # Empty: people need not come with the app.
      APP_CHECK_PROJECT_NUMBER = var.app_check ? data.google_project.this.number : ""
    }
    notify = {
      GOOGLE_CLOUD_PROJECT = var.project
      ARTIFACT_BUCKET      = google_storage_bucket.artifacts.name
      TELEMETRY            = local.telemetry
      # Reconcile tells alerts that bulk waits for another day.
      BUDGET_BULK_GPU_S = local.budgets.bulk
      BUDGET_GPU_S      = local.budgets.all
    }
  }

  # Secrets of each entry point: setting and version of a secret. By number, since an instance keeps what it was started with: another
  # version is another revision of the function.
  function_secrets = {
    queue = {
      QUEUE_TOKEN = {
        secret  = google_secret_manager_secret.queue_token.secret_id
        version = google_secret_manager_secret_version.queue_token.version
      }
    }
  }
}

resource "google_cloudfunctions2_function" "functions" {
  #checkov:skip=CKV_GCP_124:callers of the API come from outside; what others call is internal
  for_each = local.functions

  name        = "${var.name}-${each.key}"
  location    = var.region
  description = "functions/${each.value.bundle}, entry point ${each.key}"

  build_config {
    runtime           = "python311"
    entry_point       = each.key
    service_account   = google_service_account.accounts["build"].id
    docker_repository = google_artifact_registry_repository.functions.id

    source {
      storage_source {
        bucket = google_storage_bucket.sources.name
        object = google_storage_bucket_object.bundles[each.value.bundle].name
      }
    }
  }

  service_config {
    service_account_email            = google_service_account.accounts[each.value.bundle].email
    available_cpu                    = "1"
    available_memory                 = "512Mi"
    timeout_seconds                  = each.value.timeout_s
    max_instance_request_concurrency = each.value.concurrency
    min_instance_count               = each.value.min_instances
    max_instance_count               = each.value.max_instances
    # Pub/Sub and Eventarc of this project count as inside, and so does a subnet with Private Google Access. From outside
    # come callers, and an operator who has everything repaired at once.
    ingress_settings      = contains(["callers", "scheduler"], each.value.called_by) ? "ALLOW_ALL" : "ALLOW_INTERNAL_ONLY"
    environment_variables = merge(local.function_settings[each.value.bundle], each.value.bundle == "submit" ? var.limits : {}, { THREADS = tostring(each.value.concurrency) })

    dynamic "secret_environment_variables" {
      for_each = lookup(local.function_secrets, each.key, {})
      content {
        key        = secret_environment_variables.key
        project_id = var.project
        secret     = secret_environment_variables.value.secret
        version    = secret_environment_variables.value.version
      }
    }
  }

  dynamic "event_trigger" {
    for_each = each.key == "notify" ? [google_storage_bucket.artifacts] : []
    content {
      event_type            = "google.cloud.storage.object.v1.finalized"
      trigger_region        = lower(event_trigger.value.location)
      retry_policy          = "RETRY_POLICY_RETRY"
      service_account_email = google_service_account.accounts["trigger"].email

      event_filters {
        attribute = "bucket"
        value     = event_trigger.value.name
      }
    }
  }

  depends_on = [
    google_project_iam_member.build,
    google_project_iam_member.trigger,
    google_project_iam_member.storage_agent,
    google_secret_manager_secret_iam_member.queue_token,
    time_sleep.agents,
    # A new release may ask what an index is made for, which takes minutes: until then the old one answers.
    google_firestore_index.indexes,
  ]
}

# Roles of agents take minutes to be known everywhere, and a trigger that is made before fails.
resource "time_sleep" "agents" {
  create_duration = "120s"

  depends_on = [google_project_iam_member.eventarc_agent, google_project_iam_member.storage_agent]
}

# Cloud Storage tells Eventarc of objects through Pub/Sub.
resource "google_project_iam_member" "storage_agent" {
  project = var.project
  role    = "roles/pubsub.publisher"
  member  = data.google_storage_project_service_account.storage.member
}

resource "google_project_iam_member" "trigger" {
  project = var.project
  role    = "roles/eventarc.eventReceiver"
  member  = local.members["trigger"]
}

# A link is signed by the account itself, through IAM, since there is no key.
resource "google_service_account_iam_member" "sign" {
  service_account_id = google_service_account.accounts["submit"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.members["submit"]
}

locals {
  # Who may call each function, by its `called_by`.
  invokers = {
    callers   = var.public_api ? ["allUsers"] : sort(var.api_callers)
    network   = ["allUsers"] # of this network: no request from outside comes so far, and each must know the secret
    push      = [local.members["push"]]
    trigger   = [local.members["trigger"]]
    scheduler = [local.members["scheduler"]]
  }
}

resource "google_cloud_run_v2_service_iam_member" "invokers" {
  for_each = merge([
    for name, function in local.functions : {
      for number, member in local.invokers[function.called_by] : (
        function.called_by == "callers" ? "${name} ${member}" : "${name} ${function.called_by}"
      ) => { function = name, member = member }
    }
  ]...)

  location = var.region
  name     = google_cloudfunctions2_function.functions[each.value.function].name
  role     = "roles/run.invoker"
  member   = each.value.member
}
