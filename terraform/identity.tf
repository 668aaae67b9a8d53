# Who people are: Firebase's accounts, which Google Cloud calls Identity Platform. The API and the database's rules know
# callers by the ID tokens that it hands out.

resource "google_identity_platform_config" "people" {
  # Of who never came back for 30 days: as long as their jobs are kept.
  autodelete_anonymous_users = true
  # Pages that people may sign in from.
  authorized_domains = [for each in local.cors_origins : regex("^https?://([^/:]+)", each)[0]]

  sign_in {
    # Everybody may try it without giving a name.
    anonymous {
      enabled = true
    }
  }

  depends_on = [google_project_service.services]
}

locals {
  # The API's addresses, known before it is there: what a system's Google ID token must be made for.
  api_audiences = [
    "https://${var.region}-${var.project}.cloudfunctions.net/${var.name}-submit",
    "https://${var.name}-submit-${data.google_project.this.number}.${var.region}.run.app",
  ]
  # Systems that wish by message are one with the account that publishes for them; other service accounts are themselves.
  system_callers = concat(
    [for source, each in var.systems : "${source}=${trimprefix(each.member, "serviceAccount:")}"],
    [
      for each in sort(setsubtract(var.api_callers, [for system in var.systems : system.member])) :
      trimprefix(each, "serviceAccount:") if startswith(each, "serviceAccount:")
    ],
  )
}
