"""The theme store in memory: for tests and the embedded form."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING

from shared.errors import Conflict
from shared.theme_store import StoredThemes

if TYPE_CHECKING:
    from shared.own_themes import OwnThemes


class InMemoryThemeStore:
    """Thread-safe; versions count up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions = itertools.count(1)
        self._documents: dict[str, StoredThemes] = {}

    def themes(self, owner: str) -> StoredThemes | None:
        """See `ThemeStore.themes`."""
        with self._lock:
            return self._documents.get(owner)

    def create(self, value: OwnThemes) -> StoredThemes:
        """See `ThemeStore.create`."""
        with self._lock:
            if value.owner in self._documents:
                raise Conflict("there are themes of this owner")
            return self._write(value)

    def replace(self, stored: StoredThemes, value: OwnThemes) -> StoredThemes:
        """See `ThemeStore.replace`."""
        with self._lock:
            found = self._documents.get(value.owner)
            if found is None or found.version != stored.version:
                raise Conflict("the themes of this owner changed")
            return self._write(value)

    def _write(self, value: OwnThemes) -> StoredThemes:
        stored = StoredThemes(value=value, version=next(self._versions))
        self._documents[value.owner] = stored
        return stored
