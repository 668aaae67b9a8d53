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
from collections.abc import Iterator, Sequence
from pathlib import Path

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
from shared import telemetry

#: How often the accepting thread looks whether it should stop.
_POLL_S = 0.05


@contextlib.contextmanager
def serve_storage(
    *,
    data_dir: Path,
    host: str = "127.0.0.1",
    port: int = 0,
    notify_url: str | None = None,
    signing_key_file: Path | None = None,
    buckets: Sequence[str] = (),
) -> Iterator[str]:
    """Serve on threads of its own; the URL, for ``STORAGE_EMULATOR_HOST``, as soon as requests are answered.

    Without ``notify_url`` no events are made; those of an earlier run stay in the folder. Without ``signing_key_file``
    signed URLs open nothing; the file is made when it is missing. ``buckets`` are made when they are missing.
    At its end a request under way is done as a whole, or not at all.

    Raises:
        LocalStackError: the port is taken, the folder is in use, or the file is no key; the message is for the caller.
    """
    if port:
        # werkzeug itself would end the whole program.
        ensure_port_free(host, port, wanted_by="storage emulator")
    with contextlib.ExitStack() as running:
        # The port first: the events carry its number.
        server = ThreadedWSGIServer(host, port, ServiceUnavailable(), handler=_Handler)
        running.callback(server.server_close)
        url = f"http://{host}:{server.port}"
        signing_key = read_public_key(make_signing_key(signing_key_file)) if signing_key_file else None
        events = None
        if notify_url:
            events = EventSpool(data_dir / "events", functools.partial(deliver_event, notify_url))
        store = ObjectStore(data_dir, events=events, base_url=url)
        running.callback(store.close)
        for bucket in buckets:
            with contextlib.suppress(Conflict):
                store.create_bucket(bucket)
        if events:
            events.start()
            running.callback(events.stop)
        server.app = StorageApi(store, signing_key=signing_key)
        accepting = threading.Thread(target=server.serve_forever, args=(_POLL_S,), name="storage-accept")
        accepting.start()
        running.callback(accepting.join)
        running.callback(server.shutdown)
        yield url


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
def main(  # noqa: PLR0917 - click passes every option by keyword
    host: str, port: int, data: Path, notify_url: str | None, signing_key_file: Path | None, buckets: tuple[str, ...]
) -> None:
    """Serve Google Cloud Storage on this machine, until SIGINT or SIGTERM; print its URL when it is ready."""
    telemetry.configure(service="storage-emulator", level="WARNING")
    ends = {signal.SIGINT, signal.SIGTERM}
    # Blocked in every thread and waited for: one that comes while it starts is not lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    serving = serve_storage(
        data_dir=data,
        host=host,
        port=port,
        notify_url=notify_url,
        signing_key_file=signing_key_file,
        buckets=buckets,
    )
    try:
        with serving as url:
            click.echo(url)
            signal.sigwait(ends)
    except LocalStackError as exc:
        raise click.ClickException(str(exc)) from exc
    except HTTPException as exc:
        raise click.ClickException(exc.description or exc.name) from exc


if __name__ == "__main__":
    main()
