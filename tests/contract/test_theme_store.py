"""What every theme store keeps: in memory, and on Google's emulator."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from local.processes import free_port
from shared.errors import Conflict, Retryable
from shared.own_themes import OwnThemes, ThemeWish, no_themes, with_theme
from shared.theme_store.firestore import FirestoreThemeStore
from shared.theme_store.memory import InMemoryThemeStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.theme_store import ThemeStore

#: With microseconds, and not in UTC.
NOW = datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=timezone(timedelta(hours=2)))
PEOPLE = ["ada", "system:render@life.example", "Ünïcode"]


@pytest.fixture(params=["memory", pytest.param("firestore", marks=pytest.mark.emulators)])
def store(request: pytest.FixtureRequest) -> Iterator[ThemeStore]:
    """Each kind in turn, empty."""
    if request.param == "memory":
        yield InMemoryThemeStore()
        return
    client = firestore.Client(project=request.getfixturevalue("project"))
    yield FirestoreThemeStore(client)
    client.close()


def themes_of(owner: str, *names: str) -> OwnThemes:
    own = no_themes(owner, now=NOW)
    for name in names:
        own = with_theme(own, ThemeWish(name=name, words=f"Grün vor {name}: 🐈"), now=NOW)
    return own


def test_who_has_saved_nothing_has_none(store: ThemeStore) -> None:
    assert store.themes("nobody") is None


@pytest.mark.parametrize("owner", PEOPLE)
def test_what_somebody_saved_comes_back_equal(store: ThemeStore, owner: str) -> None:
    created = store.create(themes_of(owner, "Neid"))
    more = themes_of(owner, "Neid", "Wut")
    store.replace(created, more)

    found = store.themes(owner)

    assert found
    assert found.value == more


def test_what_one_saves_another_does_not_have(store: ThemeStore) -> None:
    store.create(themes_of("ada", "Neid"))
    assert store.themes("bob") is None


def test_creating_twice_is_a_conflict_and_changes_nothing(store: ThemeStore) -> None:
    store.create(themes_of("ada", "Neid"))
    with pytest.raises(Conflict):
        store.create(themes_of("ada", "Wut"))
    found = store.themes("ada")
    assert found
    assert found.value == themes_of("ada", "Neid")


def test_replacing_what_was_read_succeeds_once(store: ThemeStore) -> None:
    stale = store.create(themes_of("ada", "Neid"))
    fresh = store.replace(stale, themes_of("ada", "Wut"))
    with pytest.raises(Conflict):
        store.replace(stale, themes_of("ada"))
    store.replace(fresh, themes_of("ada"))
    found = store.themes("ada")
    assert found
    assert found.value.themes == ()


def test_a_database_that_is_not_there_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port('127.0.0.1')}")
    client = firestore.Client(project="life-as-not-me", credentials=AnonymousCredentials())
    store = FirestoreThemeStore(client, timeout_s=0.5)
    for call in (lambda: store.themes("ada"), lambda: store.create(themes_of("ada"))):
        with pytest.raises(Retryable):
            call()  # type: ignore[no-untyped-call]
    client.close()
