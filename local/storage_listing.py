"""Pages of an object list.

Enters: the objects of a bucket in order, and a query. Leaves: one page of objects and prefixes, and the next token.
Keeps of Google Cloud Storage: prefix, delimiter, order by UTF-8 bytes, objects and prefixes counted together towards
the page size, a token that stays good while objects come and go.
"""

import base64
from collections.abc import Iterable

from werkzeug.exceptions import BadRequest

from local.storage_values import StoredObject

#: https://cloud.google.com/storage/docs/json_api/v1/objects/list
PAGE_ITEMS = 1000


def list_page(
    objects: Iterable[StoredObject], *, prefix: str, delimiter: str, max_items: int, page_token: str
) -> tuple[dict[str, StoredObject | None], str]:
    """A page of objects that come in order of their names, and the token of the next, "" after the last page.

    Names with ``delimiter`` after the prefix are rolled up into one entry each: the common prefix, with no object.
    """
    try:
        after = base64.urlsafe_b64decode(page_token).decode()
    except ValueError as exc:
        raise BadRequest("Invalid page token.") from exc
    page: dict[str, StoredObject | None] = {}
    for stored in objects:
        cut = stored.name.find(delimiter, len(prefix)) if delimiter else -1
        entry = stored.name if cut < 0 else stored.name[: cut + len(delimiter)]
        # A common prefix sorts before the names under it: compare entries, not names.
        if not stored.name.startswith(prefix) or entry <= after or entry in page:
            continue
        if len(page) == max_items:
            return page, base64.urlsafe_b64encode(max(page).encode()).decode()
        page[entry] = stored if cut < 0 else None
    return page, ""
