"""Themes: light, weather and palette. Enters: ``catalogue/themes/*.toml``. Leaves: validated, frozen entries."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from shared.catalogue import Entry, load

if TYPE_CHECKING:
    from collections.abc import Mapping


class Theme(Entry):
    """A mood that any perspective can be put into."""

    words: str
    """What it adds to the prompt."""


@cache
def themes() -> Mapping[str, Theme]:
    """The catalogue by id."""
    return load("themes", Theme)
