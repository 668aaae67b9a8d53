# All of them come from the first phase's output `cluster`, and the token from gcloud.

variable "endpoint" {
  description = "DNS name of the cluster's control plane."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+$", var.endpoint))
    error_message = "That is no DNS name."
  }
}

variable "access_token" {
  description = "Google access token of who deploys. It lies in no state and in no plan."
  type        = string
  sensitive   = true
  ephemeral   = true
}

variable "keda_registry" {
  description = "Registry that holds what ghcr.io does."
  type        = string
}

variable "keda_account" {
  description = "Google service account that KEDA reads the token of the queue as."
  type        = string

  validation {
    condition     = endswith(var.keda_account, ".iam.gserviceaccount.com")
    error_message = "That is no service account."
  }
}
