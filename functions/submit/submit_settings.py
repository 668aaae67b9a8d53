"""The settings of ``functions/submit``."""

from __future__ import annotations

import re
from typing import Annotated, Final

from batch_desk import Limits
from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from quotas import MOST_SLOTS, Quotas

from shared.budget import BudgetSettings
from shared.estimates import Fleet
from shared.models import in_the_catalogue
from shared.requests import MAX_PROMPT_CHARS, Offer, Priority
from shared.settings import Names

#: ``source`` is that of messages, see `intake`; an address has an ``@``, so that nothing is both. Two names are ours.
_SYSTEM: Final = re.compile(
    r"(?:(?P<source>(?!(?:schedule|unknown)=)[a-z0-9][a-z0-9._-]{0,62})=)?(?P<email>[^\s@=,/]+@[^\s@=,/]+)"
)


def _known_systems(entries: tuple[str, ...]) -> tuple[str, ...]:
    if bad := [each for each in entries if not _SYSTEM.fullmatch(each)]:
        raise ValueError(f"neither e-mail nor source=e-mail: {', '.join(bad)}")
    emails = [each.rpartition("=")[2] for each in entries]
    if twice := sorted({each for each in emails if emails.count(each) > 1}):
        raise ValueError(f"named more than once: {', '.join(twice)}")
    return entries


class SubmitSettings(BudgetSettings):
    """Environment of the API and of the intake."""

    artifact_bucket: str
    """Bucket that holds the videos."""
    served_models: Annotated[Names, Field(min_length=1), AfterValidator(in_the_catalogue)] = ("pocket",)
    """Models that the workers serve, comma-separated; the first is the default."""
    seed_pool: Annotated[int, Field(ge=1, le=10_000)] = 8
    """A request without a seed draws one of this many."""
    max_prompt_chars: Annotated[int, Field(ge=1, le=MAX_PROMPT_CHARS)] = MAX_PROMPT_CHARS
    """Characters of a prompt; a body may have 16 KiB, which is room for a longest one."""
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

    api_audiences: Names = ()
    """Addresses of the API as systems name them in their Google ID tokens (``aud``), comma-separated."""
    system_callers: Annotated[Names, AfterValidator(_known_systems)] = ()
    """Service accounts that may call as systems: ``e-mail``, or ``source=e-mail``, which has its messages' jobs too."""
    app_check_project_number: Annotated[str, Field(pattern=r"^[0-9]{6,20}$")] | None = None
    """Number of the project whose app people must come with (Firebase App Check); empty: they need none."""
    k_service: str = ""
    """Set by Cloud Run itself, never by hand: a function in the cloud refuses what is for one machine."""
    unsigned_tokens: bool = False
    """Take the Auth emulator's unsigned tokens, that anybody can make, and no other: on one machine only."""
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
    quota_opens_per_address: Annotated[int, Field(ge=1)] = 300
    """Shared links and films that anyone of one address may open in a minute, as each instance counts them."""
    trusted_proxies: Annotated[int, Field(ge=0, le=10)] = 1
    """Entries at the right of X-Forwarded-For that proxies of the service's own have written: Google's writes one."""
    backlog_interactive: Annotated[int, Field(ge=1)] = 1000
    """Interactive renders that may wait or be made before new work is refused."""
    backlog_bulk: Annotated[int, Field(ge=1)] = 200_000
    """The same of bulk; a batch that was accepted before is placed to its end."""

    max_workers: Annotated[int, Field(ge=1)] = 1
    """Workers that there may be at a time; this and the next five are what estimates know of the autoscaler."""
    renders_a_worker: Annotated[float, Field(gt=0)] = 2
    """Renders to do for which a worker is started."""
    worker_start_min_s: Annotated[float, Field(ge=0)] = 110
    """From a wish to the first pull of the worker that is started for it, in seconds: at least."""
    worker_start_max_s: Annotated[float, Field(gt=0)] = 190
    """The same, at most."""
    worker_warm_s: Annotated[float, Field(ge=0)] = 180
    """How long a worker stays that finds nothing: `WARM_S` of the workers."""
    bulk_at_most: Annotated[int, Field(ge=1)] | None = None
    """Renders of bulk that workers are started for; all when empty."""

    queue_token: Annotated[str, Field(min_length=16)] | None = None
    """Bearer token of ``GET /queue``, for the autoscaler; without it that address does not exist."""

    @field_validator("unsigned_tokens")
    @classmethod
    def _never_in_the_cloud(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - as pydantic calls it
        if value and info.data.get("k_service"):
            raise ValueError("unsigned tokens are never taken in the cloud, where K_SERVICE is set")
        return value

    @property
    def system_owners(self) -> dict[str, str]:
        """What stands as owner on documents of each system, by its e-mail address."""
        found = [_SYSTEM.fullmatch(each) for each in self.system_callers]
        return {each["email"]: f"system:{each['source'] or each['email']}" for each in found if each}

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
    def fleet(self) -> Fleet:
        """What the autoscaler may start."""
        return Fleet(
            most=self.max_workers,
            renders_a_worker=self.renders_a_worker,
            starts_after_s=(min(self.worker_start_min_s, self.worker_start_max_s), self.worker_start_max_s),
            warm_s=self.worker_warm_s,
            bulk_at_most=self.bulk_at_most,
        )

    @property
    def backlog(self) -> dict[Priority, int]:
        """How many renders may wait or be made."""
        return {Priority.INTERACTIVE: self.backlog_interactive, Priority.BULK: self.backlog_bulk}

    @property
    def offer(self) -> Offer:
        """What a request is validated against."""
        return Offer(served=self.served_models, seed_pool=self.seed_pool, max_prompt_chars=self.max_prompt_chars)
