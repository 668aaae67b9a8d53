"""Themes that people save for themselves: a name and words, all of one person's in one document, ``themes/{owner}``.

In one document since they are few, small and always read together: so their number is bounded exactly, by the same
compare-and-set that every write is.
"""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from shared.documents import Document
from shared.errors import ErrorCode, Fault, Rejected, faults_of

if TYPE_CHECKING:
    from datetime import datetime

MOST_THEMES: Final = 50
MAX_NAME_CHARS: Final = 60
#: Leaves room in a prompt for what happens.
MAX_WORDS_CHARS: Final = 200
#: Largest body in bytes: every character escaped, and room for the rest.
MAX_THEME_BODY_BYTES: Final = 4096
#: Since the last one was saved or deleted.
KEPT: Final = timedelta(days=365)


def _one_line(text: str) -> str:
    """NFC with single spaces, as prompts are."""
    words = " ".join(unicodedata.normalize("NFC", text).split())
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in words):
        raise PydanticCustomError("control_characters", "must not hold control characters")
    if not words:
        raise PydanticCustomError("string_too_short", "must not be empty")
    return words


class ThemeWish(BaseModel):
    """What somebody wants to keep."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    name: Annotated[str, Field(max_length=MAX_NAME_CHARS), AfterValidator(_one_line)]
    """What its owner reads."""
    words: Annotated[str, Field(max_length=MAX_WORDS_CHARS), AfterValidator(_one_line)]
    """What it adds to a prompt."""


class OwnTheme(Document):
    """A theme of one person."""

    id: str
    """Made of its name: saving one of that name again replaces it."""
    name: str
    words: str
    saved_at: AwareDatetime


class OwnThemes(Document):
    """All of one person, the newest first."""

    schema_version: Literal[1] = 1
    owner: str
    themes: tuple[OwnTheme, ...] = ()
    expires_at: AwareDatetime
    """They may be deleted after this."""


def parse_theme(body: bytes) -> ThemeWish:
    """Validate what somebody sends.

    Raises:
        Rejected: ``malformed_request`` when it is no JSON, else ``invalid_request`` with every fault at once.
    """
    try:
        return ThemeWish.model_validate_json(body, strict=True)
    except ValidationError as exc:
        faults = faults_of(exc)
        if [fault.code for fault in faults] == ["json_invalid"]:
            raise Rejected(f"The body is not JSON. {faults[0].message}", code=ErrorCode.MALFORMED_REQUEST) from exc
        raise Rejected("The theme has faults.", faults=faults) from exc


def no_themes(owner: str, *, now: datetime) -> OwnThemes:
    """Of somebody who has saved none."""
    return OwnThemes(owner=owner, expires_at=now + KEPT)


def with_theme(own: OwnThemes, wish: ThemeWish, *, now: datetime) -> OwnThemes:
    """With that theme in front; it replaces one of the same name.

    Raises:
        Rejected: there are too many.
    """
    theme = OwnTheme(id=theme_id(wish.name), name=wish.name, words=wish.words, saved_at=now)
    others = tuple(each for each in own.themes if each.id != theme.id)
    if len(others) >= MOST_THEMES:
        message = f"there are {MOST_THEMES} already: delete one first"
        raise Rejected("The theme has faults.", faults=[Fault(field="name", code="too_many_themes", message=message)])
    return _changed(own, (theme, *others), now=now)


def without_theme(own: OwnThemes, theme: str, *, now: datetime) -> OwnThemes | None:
    """Without that theme; None when there is no such theme."""
    others = tuple(each for each in own.themes if each.id != theme)
    return None if len(others) == len(own.themes) else _changed(own, others, now=now)


def theme_id(name: str) -> str:
    """The same for the same name, however it is capitalised."""
    return f"own-{hashlib.sha256(name.casefold().encode()).hexdigest()[:16]}"


def _changed(own: OwnThemes, themes: tuple[OwnTheme, ...], *, now: datetime) -> OwnThemes:
    changes: dict[str, Any] = {"themes": themes, "expires_at": now + KEPT}
    return own.model_copy(update=changes)
