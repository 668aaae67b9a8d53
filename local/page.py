"""The page on one machine: the built files, served as Azure Static Web Apps will, and ``/config.json``.

Enters: ``frontend/dist`` and where the parts of the system are. Leaves: a web server on a thread of this process. Its
headers are those of ``staticwebapp.config.json``, so that what its policy forbids is forbidden here too. Differences
from the cloud: the policy allows this machine's addresses, and nothing asks for HTTPS.
"""

from __future__ import annotations

import json
import re
import threading
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flask import Flask, Response
from werkzeug.security import safe_join
from werkzeug.serving import WSGIRequestHandler, make_server

from local.processes import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOSTING: Final = "staticwebapp.config.json"
#: The API, the database's and the storage's emulator listen on ports of their own.
LOCAL: Final = f"http://{HOST}:*"
_WIDER: Final = ("connect-src", "img-src", "media-src")
_ONLY_IN_THE_CLOUD: Final = "Strict-Transport-Security"


@dataclass(frozen=True, kw_only=True)
class PageConfig:
    """What the page reads from ``/config.json``."""

    api: str
    project: str
    #: ``host:port``; None: it polls the API.
    firestore_emulator: str | None
    #: The web configuration of a Firebase project: none on one machine.
    firebase: dict[str, str] | None = None
    #: Who sits here: an unsigned token, which is taken nowhere else.
    local_token: str | None


@contextmanager
def serve_page(dist: Path, *, port: int, config: PageConfig) -> Iterator[str]:
    """Serve it until the end of the block; its address."""
    server = make_server(HOST, port, page_app(dist, config=config), threaded=True, request_handler=_QuietHandler)
    thread = threading.Thread(target=server.serve_forever, name="page", daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def page_app(dist: Path, *, config: PageConfig) -> Flask:
    """The files as a web application."""
    app = Flask(__name__, static_folder=None)
    hosting = json.loads((dist / HOSTING).read_text("utf-8"))

    @app.get("/", defaults={"path": ""})
    @app.get("/<path:path>")
    def answer(path: str) -> Response:
        if path == "config.json":
            response = Response(json.dumps(asdict(config)), mimetype="application/json")
        elif (file := _file(dist, path)) is not None:
            response = Response(file.read_bytes(), mimetype=_kind(file, hosting))
        elif _is_excluded(f"/{path}", hosting):
            response = Response("There is no such file.\n", status=404, mimetype="text/plain")
        else:  # an address of the page's own
            response = Response((dist / "index.html").read_bytes(), mimetype="text/html")
        response.headers.update(_headers(f"/{path}", hosting))
        return response

    return app


def local_policy(policy: str) -> str:
    """A Content-Security-Policy that allows this machine's addresses too."""
    parts = [part.strip() for part in policy.split(";") if part.strip() not in {"", "upgrade-insecure-requests"}]
    return "; ".join(f"{part} {LOCAL}" if part.split()[0] in _WIDER else part for part in parts)


def _file(dist: Path, path: str) -> Path | None:
    """The file of that address, which lies in the folder."""
    joined = safe_join(str(dist), path)
    file = Path(joined) if joined and path != HOSTING else None
    return file if file and file.is_file() else None


def _kind(file: Path, hosting: Mapping[str, Any]) -> str:
    named: Mapping[str, str] = hosting.get("mimeTypes", {})
    return named.get(file.suffix) or guess_type(file.name)[0] or "application/octet-stream"


def _headers(path: str, hosting: Mapping[str, Any]) -> dict[str, str]:
    """Those for all, and those of the first route that fits."""
    headers: dict[str, str] = dict(hosting.get("globalHeaders", {}))
    for route in hosting.get("routes", ()):
        if fnmatchcase(path, route["route"]):
            headers |= route.get("headers", {})
            break
    headers.pop(_ONLY_IN_THE_CLOUD, None)
    if policy := headers.get("Content-Security-Policy"):
        headers["Content-Security-Policy"] = local_policy(policy)
    return headers


def _is_excluded(path: str, hosting: Mapping[str, Any]) -> bool:
    excluded = hosting.get("navigationFallback", {}).get("exclude", ())
    return path == f"/{HOSTING}" or any(fnmatchcase(path, each) for rule in excluded for each in _expanded(rule))


def _expanded(rule: str) -> list[str]:
    """A rule without its braces: ``/*.{js,css}`` is two."""
    found = re.fullmatch(r"(.*)\{(.*)\}(.*)", rule)
    return [f"{found[1]}{each}{found[3]}" for each in found[2].split(",")] if found else [rule]


class _QuietHandler(WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""
