"""Prices: what an hour of a device costs. Enters: ``catalogue/prices/*.toml``. Leaves: the cost of what was rendered.

A device that has no price, such as one's own CPU, has its seconds counted and no money.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from shared.catalogue import BrokenCatalogueError, Entry, load
from shared.documents import COST_DIGITS, Cost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.documents import Usage


class Price(Entry):
    """What a machine costs, with its one GPU."""

    devices: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of the GPU, as its driver tells them and a video's receipt has them."""
    amount_an_hour: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    """Of the whole machine."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    """ISO 4217; the same in all entries, so that costs can be added up."""
    machine: Annotated[str, Field(min_length=3)]
    """Which one, how it is paid, and where."""
    as_of: date
    """When somebody looked it up."""
    source: Annotated[str, Field(pattern="^https://")] | None = None
    """Where it stands."""
    estimate: Annotated[str, Field(min_length=8)] | None = None
    """Why this number, where no page has it."""

    @model_validator(mode="after")
    def _says_where_it_comes_from(self) -> Self:
        if (self.source is None) == (self.estimate is None):
            raise PydanticCustomError("unsourced", "needs a source or an estimate, one of them")
        return self


@cache
def prices() -> Mapping[str, Price]:
    """The catalogue by id.

    Raises:
        BrokenCatalogueError: with all faults of all files; two currencies, or two prices of a device, are faults too.
    """
    found = load("prices", Price)
    devices = [device for each in found.values() for device in each.devices]
    faults = [
        f"prices: devices: {each} has more than one price" for each in sorted(set(devices)) if devices.count(each) > 1
    ]
    if len(currencies := sorted({each.currency for each in found.values()})) > 1:
        faults.append(f"prices: currency: must be the same in all: {', '.join(currencies)}")
    if faults:
        raise BrokenCatalogueError("\n".join(faults))
    return found


def currency() -> str:
    """Of all prices."""
    return next(iter(prices().values())).currency


def cost_of(usage: Usage) -> Cost:
    """What a render has cost, by the price of now."""
    price = next((each for each in prices().values() if usage.device in each.devices), None)
    return Cost(
        gpu_s=round(usage.gpu_s, COST_DIGITS),
        amount=round(usage.gpu_s * price.amount_an_hour / 3600, COST_DIGITS) if price else None,
        currency=price.currency if price else None,
    )
