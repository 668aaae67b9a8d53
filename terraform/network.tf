# The network that the cluster lies in. It has no way out but to Google's own services, and none in.

resource "google_compute_network" "cluster" {
  name                    = var.name
  auto_create_subnetworks = false

  depends_on = [google_project_service.services]
}

resource "google_compute_subnetwork" "cluster" {
  name          = "${var.name}-cluster"
  region        = var.region
  network       = google_compute_network.cluster.id
  ip_cidr_range = "10.10.0.0/22"
  # Firestore, Pub/Sub, buckets and images without an address on the internet, so there is no NAT to pay for.
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.12.0.0/16"
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.11.0.0/20"
  }
}

# Functions answer under run.app, whose usual addresses are the internet's. By these, a request counts as one from inside.
# https://cloud.google.com/vpc/docs/configure-private-google-access
resource "google_dns_managed_zone" "run" {
  name       = "${var.name}-run"
  dns_name   = "run.app."
  visibility = "private"

  private_visibility_config {
    networks {
      network_url = google_compute_network.cluster.id
    }
  }

  depends_on = [google_project_service.cluster]
}

resource "google_dns_record_set" "run" {
  name         = "*.${google_dns_managed_zone.run.dns_name}"
  managed_zone = google_dns_managed_zone.run.name
  type         = "A"
  ttl          = 300
  rrdatas      = ["199.36.153.8", "199.36.153.9", "199.36.153.10", "199.36.153.11"]
}
