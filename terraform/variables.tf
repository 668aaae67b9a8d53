# What must be said.

variable "project" {
  description = "Google Cloud project. One deployment a project: topics and the database have fixed names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "A project id is 6 to 30 lower-case letters, digits and hyphens, the first a letter."
  }
}

variable "billing_account" {
  description = "Billing account that the budget watches, such as 012345-6789AB-CDEF01."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "A billing account is three groups of six digits or capitals A to F: 012345-6789AB-CDEF01."
  }
}

variable "alert_email" {
  description = "Who hears of alerts and of the budget."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alert_email))
    error_message = "That is no e-mail address."
  }
}

variable "azure_subscription_id" {
  description = "Azure subscription of the web app."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.azure_subscription_id))
    error_message = "A subscription id is a UUID in lower case."
  }
}

# What has a default.

variable "name" {
  description = "Prefix of what is made."
  type        = string
  default     = "lifeasnotme"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{2,15}$", var.name))
    error_message = "A name is 3 to 16 lower-case letters and digits, the first a letter."
  }
}

variable "region" {
  description = "Region of everything in Google Cloud; it must have the GPUs."
  type        = string
  default     = "us-central1"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "That is no region, such as us-central1."
  }
}

variable "size" {
  description = "How much there may be of everything: see sizes.tf."
  type        = string
  default     = "small"

  validation {
    condition     = contains(keys(local.sizes), var.size)
    error_message = "There are the sizes ${join(", ", keys(local.sizes))}."
  }
}

variable "azure_location" {
  description = "Azure location of the web app; its files are served from near the reader anyway."
  type        = string
  default     = "westeurope"

  validation {
    condition     = contains(["centralus", "eastasia", "eastus2", "westeurope", "westus2"], var.azure_location)
    error_message = "Static web apps are managed in centralus, eastasia, eastus2, westeurope and westus2."
  }
}

variable "served_models" {
  description = "Models that the workers serve, the first is the default; ids of shared/catalogue/models."
  type        = list(string)
  default     = ["fastwan2.2-ti2v-5b"]

  validation {
    condition = length(var.served_models) > 0 && alltrue([
      for id in var.served_models : fileexists("${path.module}/../shared/catalogue/models/${id}.toml")
    ])
    error_message = "Name at least one model, and only those of shared/catalogue/models."
  }
}

variable "public_api" {
  description = "Whether anybody may reach the API. Needed by the web app; who calls is then known to the API alone, by ID tokens."
  type        = bool
  default     = false
}

variable "api_callers" {
  description = "Who may reach the API while it is not public, such as group:museum@example.com. A service account may call it as a system, too."
  type        = set(string)
  default     = []

  validation {
    condition     = !anytrue([for each in var.api_callers : startswith(each, "all")])
    error_message = "allUsers and allAuthenticatedUsers are everybody: say public_api = true."
  }
}

variable "app_check" {
  description = "Whether people must come with the web app (Firebase App Check), which then must be registered there."
  type        = bool
  default     = false
}

variable "cors_origins" {
  description = "Pages that may call the API and show its videos, besides the web app."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for each in var.cors_origins : can(regex("^https?://[^/*]+$", each))])
    error_message = "An origin is https://host, with no path and no star."
  }
}

variable "plans" {
  description = "Plans that run by themselves, by id of shared/catalogue/plans: when (cron, UTC), and how often at most. GPU time for each."
  type = map(object({
    cron  = string
    every = optional(string, "day")
  }))
  default = {}

  validation {
    condition = alltrue([
      for id in keys(var.plans) : fileexists("${path.module}/../shared/catalogue/plans/${id}.toml")
    ])
    error_message = "Name only plans of shared/catalogue/plans."
  }

  validation {
    condition     = alltrue([for each in var.plans : contains(["hour", "day", "week"], each.every)])
    error_message = "A plan runs at most every hour, day or week."
  }
}

variable "systems" {
  description = "Other systems that wish by message, by name: their account, and the prefix of their jobs' ids. Each gets a subscription to its own events."
  type = map(object({
    member        = string
    job_id_prefix = string
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.systems) : can(regex("^[a-z0-9][a-z0-9._-]{0,62}$", name))])
    error_message = "A system's name is that of its messages' attribute `source`: up to 63 lower-case letters, digits, ., _ and -."
  }

  validation {
    condition     = length(setintersection(keys(var.systems), ["schedule", "unknown"])) == 0
    error_message = "schedule and unknown are names of ours."
  }

  validation {
    condition     = length(distinct([for each in var.systems : each.member])) == length(var.systems)
    error_message = "Each system has an account of its own, by which the API knows it."
  }

  validation {
    condition     = alltrue([for each in var.systems : can(regex("^serviceAccount:.+@.+$", each.member))])
    error_message = "A system is a service account: serviceAccount:kiosk@project.iam.gserviceaccount.com."
  }

  validation {
    condition     = alltrue([for each in var.systems : can(regex("^[A-Za-z0-9-][A-Za-z0-9_-]{2,62}$", each.job_id_prefix))])
    error_message = "A prefix is 3 to 63 letters, digits, - and _, the first not _: as a job's id."
  }
}

variable "manifest_writers" {
  description = "Who may put manifests of batches into their bucket, such as group:museum@example.com."
  type        = set(string)
  default     = []

  validation {
    condition     = !anytrue([for each in var.manifest_writers : startswith(each, "all")])
    error_message = "Not everybody may write manifests."
  }
}

variable "limits" {
  description = "Limits of callers that differ from their defaults in docs/settings.md, such as { QUOTA_JOBS = \"3\" }."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([for each in keys(var.limits) : contains([
      "BACKLOG_BULK",
      "BACKLOG_INTERACTIVE",
      "BATCH_MAX_ROWS",
      "BATCH_MAX_ROWS_OF_PERSON",
      "MAX_PROMPT_CHARS",
      "QUOTA_GPU_S",
      "QUOTA_GPU_S_OF_SYSTEM",
      "QUOTA_JOBS",
      "QUOTA_JOBS_OF_SYSTEM",
      "QUOTA_JOBS_PER_ADDRESS",
      "QUOTA_OPENS_PER_ADDRESS",
      "TRUSTED_PROXIES",
    ], each)])
    error_message = "Limits are the settings of functions/submit whose names begin with QUOTA_, BACKLOG_ or BATCH_MAX_, MAX_PROMPT_CHARS and TRUSTED_PROXIES."
  }
}

variable "avro_job_requests" {
  description = "Whether Pub/Sub refuses malformed messages on job-requests. Every publisher must write Avro's JSON then: see docs/publishing.md."
  type        = bool
  default     = false
}

variable "daily_budget_gpu_s" {
  description = "GPU seconds of everybody in a day (UTC): after bulk, wishes in bulk wait until midnight; after all, interactive ones are refused. Null: no limit."
  type = object({
    bulk = optional(number)
    all  = optional(number)
  })
  default = {}

  validation {
    condition = (
      alltrue([for each in values(var.daily_budget_gpu_s) : each == null ? true : each > 0])
      && (var.daily_budget_gpu_s.all == null ? true : coalesce(var.daily_budget_gpu_s.bulk, 1) <= var.daily_budget_gpu_s.all)
    )
    error_message = "GPU seconds are more than 0, and bulk waits first."
  }
}

variable "monthly_budget" {
  description = "Budget of a month in the currency of the billing account; null: that of the size. It warns, it stops nothing."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget == null || try(var.monthly_budget >= 1 && floor(var.monthly_budget) == var.monthly_budget, false)
    error_message = "A budget is a whole number of at least 1."
  }
}

variable "keep_data" {
  description = "Whether destroying is refused, for there may be jobs and videos. Before `make destroy`: terraform apply -var=keep_data=false"
  type        = bool
  default     = true
}
