"""What every crew store keeps: in memory, and on Google's emulator."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from local.processes import free_port
from shared.crew import KEPT, Orders, Presence
from shared.crew_store.firestore import FirestoreCrewStore
from shared.crew_store.memory import InMemoryCrewStore
from shared.errors import Conflict, Retryable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.crew_store import CrewStore

#: With microseconds, and not in UTC.
NOW = datetime(2026, 3, 4, 5, 6, 7, 891_234, tzinfo=timezone(timedelta(hours=2)))
MINUTE = timedelta(minutes=1)
DRAIN = Orders(is_draining=True, reason="a new model: Grün", changed_at=NOW)
WORK = Orders(is_draining=False, reason="", changed_at=NOW + MINUTE)


@pytest.fixture(params=["memory", pytest.param("firestore", marks=pytest.mark.emulators)])
def store(request: pytest.FixtureRequest) -> Iterator[CrewStore]:
    """Each kind in turn, empty."""
    if request.param == "memory":
        yield InMemoryCrewStore()
        return
    client = firestore.Client(project=request.getfixturevalue("project"))
    yield FirestoreCrewStore(client)
    client.close()


def a_presence(holder: str, *, seen_at: datetime = NOW) -> Presence:
    return Presence(holder=holder, models=("pocket", "other"), since=NOW, seen_at=seen_at, expires_at=seen_at + KEPT)


def test_who_reports_is_present_once_as_last_seen(store: CrewStore) -> None:
    store.report(a_presence("worker-a"))
    later = a_presence("worker-a", seen_at=NOW + MINUTE)
    store.report(later)

    assert store.present(since=NOW, limit=9) == [later]


def test_who_was_seen_last_comes_first_and_who_was_not_seen_lately_not_at_all(store: CrewStore) -> None:
    seen = {f"worker-{minutes}": NOW + minutes * MINUTE for minutes in (2, 0, 3, 1)}
    for holder, seen_at in seen.items():
        store.report(a_presence(holder, seen_at=seen_at))

    assert [each.holder for each in store.present(since=NOW + MINUTE, limit=9)] == ["worker-3", "worker-2", "worker-1"]
    assert [each.holder for each in store.present(since=NOW, limit=1)] == ["worker-3"]


def test_who_has_left_is_gone_and_may_leave_again(store: CrewStore) -> None:
    store.report(a_presence("worker-a"))
    store.report(a_presence("worker-b"))

    store.leave("worker-a")
    store.leave("worker-a")

    assert [each.holder for each in store.present(since=NOW, limit=9)] == ["worker-b"]


def test_orders_come_back_equal_and_may_be_changed_and_changed_back(store: CrewStore) -> None:
    assert store.orders() is None
    first = store.create_orders(DRAIN)
    found = store.orders()
    assert found == first
    assert found.value == DRAIN

    store.replace_orders(found, WORK)

    again = store.orders()
    assert again
    assert again.value == WORK


def test_orders_that_somebody_else_changed_are_not_overwritten(store: CrewStore) -> None:
    first = store.create_orders(DRAIN)
    store.replace_orders(first, WORK)

    with pytest.raises(Conflict):
        store.replace_orders(first, DRAIN)
    with pytest.raises(Conflict):
        store.create_orders(DRAIN)

    found = store.orders()
    assert found
    assert found.value == WORK


def test_orders_that_were_never_given_cannot_be_replaced(store: CrewStore) -> None:
    other = InMemoryCrewStore().create_orders(DRAIN)
    if isinstance(store, FirestoreCrewStore):
        other = type(other)(value=DRAIN, version=NOW)

    with pytest.raises(Conflict):
        store.replace_orders(other, WORK)


def test_a_database_that_is_not_there_is_retryable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    store = FirestoreCrewStore(firestore.Client(project="nowhere", credentials=AnonymousCredentials()), timeout_s=0.2)
    for call in (
        store.orders,
        lambda: store.present(since=NOW, limit=1),
        lambda: store.report(a_presence("worker-a")),
        lambda: store.leave("worker-a"),
        lambda: store.create_orders(DRAIN),
    ):
        with pytest.raises(Retryable):
            call()
