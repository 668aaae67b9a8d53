"""The seam to the documents ``themes/{owner}``: every write is a create or a compare-and-set on what was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.own_themes import OwnThemes


@dataclass(frozen=True, kw_only=True)
class StoredThemes:
    """One person's themes as they were read or just written."""

    value: OwnThemes
    #: What a compare-and-set compares; opaque.
    version: object


class ThemeStore(Protocol):
    """Reads and writes people's own themes. All methods raise `Retryable` when the store does not answer."""

    def themes(self, owner: str) -> StoredThemes | None:
        """What that person has saved; None: nothing ever."""

    def create(self, value: OwnThemes) -> StoredThemes:
        """Write the first of somebody. Raises `Conflict` when there are some."""

    def replace(self, stored: StoredThemes, value: OwnThemes) -> StoredThemes:
        """Write what must still be as it was read. Raises `Conflict` when it is not, or is gone."""
