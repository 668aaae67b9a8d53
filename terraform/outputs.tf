output "api_url" {
  description = "Address of the API. While it is not public: gcloud run services proxy NAME-submit --region REGION"
  value       = google_cloudfunctions2_function.functions["submit"].service_config[0].uri
}

output "api_audiences" {
  description = "What a system's Google ID token must be made for: one of them."
  value       = local.api_audiences
}

output "web_api_key" {
  description = "What people sign in with. It is in every page, so it is no secret; it names the project."
  value       = one(google_identity_platform_config.people.client[*].api_key)
  sensitive   = true
}

output "queue_url" {
  description = "What the autoscaler asks, from inside of the network, with the token."
  value       = "${google_cloudfunctions2_function.functions["queue"].service_config[0].uri}/queue"
}

output "queue_token_secret" {
  description = "Secret that holds the token."
  value       = google_secret_manager_secret.queue_token.secret_id
}

output "reconcile_url" {
  description = "Address of the repair, for an operator after an incident."
  value       = google_cloudfunctions2_function.functions["reconcile"].service_config[0].uri
}

output "artifact_bucket" {
  description = "Where the videos lie."
  value       = google_storage_bucket.artifacts.name
}

output "manifest_bucket" {
  description = "Where manifests of batches are put."
  value       = google_storage_bucket.manifests.name
}

output "weights_bucket" {
  description = "What the workers mount."
  value       = google_storage_bucket.weights.name
}

output "served_models" {
  description = "SERVED_MODELS of the workers: what the API takes wishes for."
  value       = join(",", var.served_models)
}

output "max_workers" {
  description = "GPU workers side by side."
  value       = local.size.max_workers
}

output "system_subscriptions" {
  description = "Where each outside system hears of its jobs."
  value       = { for name, each in google_pubsub_subscription.systems : name => each.id }
}

output "web_app_url" {
  description = "Address of the page."
  value       = local.web_app_url
}

output "web_app_deployment_token" {
  description = "What the page is deployed with."
  value       = azurerm_static_web_app.web_app.api_key
  sensitive   = true
}
