"""The settings of ``functions/notify``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.budget import BudgetSettings


class NotifySettings(BudgetSettings):
    """Environment of the storage trigger."""

    artifact_bucket: str
    """Bucket that holds the videos; objects of other buckets are ignored."""
    reconcile_limit_s: Annotated[int, Field(ge=1, le=3600)] = 45
    """How long one run of reconcile may take, in seconds: less than the time between two."""
