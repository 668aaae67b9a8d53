"""The theme store on Firestore. Documents hold exactly the fields of `OwnThemes`; compare-and-set is by update time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.job_store.firestore import TIMEOUT_S, answered, limits, written
from shared.own_themes import OwnThemes
from shared.theme_store import StoredThemes

if TYPE_CHECKING:
    from google.cloud import firestore

THEMES = "themes"


class FirestoreThemeStore:
    """Thread-safe, as the client is. Built once per process."""

    def __init__(self, client: firestore.Client, *, timeout_s: float = TIMEOUT_S) -> None:
        self._client = client
        self._limits = limits(timeout_s)

    def themes(self, owner: str) -> StoredThemes | None:
        """See `ThemeStore.themes`."""
        snapshot = answered(lambda: self._client.document(THEMES, owner).get(**self._limits))
        if not snapshot.exists:
            return None
        return StoredThemes(value=OwnThemes.model_validate(snapshot.to_dict()), version=snapshot.update_time)

    def create(self, value: OwnThemes) -> StoredThemes:
        """See `ThemeStore.create`."""
        reference = self._client.document(THEMES, value.owner)
        result = written(lambda: reference.create(_fields(value), **self._limits))
        return StoredThemes(value=value, version=result.update_time)

    def replace(self, stored: StoredThemes, value: OwnThemes) -> StoredThemes:
        """See `ThemeStore.replace`."""
        reference = self._client.document(THEMES, value.owner)
        option = self._client.write_option(last_update_time=stored.version)
        result = written(lambda: reference.update(_fields(value), option=option, **self._limits))
        return StoredThemes(value=value, version=result.update_time)


def _fields(value: OwnThemes) -> dict[str, Any]:
    """The document's fields. Dates stay dates; Firestore knows lists, not tuples."""
    fields = value.model_dump(mode="python")
    return fields | {"themes": list(fields["themes"])}
