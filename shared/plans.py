"""Plans: batches that have a name. Enters: ``catalogue/plans/*.toml``. Leaves: validated, frozen entries, and rows.

A schedule asks for them, so that popular wishes are ready before somebody wishes.
"""

from __future__ import annotations

import hashlib
import itertools
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from shared.catalogue import Entry, load
from shared.perspectives import perspectives
from shared.requests import MAX_SEED, Offer
from shared.themes import themes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Plan(Entry):
    """Wishes without a prompt: every perspective, in every named theme, with several seeds."""

    seeds: Literal["fresh", "pool"]
    """``fresh``: seeds that nobody had before, drawn from the batch's id; ``pool``: those that a wish without one draws
    from."""
    takes: Annotated[int, Field(ge=1, le=100)] | None = None
    """How many fresh seeds; for ``pool`` it is the size of the pool."""
    themes: Annotated[tuple[str, ...], Field(min_length=1)] = ("",)
    """Ids of themes; the empty one is none."""

    @field_validator("themes")
    @classmethod
    def _are_in_the_catalogue(cls, wanted: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [each for each in wanted if each and each not in themes()]
        if unknown:
            msg = f"not in the catalogue of themes: {', '.join(unknown)}"
            raise ValueError(msg)
        return wanted

    def rows(self, batch_id: str, *, offer: Offer) -> Iterator[dict[str, str | int]]:
        """Its wishes; the same for the same batch."""
        takes = offer.seed_pool if self.seeds == "pool" else self.takes or 1
        for perspective, theme, take in itertools.product(perspectives(), self.themes, range(takes)):
            drawn = hashlib.sha256(f"take/{batch_id}/{perspective}/{theme}/{take}".encode()).digest()
            seed = take if self.seeds == "pool" else int.from_bytes(drawn[:8]) % (MAX_SEED + 1)
            row: dict[str, str | int] = {"perspective": perspective, "seed": seed}
            yield row | {"theme": theme} if theme else row


@cache
def plans() -> Mapping[str, Plan]:
    """The catalogue by id."""
    return load("plans", Plan)
