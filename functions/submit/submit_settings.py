"""The settings of ``functions/submit``."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from shared.models import models
from shared.requests import Offer
from shared.settings import Names, Settings


class SubmitSettings(Settings):
    """Environment of the API and of the intake."""

    artifact_bucket: str
    """Bucket that holds the videos."""
    served_models: Annotated[Names, Field(min_length=1)] = ("untrained-tiny-wan",)
    """Models that the workers serve, comma-separated; the first is the default."""
    seed_pool: Annotated[int, Field(ge=1, le=10_000)] = 8
    """A request without a seed draws one of this many."""
    cors_origins: Names = ()
    """Origins of the pages that may call the API, comma-separated."""
    signed_url_lifetime_s: Annotated[int, Field(ge=60, le=604_800)] = 3600
    """How long a link to a video works."""

    queue_token: Annotated[str, Field(min_length=16)] | None = None
    """Bearer token of ``GET /queue``, for the autoscaler; without it that address does not exist."""

    @field_validator("served_models")
    @classmethod
    def _are_in_the_catalogue(cls, served: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [each for each in served if each not in models()]
        if unknown:
            msg = f"not in the catalogue of models: {', '.join(unknown)}"
            raise ValueError(msg)
        return served

    @property
    def offer(self) -> Offer:
        """What a request is validated against."""
        return Offer(served=self.served_models, seed_pool=self.seed_pool)
