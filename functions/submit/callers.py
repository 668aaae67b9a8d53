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
    #: Whether it is an account that nobody signed up for: there may be any number of them.
    is_anonymous: bool = False
    #: Whether it is another system, and no person.
    is_system: bool = False


def who_is_calling(request: HttpRequest) -> Caller:  # noqa: ARG001 - tokens are read from it once there are any
    """The caller of an HTTP request."""
    return Caller(owner="anonymous")
