"""A Firestore that can not be reached, and what each error of the vendor says."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest
from google.api_core import exceptions as google
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore

from local.processes import free_port
from shared.errors import Conflict, Retryable
from shared.job_store import Create, StoreNotReadyError
from shared.job_store.firestore import FirestoreJobStore
from shared.requests import Priority
from shared.testing import a_render
from tests.contract.job_store_world import NOW, PATIENCE_S, put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.documents import Render


@pytest.fixture
def render() -> Render:
    return a_render(now=NOW)


def test_a_firestore_that_can_not_be_reached_is_retryable_within_the_given_time(
    monkeypatch: pytest.MonkeyPatch, render: Render
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{free_port()}")
    client = firestore.Client(project="nowhere")
    store = FirestoreJobStore(client, timeout_s=0.3)
    begun = time.monotonic()

    with pytest.raises(Retryable):
        store.job("example-job")
    with pytest.raises(Retryable):
        store.waiting_jobs(render.render_key)
    with pytest.raises(Retryable):
        store.renders_to_do(Priority.BULK)
    with pytest.raises(Retryable):
        put(store, render)

    assert time.monotonic() - begun < PATIENCE_S
    client.close()


def vendor_errors(root: type[google.GoogleAPICallError]) -> set[type[google.GoogleAPICallError]]:
    """It and all below it."""
    return {root}.union(*map(vendor_errors, root.__subclasses__()))


#: All that say that another wrote first. `Aborted` is none: the database gave up on its own locks.
CONFLICTS = {google.FailedPrecondition, google.AlreadyExists, google.NotFound}

#: Not those of other services' libraries, which depend on what else this run has imported.
VENDOR_ERRORS = sorted(
    (each for each in vendor_errors(google.GoogleAPICallError) if each.__module__ == google.__name__),
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("error", VENDOR_ERRORS, ids=[each.__name__ for each in VENDOR_ERRORS])
def test_every_error_of_the_vendor_says_either_that_another_was_first_or_that_nobody_answers(
    error: type[google.GoogleAPICallError], render: Render
) -> None:
    class Failing(firestore.Client):  # type: ignore[misc]
        def batch(self) -> Any:
            return self

        def create(self, *_: Any) -> None:
            pass

        def commit(self, **_: Any) -> None:
            raise error("in the vendor's words")

    store = FirestoreJobStore(Failing(project="nowhere", credentials=AnonymousCredentials()))
    with pytest.raises(Retryable) as caught:
        store.commit(Create(value=render))
    assert type(caught.value) is (Conflict if error in CONFLICTS else Retryable)
    assert isinstance(caught.value.__cause__, error)


@pytest.mark.parametrize("error", VENDOR_ERRORS, ids=[each.__name__ for each in VENDOR_ERRORS])
def test_no_error_of_the_vendor_at_a_reading_says_that_another_was_first(
    error: type[google.GoogleAPICallError],
) -> None:
    """A missing index is a failed precondition too: who took it for a lost race would try again at once, forever."""

    class Failing(firestore.Client):  # type: ignore[misc]
        def collection(self, *_: Any, **__: Any) -> Any:
            return self

        document = where = order_by = limit = count = collection

        def stream(self, *_: Any, **__: Any) -> None:
            raise error("in the vendor's words")

        get = get_all = stream

    store = FirestoreJobStore(Failing(project="nowhere", credentials=AnonymousCredentials()))
    readings: list[Callable[[], object]] = [
        lambda: store.job("example-job"),
        lambda: store.renders({"0" * 40}),
        lambda: store.renders_to_do(Priority.BULK),
        lambda: store.jobs_left_waiting(since=NOW, limit=5),
    ]
    expected = StoreNotReadyError if error is google.FailedPrecondition else Retryable
    for reading in readings:
        with pytest.raises(expected) as caught:
            reading()
        assert type(caught.value) is expected
        assert isinstance(caught.value.__cause__, error)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Somebody takes every call there, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_firestore_that_takes_calls_and_never_answers_is_retryable_within_the_given_time(
    monkeypatch: pytest.MonkeyPatch, render: Render, silent_port: int
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{silent_port}")
    client = firestore.Client(project="nowhere")
    store = FirestoreJobStore(client, timeout_s=0.5)
    for call in (
        lambda: store.render(render.render_key),
        lambda: store.waiting_jobs(render.render_key),
        lambda: put(store, render),
    ):
        begun = time.monotonic()
        with pytest.raises(Retryable):
            call()
        assert time.monotonic() - begun < PATIENCE_S
    client.close()
