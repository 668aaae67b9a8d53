# What a month may cost before somebody is told.

resource "google_monitoring_notification_channel" "email" {
  display_name = "${var.name} operator"
  type         = "email"
  labels       = { email_address = var.alert_email }

  depends_on = [google_project_service.services]
}

locals {
  monthly_budget = coalesce(var.monthly_budget, local.size.monthly_budget)
}

resource "google_billing_budget" "month" {
  billing_account = var.billing_account
  display_name    = "${var.name}: ${var.project}"

  budget_filter {
    projects        = ["projects/${data.google_project.this.number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      units = tostring(local.monthly_budget)
    }
  }

  threshold_rules {
    threshold_percent = 0.5
  }

  threshold_rules {
    threshold_percent = 0.9
  }

  threshold_rules {
    threshold_percent = 1.0
  }

  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  all_updates_rule {
    monitoring_notification_channels = [google_monitoring_notification_channel.email.id]
    disable_default_iam_recipients   = false
  }
}
