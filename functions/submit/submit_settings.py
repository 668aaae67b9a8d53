"""The settings of ``functions/submit``."""

from __future__ import annotations

from typing import Annotated

from batch_desk import Limits
from pydantic import AfterValidator, Field

from shared.models import in_the_catalogue
from shared.requests import Offer
from shared.settings import Names, Settings


class SubmitSettings(Settings):
    """Environment of the API and of the intake."""

    artifact_bucket: str
    """Bucket that holds the videos."""
    served_models: Annotated[Names, Field(min_length=1), AfterValidator(in_the_catalogue)] = ("pocket",)
    """Models that the workers serve, comma-separated; the first is the default."""
    seed_pool: Annotated[int, Field(ge=1, le=10_000)] = 8
    """A request without a seed draws one of this many."""
    cors_origins: Names = ()
    """Origins of the pages that may call the API, comma-separated."""
    signed_url_lifetime_s: Annotated[int, Field(ge=60, le=604_800)] = 3600
    """How long a link to a video works."""
    batch_buckets: Names = ()
    """Buckets that the manifest of a batch may lie in, comma-separated."""
    batch_max_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    """Rows of one batch; what follows is not read."""
    batch_chunk_s: Annotated[float, Field(gt=0, le=500)] = 240
    """Seconds after which reading a batch is left to the next call: well below the function's time limit."""
    batch_chunk_rows: Annotated[int, Field(ge=1)] = 20_000
    """Rows after which it is."""

    queue_token: Annotated[str, Field(min_length=16)] | None = None
    """Bearer token of ``GET /queue``, for the autoscaler; without it that address does not exist."""

    @property
    def batch_limits(self) -> Limits:
        """How much of a batch one call does, and how much a batch may be."""
        return Limits(
            chunk_s=self.batch_chunk_s,
            chunk_rows=self.batch_chunk_rows,
            max_rows=self.batch_max_rows,
            buckets=self.batch_buckets,
        )

    @property
    def offer(self) -> Offer:
        """What a request is validated against."""
        return Offer(served=self.served_models, seed_pool=self.seed_pool)
