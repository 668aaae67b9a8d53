"""Pages of an object list.

Enters: the objects of a bucket in order, and a query. Leaves: one page of objects and prefixes, and the next token.
Keeps of Google Cloud Storage: prefix, delimiter, offsets, order by UTF-8 bytes, objects and prefixes counted together
towards the page size, a token that stays good while objects come and go.
Keeps not: ``matchGlob``, ``versions``, ``softDeleted`` and ``includeTrailingDelimiter`` (the caller refuses them).
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass

from local.storage_values import InvalidError, StoredObject

#: https://cloud.google.com/storage/docs/json_api/v1/objects/list
PAGE_ITEMS = 1000


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """What to list."""

    prefix: str = ""
    #: Names with this after the prefix are rolled up into one prefix entry.
    delimiter: str = ""
    #: From this name on, inclusive, and up to this name, exclusive.
    start_offset: str = ""
    end_offset: str | None = None
    max_items: int = PAGE_ITEMS
    page_token: str | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """One page; no token on the last."""

    objects: list[StoredObject]
    prefixes: list[str]
    next_page_token: str | None


def list_page(objects: Iterable[StoredObject], query: ListQuery) -> Page:
    """Take one page of objects that come in order of their names."""
    after = _decode(query.page_token) if query.page_token else ""
    found: list[StoredObject] = []
    prefixes: list[str] = []
    last = ""
    for stored in objects:
        name = stored.name
        if not name.startswith(query.prefix) or name < query.start_offset:
            continue
        if query.end_offset is not None and name >= query.end_offset:
            break
        cut = name.find(query.delimiter, len(query.prefix)) if query.delimiter else -1
        entry = name if cut < 0 else name[: cut + len(query.delimiter)]
        # A prefix entry of the page before sorts before the names under it: compare entries, not names.
        if entry <= after or (prefixes and entry == prefixes[-1]):
            continue
        if len(found) + len(prefixes) >= query.max_items:
            return Page(objects=found, prefixes=prefixes, next_page_token=_encode(last))
        last = entry
        if cut < 0:
            found.append(stored)
        else:
            prefixes.append(entry)
    return Page(objects=found, prefixes=prefixes, next_page_token=None)


def _encode(entry: str) -> str:
    return base64.urlsafe_b64encode(entry.encode()).decode()


def _decode(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except (binascii.Error, ValueError) as exc:
        msg = "Invalid page token."
        raise InvalidError(msg) from exc
