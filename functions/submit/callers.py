"""Who is calling. The one door for identity: today everybody is the same anonymous person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Request as HttpRequest


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Somebody who asks."""

    #: What stands as ``owner`` on every document.
    owner: str


def who_is_calling(request: HttpRequest) -> Caller:  # noqa: ARG001 - tokens are read from it once there are any
    """The caller of an HTTP request."""
    return Caller(owner="anonymous")
