# Where the page lives: Azure Static Web Apps.

resource "azurerm_resource_group" "web_app" {
  name     = var.name
  location = var.azure_location
}

resource "azurerm_static_web_app" "web_app" {
  name                = var.name
  resource_group_name = azurerm_resource_group.web_app.name
  location            = azurerm_resource_group.web_app.location
  sku_tier            = "Free"
  sku_size            = "Free"
}

locals {
  web_app_url  = "https://${azurerm_static_web_app.web_app.default_host_name}"
  cors_origins = concat([local.web_app_url], sort(var.cors_origins))
}
