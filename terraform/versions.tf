terraform {
  required_version = ">= 1.11"

  # Each to the digit: a new one comes when it is written here, and what it would change is seen in `make plan`.
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "8.7.0"
    }
    google-beta = {
      source  = "hashicorp/google-beta"
      version = "8.7.0"
    }
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "5.10.0"
    }
    archive = {
      source  = "hashicorp/archive"
      version = "2.8.1"
    }
    random = {
      source  = "hashicorp/random"
      version = "3.9.1"
    }
    time = {
      source  = "hashicorp/time"
      version = "0.14.2"
    }
  }

  # The bucket is named at `terraform init -backend-config=bucket=…`: no project is written into the code.
  backend "gcs" {
    prefix = "terraform"
  }
}

provider "google" {
  project = var.project
  region  = var.region
  # Budgets and Firebase rules are charged to this project's quota, not to that of the person at the keyboard.
  billing_project       = var.project
  user_project_override = true
  default_labels        = { application = var.name }
}

# For the one thing that the other does not have: service agents that exist before something needs them.
provider "google-beta" {
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true
}

provider "azurerm" {
  features {}
  subscription_id = var.azure_subscription_id
}
