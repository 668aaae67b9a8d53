"""A threaded WSGI server with connections that stay open and a stop that leaves nothing behind.

Enters: HTTP/1.1 requests. Leaves: calls of one WSGI application, one thread a connection.

Werkzeug's own server closes every connection after one answer, which costs a client that uploads or seeks in a video a
connection a request, and it does not end the threads of open connections. This one drains what the application left
of a request's body, so the connection can carry the next request. Every answer needs a Content-Length: it never chunks.
"""

import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

#: An idle connection ends after this; clients find out and connect again.
_IDLE_TIMEOUT_S = 120
#: How often the accepting thread looks whether it should stop.
_POLL_S = 0.1
#: How long a stop waits for answers under way, before it cuts their connections.
_GRACE_S = 0.5
_DRAIN_BYTES = 1 << 16
#: What is cheaper to read and throw away than to make the client connect again.
_DRAIN_AT_MOST_BYTES = 64 << 20


class _Body(io.RawIOBase):
    """Exactly the bytes of one request's body, with a count of those not yet read."""

    def __init__(self, raw: io.BufferedIOBase, length_bytes: int) -> None:
        self._raw = raw
        self.left_bytes = length_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - typeshed's WriteableBuffer is no run-time type
        chunk = self._raw.read(min(len(buffer), self.left_bytes))
        if self.left_bytes and not chunk:
            msg = "the client left in the middle of its request"
            raise ConnectionResetError(msg)
        self.left_bytes -= len(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_TIMEOUT_S
    # Headers and body go out in separate writes; Nagle's algorithm would hold the second back for 40 ms.
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        environ = self.make_environ()
        body: _Body | None = None
        if environ.get("wsgi.input_terminated"):
            self.close_connection = True
        else:
            length = self.headers.get("Content-Length", "0")
            if not length.isascii() or not length.isdigit():
                self.send_error(400, "Bad Content-Length")
                self.close_connection = True
                return
            body = environ["wsgi.input"] = _Body(self.rfile, int(length))
        try:
            self._answer(environ)
            self._drain(body)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _answer(self, environ: Any) -> None:  # noqa: ANN401 - the WSGI environment
        head: list[Any] = []
        # The application may not write, so start_response returns nothing.
        chunks: Iterable[bytes] = self.server.app(environ, lambda *args: head.extend(args[:2]))  # type: ignore[arg-type, func-returns-value]
        try:
            status, headers = head
            code, _, reason = status.partition(" ")
            self.send_response(int(code), reason)
            for key, value in headers:
                self.send_header(key, value)
            bodyless = self.command == "HEAD" or int(code) in {204, 304}
            if not bodyless and not any(key.lower() == "content-length" for key, _ in headers):
                self.close_connection = True
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            for chunk in chunks:
                if not bodyless:
                    self.wfile.write(chunk)
        except BaseException:
            # A part of an answer went out, perhaps: nothing may follow it.
            self.close_connection = True
            raise
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def _drain(self, body: _Body | None) -> None:
        if body is None:
            return
        if body.left_bytes > _DRAIN_AT_MOST_BYTES:
            self.close_connection = True
            return
        while body.left_bytes:
            body.read(_DRAIN_BYTES)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing: a signed URL must not reach a log."""


class KeepAliveServer(ThreadedWSGIServer):
    """Binds when made (OSError when the port is taken), serves between ``start`` and ``stop``."""

    def __init__(self, host: str, port: int, app: "WSGIApplication") -> None:
        # Bound here, because werkzeug ends the whole program when it cannot bind.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(self.request_queue_size)
            super().__init__(host, port, app, handler=_Handler, fd=listener.fileno())
        self._connections: dict[threading.Thread, socket.socket] = {}
        self._connections_lock = threading.Lock()
        self._accepting = threading.Thread(
            target=self.serve_forever, args=(_POLL_S,), name="storage-accept", daemon=True
        )

    def start(self) -> None:
        """Serve in threads of its own."""
        self._accepting.start()

    def stop(self) -> None:
        """Answer what has begun, close every connection, end every thread; about half a second at the longest."""
        if self._accepting.ident is None:
            self.server_close()
            return
        self.shutdown()
        self._accepting.join()
        # An idle connection reads its end; an answer under way can still be written.
        self._close_connections(socket.SHUT_RD, deadline_s=time.monotonic() + _GRACE_S)
        self._close_connections(socket.SHUT_RDWR, deadline_s=time.monotonic() + _GRACE_S / 2)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as socketserver has it
        """Handle a connection in a thread that ``stop`` can find."""
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="storage-connection", daemon=True
        )
        with self._connections_lock:
            # A thread takes itself off only by ending, so stop never misses one that is about to.
            self._connections = {each: open_ for each, open_ in self._connections.items() if each.is_alive()}
            self._connections[thread] = request
            thread.start()

    def _close_connections(self, how: int, *, deadline_s: float) -> None:
        with self._connections_lock:
            open_now = dict(self._connections)
        for connection in open_now.values():
            with contextlib.suppress(OSError):
                connection.shutdown(how)
        for thread in open_now:
            thread.join(max(0.0, deadline_s - time.monotonic()))
