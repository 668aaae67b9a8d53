# What must hold of what lives in the cluster. Needs no cluster: `make check-cloud`.

mock_provider "helm" {}

variables {
  endpoint      = "gke-0123456789.us-central1.gke.goog"
  access_token  = "ya29.example"
  keda_registry = "us-central1-docker.pkg.dev/demo-project/lifeasnotme-ghcr"
  keda_account  = "lifeasnotme-keda-scaler@demo-project.iam.gserviceaccount.com"
}

run "keda" {
  command = plan

  assert {
    condition     = helm_release.keda.wait && helm_release.keda.atomic
    error_message = "KEDA is there, or is not half there, before the first worker."
  }

  assert {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", helm_release.keda.version))
    error_message = "One version of KEDA, not whatever is newest."
  }

  assert {
    condition = alltrue([
      for each in values(yamldecode(helm_release.keda.values[0]).image) : each.registry == var.keda_registry
    ]) && length(yamldecode(helm_release.keda.values[0]).image) == 3
    error_message = "The nodes can't reach ghcr.io."
  }

  assert {
    condition = (
      yamldecode(helm_release.keda.values[0]).serviceAccount.operator.annotations["iam.gke.io/gcp-service-account"] == var.keda_account
    )
    error_message = "KEDA is who may read the token."
  }

  assert {
    condition = alltrue([
      for each in values(yamldecode(helm_release.keda.values[0]).resources) : can(each.requests.cpu) && can(each.limits.memory)
    ])
    error_message = "What waits costs as little as it says."
  }
}

run "an_address_is_no_name" {
  command = plan

  variables {
    endpoint = "https://10.0.0.1"
  }

  expect_failures = [var.endpoint]
}

run "a_person_is_no_service_account" {
  command = plan

  variables {
    keda_account = "ada@example.com"
  }

  expect_failures = [var.keda_account]
}
