"""The crew: which workers are there, and whether workers shall take work at all.

A *presence* is what a worker says of itself between two renders, ``workers/{holder}``; what it renders, its lease says.
The *orders* are one document, ``control/workers``: an operator writes it, workers and the autoscaler's count read it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field

from shared.documents import Document

#: A waiting worker says so often that it is there: 4 writes a minute at most. Firestore bills 0.18 dollars for 100 000.
REPORT_S: Final = 15.0
#: Who has said nothing for so long, and has no lease, is gone: three reports are missing.
GONE_AFTER: Final = timedelta(seconds=60)
#: How long a document stays of a worker that could not take its leave.
KEPT: Final = timedelta(days=1)
MAX_REASON_CHARS: Final = 200


class Presence(Document):
    """A worker that is there. It alone writes this document, so nobody is compared with."""

    schema_version: Literal[1] = 1
    holder: str
    """Name of the worker, as in its leases."""
    models: tuple[str, ...]
    """What it renders with."""
    since: AwareDatetime
    """When it came."""
    seen_at: AwareDatetime
    """When it last said so, by its own clock: between two renders, every `REPORT_S` seconds."""
    expires_at: AwareDatetime
    """The document may be deleted after this."""


class Orders(Document):
    """Whether workers take work: two states, and each may follow the other."""

    schema_version: Literal[1] = 1
    is_draining: bool
    """Workers finish what they have and leave; none is started. What is wished for waits in its queue."""
    reason: Annotated[str, Field(max_length=MAX_REASON_CHARS)]
    """For people."""
    changed_at: AwareDatetime
