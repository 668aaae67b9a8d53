"""Google Cloud Storage on one machine: a process, or a server inside another one.

Enters: a data folder, a port, a receiver of finalized events, the public half of a signing key.
Leaves: an HTTP server for google-cloud-storage (``STORAGE_EMULATOR_HOST``) and for browsers (signed URLs), whose objects
and undelivered events survive a restart.

The parts: ``storage_api`` (HTTP), ``storage_uploads``, ``storage_downloads``, ``storage_listing``, ``storage_objects`` (disk),
``storage_values``, ``storage_events`` (spool), ``signed_urls``, ``keepalive_server``. Each says what it keeps of the cloud and
what not. It listens on 127.0.0.1 and its JSON API asks for no credentials: do not put it on a network.
"""

import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import click

from local.eventarc import deliver_by_http
from local.keepalive_server import KeepAliveServer
from local.signed_urls import UrlVerifier
from local.signing_key import SigningKeyError, public_key_pem
from local.storage_api import LOCAL_ORIGINS, StorageApi, public_policy
from local.storage_events import Deliver, EventSpool
from local.storage_objects import DataFolderInUseError, ObjectStore
from local.storage_uploads import ResumableUploads
from local.storage_values import ConflictError, InvalidError


def _now() -> datetime:
    return datetime.now(UTC)


class StorageEmulator:
    """A storage server on its own threads, from ``start`` (or ``with``) to ``stop``.

    ``start`` raises OSError when the port is taken and DataFolderInUseError when another emulator has the folder.
    Without ``deliver`` no events are made; those of an earlier run stay in the folder. ``public_key`` is PEM; without it
    signed URLs open nothing. ``buckets`` are made when missing, ``public_buckets`` too, and everyone may read these.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        deliver: Deliver | None = None,
        public_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        buckets: Sequence[str] = (),
        public_buckets: Sequence[str] = (),
        cors_origins: Sequence[str] = LOCAL_ORIGINS,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._data_dir = data_dir
        self._deliver = deliver
        self._verifier = UrlVerifier(public_key) if public_key else None
        self._host = host
        self._port = port
        self._buckets = buckets
        self._public_buckets = public_buckets
        self._cors_origins = cors_origins
        self._clock = clock
        self._server: KeepAliveServer | None = None
        self._store: ObjectStore | None = None
        self._spool: EventSpool | None = None

    @property
    def port(self) -> int:
        """The port it listens on; the one asked for until it listens."""
        return self._server.port if self._server else self._port

    @property
    def url(self) -> str:
        """The value for ``STORAGE_EMULATOR_HOST``; no slash at its end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    def start(self) -> Self:
        """Listen and serve; when it returns, requests are answered."""
        try:
            # The port first: it is the cheapest thing to be refused, and the events need its number.
            self._server = KeepAliveServer(self._host, self._port, _not_ready)
            if self._deliver:
                self._spool = EventSpool(self._data_dir / "events", self._deliver)
            self._store = ObjectStore(self._data_dir, outbox=self._spool, base_url=self.url)
            for bucket in (*self._buckets, *self._public_buckets):
                _ensure_bucket(self._store, bucket)
            for bucket in self._public_buckets:
                self._store.update_bucket(bucket, public_policy())
            self._server.app = StorageApi(
                self._store,
                ResumableUploads(self._data_dir / "uploads", self._store),
                verifier=self._verifier,
                cors_origins=self._cors_origins,
                clock=self._clock,
            )
        except BaseException:
            self.stop()
            raise
        self._server.start()
        if self._spool:
            self._spool.start()
        return self

    def stop(self) -> None:
        """Answer what has begun, then leave no thread and no socket; twice is once."""
        if self._server:
            self._port = self._server.port
            self._server.stop()
        if self._spool:
            self._spool.stop()
        if self._store:
            self._store.close()
        self._server = self._spool = self._store = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()
