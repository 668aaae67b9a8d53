# The second phase: what other people's software lives in the cluster. It needs the cluster to be there, so it has a state
# of its own; deployment.py runs it after the first.

terraform {
  required_version = ">= 1.11"

  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = "3.3.0"
    }
  }

  # The bucket is named at `terraform init -backend-config=bucket=…`, as for the first phase.
  backend "gcs" {
    prefix = "terraform/in_cluster"
  }
}

provider "helm" {
  kubernetes = {
    host  = "https://${var.endpoint}"
    token = var.access_token
  }
}
