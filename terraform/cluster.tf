# The cluster that the GPU workers run in. Autopilot: no node is paid for while nobody wishes but for what KEDA's pods take;
# Workload Identity, image streaming, the driver that mounts buckets and network policies are always on. What lives in it is
# in_cluster/ and kubernetes/; docs/decisions/0013 says why it is so.

resource "google_project_service" "cluster" {
  # Names inside of the network; images that begin to run before they are there as a whole.
  for_each = toset(["containerfilesystem.googleapis.com", "dns.googleapis.com"])

  service            = each.key
  disable_on_destroy = false
}

resource "google_container_cluster" "cluster" {
  name             = var.name
  location         = var.region
  enable_autopilot = true
  network          = google_compute_network.cluster.id
  subnetwork       = google_compute_subnetwork.cluster.id
  # It holds nothing that is not made again by `make deploy`.
  deletion_protection = false

  private_cluster_config {
    enable_private_nodes = true
  }

  # No address on any network: whoever Google's IAM lets through reaches it by name.
  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true
    }
    ip_endpoints_config {
      enabled = false
    }
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = google_compute_subnetwork.cluster.secondary_ip_range[0].range_name
    services_secondary_range_name = google_compute_subnetwork.cluster.secondary_ip_range[1].range_name
  }

  cluster_autoscaling {
    auto_provisioning_defaults {
      service_account = google_service_account.nodes.email
      oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]
    }
  }

  release_channel {
    channel = "REGULAR"
  }

  depends_on = [
    google_artifact_registry_repository_iam_member.nodes,
    google_project_iam_member.nodes,
    google_project_service.cluster,
    google_project_service.services,
  ]
}
