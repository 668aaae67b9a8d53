"""The settings of ``functions/submit``."""

from __future__ import annotations

from typing import Annotated

from batch_desk import Limits
from pydantic import AfterValidator, Field
from quotas import MOST_SLOTS, Quotas

from shared.models import in_the_catalogue
from shared.requests import Offer, Priority
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
    batch_max_rows_of_person: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """Rows of a person's batch; 0: batches are for systems. Never for anonymous accounts. Rows take no slots, so their
    GPU seconds count towards nobody's day."""
    batch_chunk_s: Annotated[float, Field(gt=0, le=500)] = 240
    """Seconds after which reading a batch is left to the next call: well below the function's time limit."""
    batch_chunk_rows: Annotated[int, Field(ge=1)] = 20_000
    """Rows after which it is."""

    quota_jobs: Annotated[int, Field(ge=1, le=MOST_SLOTS)] = 5
    """Active jobs of a person at a time."""
    quota_jobs_of_system: Annotated[int, Field(ge=1, le=MOST_SLOTS)] = 100
    """Active jobs of a system at a time, batches not counted."""
    quota_gpu_s: Annotated[float, Field(gt=0)] = 1800
    """GPU seconds of a person's jobs in a day (UTC); the jobs that are active when they are spent still finish."""
    quota_gpu_s_of_system: Annotated[float, Field(gt=0)] = 86_400
    """GPU seconds of a system's jobs in a day, batches not counted."""
    quota_jobs_per_address: Annotated[int, Field(ge=1, le=MOST_SLOTS)] = 20
    """Jobs of all anonymous accounts of one address in an hour; of IPv6, one network of 64 bits."""
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 1
    """Entries at the right of X-Forwarded-For that proxies of the service's own have written: Google's writes one."""
    backlog_interactive: Annotated[int, Field(ge=1)] = 1000
    """Interactive renders that may wait or be made before new work is refused."""
    backlog_bulk: Annotated[int, Field(ge=1)] = 200_000
    """The same of bulk; a batch that was accepted before is placed to its end."""

    queue_token: Annotated[str, Field(min_length=16)] | None = None
    """Bearer token of ``GET /queue``, for the autoscaler; without it that address does not exist."""

    @property
    def batch_limits(self) -> Limits:
        """How much of a batch one call does, and how much a batch may be."""
        return Limits(
            chunk_s=self.batch_chunk_s,
            chunk_rows=self.batch_chunk_rows,
            max_rows=self.batch_max_rows,
            max_rows_of_person=self.batch_max_rows_of_person,
            buckets=self.batch_buckets,
        )

    @property
    def quotas(self) -> Quotas:
        """What callers may have."""
        return Quotas(
            jobs=self.quota_jobs,
            jobs_of_system=self.quota_jobs_of_system,
            gpu_s=self.quota_gpu_s,
            gpu_s_of_system=self.quota_gpu_s_of_system,
            jobs_per_address=self.quota_jobs_per_address,
            trusted_proxies=self.trusted_proxies,
        )

    @property
    def backlog(self) -> dict[Priority, int]:
        """How many renders may wait or be made."""
        return {Priority.INTERACTIVE: self.backlog_interactive, Priority.BULK: self.backlog_bulk}

    @property
    def offer(self) -> Offer:
        """What a request is validated against."""
        return Offer(served=self.served_models, seed_pool=self.seed_pool)
