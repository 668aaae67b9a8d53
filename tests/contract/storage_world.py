"""The world of the storage emulator: its clients, the three ways in, and a trigger's function that hears of objects."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials

from local.storage_emulator import serve_storage
from shared.google_storage import storage_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from google.cloud import storage

DEADLINE_S = 10.0
CHUNK_BYTES = 256 * 1024
CLIP = bytes(range(256)) * 4
#: What the client does by itself: up to 8 MiB at once, more than that in pieces.
KINDS = ("multipart", "resumable")


def wait_until(is_so: Callable[[], bool], *, what: str) -> None:
    """Poll until it is so; fail after the deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_S} s"
        time.sleep(0.01)


class Receiver:
    """A trigger's function: keeps the events it gets; ``answer`` takes the object resource and gives the status."""

    def __init__(self, *, port: int = 0, answer: Callable[[dict[str, Any]], int] = lambda _: 204) -> None:
        events: list[tuple[dict[str, str], dict[str, Any]]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                resource = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = answer(resource)
                events.append(({key.lower(): value for key, value in self.headers.items()}, resource))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.events = events
        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def names(self) -> list[str]:
        """Names of the objects it heard of, in order."""
        return [resource["name"] for _, resource in list(self.events)]

    def wait_for(self, count: int, *, spool: Path | None = None) -> None:
        """Until so many events have come, and none waits in the spool if one is given."""
        wait_until(lambda: len(self.events) >= count, what=f"{count} events")
        if spool:
            wait_until(lambda: list(spool.iterdir()) == [], what="an empty spool")


def client_of(url: str) -> storage.Client:
    """The real client, pointed at the emulator."""
    return storage_client("local", credentials=AnonymousCredentials(), client_options={"api_endpoint": url})


@contextmanager
def serving(data_dir: Path, *, notify_url: str | None = None) -> Iterator[storage.Bucket]:
    """The bucket ``videos`` of an emulator of its own."""
    with serve_storage(data_dir=data_dir, notify_url=notify_url, buckets=["videos"]) as url:
        yield client_of(url).bucket("videos")


def upload_url(bucket: storage.Bucket, query: str) -> str:
    """Where uploads go that the client would not send."""
    return f"{bucket.client.api_endpoint}/upload/storage/v1/b/{bucket.name}/o?{query}"


def upload(
    bucket: storage.Bucket,
    name: str,
    content: bytes,
    *,
    kind: str = "multipart",
    if_generation_match: int | None = None,
) -> int:
    """Upload in one of the two ways and return the generation; a resumable upload goes in small pieces."""
    blob = bucket.blob(name)
    if kind == "multipart":
        blob.upload_from_string(content, "video/mp4", if_generation_match=if_generation_match)
        return int(blob.generation)
    session = blob.create_resumable_upload_session("video/mp4", if_generation_match=if_generation_match)
    for start in range(0, max(len(content), 1), CHUNK_BYTES):
        chunk = content[start : start + CHUNK_BYTES]
        span = f"{start}-{start + len(chunk) - 1}" if chunk else "*"
        response = put(session, f"bytes {span}/{len(content)}", chunk)
        if not response.ok:
            raise exceptions.from_http_response(response)
    return int(response.json()["generation"])


def put(session: str, span: str, data: bytes = b"", **headers: str) -> requests.Response:
    """Send a chunk of a resumable upload, or a question how much of it has come."""
    return requests.put(session, data=data, headers={"Content-Range": span, **headers}, timeout=DEADLINE_S)
