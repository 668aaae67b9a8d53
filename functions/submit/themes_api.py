"""The part of the API that is about people's own themes: HTTP in, what is kept, a document out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.errors import Conflict, ErrorCode, Rejected
from shared.job_store import Contest
from shared.own_themes import no_themes, parse_theme, theme_id, with_theme, without_theme

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from callers import Caller

    from shared.theme_store import ThemeStore


def own(caller: Caller, *, store: ThemeStore) -> list[dict[str, Any]]:
    """What stands under ``own`` in ``GET /themes``: the newest first."""
    stored = store.themes(caller.owner)
    return [each.model_dump(mode="json") for each in stored.value.themes] if stored else []


def save(body: bytes, *, caller: Caller, store: ThemeStore, now: Callable[[], datetime]) -> tuple[dict[str, Any], bool]:
    """``POST /themes``: the theme, and whether it is new; one of the same name is replaced."""
    wish, contest = parse_theme(body), Contest()
    while True:
        stored = store.themes(caller.owner)
        before = stored.value if stored else no_themes(caller.owner, now=now())
        after = with_theme(before, wish, now=now())
        try:
            if stored:
                store.replace(stored, after)
            else:
                store.create(after)
        except Conflict as exc:
            contest.lost(exc)
            continue
        is_new = all(each.id != theme_id(wish.name) for each in before.themes)
        return after.themes[0].model_dump(mode="json"), is_new


def forget(theme: str, *, caller: Caller, store: ThemeStore, now: Callable[[], datetime]) -> None:
    """``DELETE /themes/{id}``.

    Raises:
        Rejected: there is no such theme.
    """
    contest = Contest()
    while True:
        stored = store.themes(caller.owner)
        after = without_theme(stored.value, theme, now=now()) if stored else None
        if stored is None or after is None:
            raise Rejected("There is no such theme of yours.", code=ErrorCode.NOT_FOUND)
        try:
            store.replace(stored, after)
        except Conflict as exc:
            contest.lost(exc)
            continue
        return
