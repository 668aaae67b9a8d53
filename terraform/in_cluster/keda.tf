# KEDA, which starts a worker for each render that waits: https://keda.sh. The chart names its account keda-operator, as
# worker_identity.tf does.

locals {
  least = {
    requests = { cpu = "50m", memory = "128Mi", ephemeral-storage = "50Mi" }
    limits   = { cpu = "500m", memory = "512Mi", ephemeral-storage = "50Mi" }
  }
}

resource "helm_release" "keda" {
  name             = "keda"
  namespace        = "keda"
  create_namespace = true
  repository       = "https://kedacore.github.io/charts"
  chart            = "keda"
  version          = "2.21.1"
  # Its definitions and its webhook must be there before the first ScaledJob.
  wait            = true
  atomic          = true
  cleanup_on_fail = true
  timeout         = 900

  values = [yamlencode({
    image = {
      for part in ["keda", "metricsApiServer", "webhooks"] : part => { registry = var.keda_registry }
    }

    serviceAccount = {
      operator = {
        annotations = { "iam.gke.io/gcp-service-account" = var.keda_account }
      }
    }

    # A pod costs what it asks for: these three are all that runs while nobody wishes.
    resources = {
      operator     = merge(local.least, { requests = { cpu = "100m", memory = "256Mi", ephemeral-storage = "50Mi" } })
      metricServer = local.least
      webhooks     = local.least
    }

    logging = {
      operator = { format = "json" }
    }
  })]
}
