# What must hold of the cluster, at every size. Needs no account: see what_matters.tftest.hcl.

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
    condition     = google_container_cluster.cluster.enable_autopilot
    error_message = "No node is paid for while nobody wishes."
  }

  assert {
    condition     = contains(keys(google_project_service.cluster), "containerfilesystem.googleapis.com")
    error_message = "Without its API, images are not streamed: a worker waits for all of CUDA."
  }

  assert {
    condition     = google_container_cluster.cluster.private_cluster_config[0].enable_private_nodes
    error_message = "No node has an address on the internet."
  }

  assert {
    condition = (
      !google_container_cluster.cluster.control_plane_endpoints_config[0].ip_endpoints_config[0].enabled &&
      google_container_cluster.cluster.control_plane_endpoints_config[0].dns_endpoint_config[0].allow_external_traffic
    )
    error_message = "The control plane is reached by name and through IAM, by no address."
  }

  assert {
    condition     = google_container_cluster.cluster.release_channel[0].channel == "REGULAR" && !google_container_cluster.cluster.deletion_protection
    error_message = "The cluster keeps itself up to date, and can be destroyed: it holds nothing."
  }

  assert {
    condition     = google_compute_subnetwork.cluster.private_ip_google_access && !google_compute_network.cluster.auto_create_subnetworks
    error_message = "Nodes reach Google's services, in a network of their own."
  }

  assert {
    condition = (
      google_dns_managed_zone.run.visibility == "private" && google_dns_record_set.run.name == "*.run.app." &&
      alltrue([for each in google_dns_record_set.run.rrdatas : startswith(each, "199.36.153.")])
    )
    error_message = "The autoscaler's requests to the queue come from inside."
  }

  assert {
    condition     = google_project_iam_member.nodes.role == "roles/container.defaultNodeServiceAccount"
    error_message = "Nodes write logs and metrics, and may do nothing else in the project."
  }

  assert {
    condition     = toset([for each in google_artifact_registry_repository_iam_member.nodes : each.role]) == toset(["roles/artifactregistry.reader"])
    error_message = "Nodes pull images and push none."
  }

  assert {
    condition = alltrue([
      for each in google_artifact_registry_repository.registries :
      toset([for policy in each.cleanup_policies : policy.action]) == toset(["DELETE", "KEEP"]) && each.cleanup_policy_dry_run != true
    ])
    error_message = "Old images go, and the latest stay."
  }

  assert {
    condition     = google_storage_bucket_iam_member.weights.role == "roles/storage.objectViewer"
    error_message = "A worker can't change what every worker runs."
  }

  assert {
    condition     = google_storage_managed_folder_iam_member.kernels.managed_folder == "kernels/"
    error_message = "Workers write kernels and nothing beside them."
  }

  assert {
    condition = (
      google_service_account_iam_member.worker.member == "serviceAccount:demo-project.svc.id.goog[lifeasnotme/worker]" &&
      google_service_account_iam_member.keda_scaler.member == "serviceAccount:demo-project.svc.id.goog[keda/keda-operator]"
    )
    error_message = "One Kubernetes account each is the worker and the autoscaler."
  }

  assert {
    condition     = google_secret_manager_secret_iam_member.keda_scaler.role == "roles/secretmanager.secretAccessor"
    error_message = "The autoscaler reads its token."
  }

  assert {
    condition     = local.bulk_workers >= 1 && local.bulk_workers < local.size.max_workers
    error_message = "However long the queue of bulk is, who waits finds room."
  }

  assert {
    condition     = local.registry_urls["images"] == "us-central1-docker.pkg.dev/demo-project/lifeasnotme-images"
    error_message = "The worker's image is where it is pushed."
  }
}

run "standard" {
  command = plan

  variables {
    size   = "standard"
    region = "europe-west4"
  }

  assert {
    condition     = local.bulk_workers >= 1 && local.bulk_workers < local.size.max_workers
    error_message = "However long the queue of bulk is, who waits finds room."
  }

  assert {
    condition = alltrue([
      for each in concat(
        [google_container_cluster.cluster.location, google_compute_subnetwork.cluster.region],
        [for each in google_artifact_registry_repository.registries : each.location],
      ) : each == "europe-west4"
    ])
    error_message = "All of it is in one region."
  }
}
