"""Models that ship with the repository, and what made them."""
