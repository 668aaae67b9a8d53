"""Google Cloud Storage on one machine: a process, or a server inside another one.

Enters: a data folder, a port, a receiver of finalized events, a signing key.
Leaves: an HTTP server for google-cloud-storage (``STORAGE_EMULATOR_HOST``) and for browsers (signed URLs), whose
objects and undelivered events survive a restart.

The parts: ``storage_api`` (HTTP), ``storage_uploads``, ``storage_downloads``, ``storage_listing``, ``storage_objects``
(disk), ``storage_values``, ``storage_events`` (spool), ``eventarc`` (CloudEvents), ``signed_urls``, ``signing_key``.
Each says what it keeps of the cloud and what not. The JSON API asks for no credentials: do not put it on a network.
"""

import contextlib
import functools
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import click
from werkzeug.exceptions import Conflict, HTTPException, ServiceUnavailable
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from local.errors import LocalStackError
from local.eventarc import deliver_event
from local.processes import ensure_port_free
from local.signing_key import make_signing_key, read_public_key
from local.storage_api import StorageApi
from local.storage_events import EventSpool
from local.storage_objects import ObjectStore

#: How often the accepting thread looks whether it should stop.
_POLL_S = 0.05


class StorageEmulator:
    """A storage server on its own threads, from ``start`` (or ``with``) to ``stop``.

    Without ``notify_url`` no events are made; those of an earlier run stay in the folder. Without ``signing_key_file``
    signed URLs open nothing; the file is made when it is missing. ``buckets`` are made when they are missing.
    """

    def __init__(
        self,
        *,
        data_dir: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        notify_url: str | None = None,
        signing_key_file: Path | None = None,
        buckets: Sequence[str] = (),
    ) -> None:
        self._data_dir = data_dir
        self._host = host
        self._port = port
        self._notify_url = notify_url
        self._signing_key_file = signing_key_file
        self._buckets = buckets
        self._running = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """The value for ``STORAGE_EMULATOR_HOST``, once started; no slash at its end."""
        return f"http://{self._host}:{self._port}"

    def start(self) -> Self:
        """Listen and serve; when it returns, requests are answered. LocalStackError says what is in the way."""
        if self._port:
            # werkzeug itself would end the whole program.
            ensure_port_free(self._host, self._port, wanted_by="storage emulator")
        with contextlib.ExitStack() as started:
            # The port first: the events carry its number.
            server = ThreadedWSGIServer(self._host, self._port, ServiceUnavailable(), handler=_Handler)
            started.callback(server.server_close)
            self._port = server.port
            key_file = self._signing_key_file
            signing_key = read_public_key(make_signing_key(key_file)) if key_file else None
            events = None
            if self._notify_url:
                events = EventSpool(self._data_dir / "events", functools.partial(deliver_event, self._notify_url))
            store = ObjectStore(self._data_dir, events=events, base_url=self.url)
            started.callback(store.close)
            for bucket in self._buckets:
                with contextlib.suppress(Conflict):
                    store.create_bucket(bucket)
            if events:
                events.start()
                started.callback(events.stop)
            server.app = StorageApi(store, signing_key=signing_key)
            accepting = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="storage-accept")
            accepting.start()
            started.callback(accepting.join)
            started.callback(server.shutdown)
            self._running = started.pop_all()
        return self

    def stop(self) -> None:
        """Leave no socket and no file open; twice is once. A request under way is done as a whole, or not at all."""
        self._running.close()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


class _Handler(WSGIRequestHandler):
    # Headers and body go out in separate writes; Nagle's algorithm would hold the second back for 40 ms.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: a signed URL must not reach a log."""


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to listen on; 0 takes a free one.")
@click.option("--data", type=click.Path(path_type=Path), required=True, metavar="DIR", help="Where objects are kept.")
@click.option("--notify-url", metavar="URL", help="Receiver of the finalized events.")
@click.option("--signing-key-file", type=click.Path(path_type=Path), metavar="FILE", help="Made when missing.")
@click.option("--bucket", "buckets", multiple=True, metavar="NAME", help="A bucket to have; may be repeated.")
def main(
    host: str, port: int, data: Path, notify_url: str | None, signing_key_file: Path | None, buckets: tuple[str, ...]
) -> None:
    """Serve Google Cloud Storage on this machine, until SIGINT or SIGTERM; print its URL when it is ready."""
    ends = {signal.SIGINT, signal.SIGTERM}
    # Blocked in every thread and waited for: one that comes while it starts is not lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    emulator = StorageEmulator(
        data_dir=data,
        host=host,
        port=port,
        notify_url=notify_url,
        signing_key_file=signing_key_file,
        buckets=buckets,
    )
    try:
        with emulator:
            click.echo(emulator.url)
            signal.sigwait(ends)
    except LocalStackError as exc:
        raise click.ClickException(str(exc)) from exc
    except HTTPException as exc:
        raise click.ClickException(exc.description or exc.name) from exc


if __name__ == "__main__":
    main()
