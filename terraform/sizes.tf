# What a deployment may grow to. While nobody wishes, only what api_min_instances keeps warm costs something here.

locals {
  sizes = {
    small = {
      api_min_instances  = 0
      api_max_instances  = 4
      push_max_instances = 4
      # GPU workers side by side: at least two, since bulk never takes the last one.
      max_workers = 2
      # WARM_S of the workers, as kubernetes/ has it: for estimates.
      warm_s         = 180
      monthly_budget = 50
      # Seconds that the oldest wish may wait before somebody is told: few workers, on nodes that must be made first.
      max_backlog_age_s      = 3600
      point_in_time_recovery = false
      daily_backup           = false
    }
    standard = {
      api_min_instances      = 1
      api_max_instances      = 40
      push_max_instances     = 20
      max_workers            = 16
      warm_s                 = 600
      monthly_budget         = 2000
      max_backlog_age_s      = 900
      point_in_time_recovery = true
      daily_backup           = true
    }
  }

  size = local.sizes[var.size]
}
