"""A Pub/Sub message as a function gets it: inside a CloudEvent. Enters: the event's data. Leaves: a `Push`."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Push:
    """What somebody published."""

    data: bytes
    attributes: Mapping[str, str]
    #: The message's id; the event's where it has none.
    message_id: str
    #: When Pub/Sub took it: the same at every delivery; None where it is not told.
    published_at: datetime | None = None


def read_push(event_data: Any, *, event_id: str) -> Push:  # noqa: ANN401 - whatever was posted
    """The message. What can't be read is empty, so that its receiver refuses it in its own words."""
    message: Any = event_data.get("message") if isinstance(event_data, dict) else None
    if not isinstance(message, dict):
        message = {}
    try:
        data = base64.b64decode(message.get("data") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        data = b""
    attributes = message.get("attributes")
    if not isinstance(attributes, dict):
        attributes = {}
    return Push(
        data=data,
        attributes={name: text for name, text in attributes.items() if isinstance(text, str)},
        message_id=_encodable(str(message.get("messageId") or message.get("message_id") or event_id)),
        published_at=_time_of(message.get("publishTime") or message.get("publish_time")),
    )


def _encodable(text: str) -> str:
    """JSON can hold halves of characters, which no encoding knows."""
    return text.encode("utf-8", "backslashreplace").decode()


def _time_of(text: Any) -> datetime | None:  # noqa: ANN401 - whatever was posted
    try:
        time = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
