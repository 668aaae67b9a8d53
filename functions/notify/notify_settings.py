"""The settings of ``functions/notify``."""

from __future__ import annotations

from shared.settings import Settings


class NotifySettings(Settings):
    """Environment of the storage trigger."""

    artifact_bucket: str
    """Bucket that holds the videos; objects of other buckets are ignored."""
