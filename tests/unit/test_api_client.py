"""What the command shows the API of who it is, and what it says when that is not enough."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from cli.api_client import ApiClient, ApiError
from local.tokens import HERE, local_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROBLEM = {"title": "Say who you are", "status": 401, "code": "unauthenticated", "detail": "The token has expired."}


class Server(ThreadingHTTPServer):
    """An API that remembers how it was asked, and links to itself."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str | None]] = []
        self.knows_callers = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Authorization"]))
        body: dict[str, Any] = {"themes": [], "url": f"{self.server.url}/file", "expires_at": "2026-01-01T00:00:00Z"}
        data = json.dumps(body if self.server.knows_callers else PROBLEM).encode()
        self.send_response(200 if self.server.knows_callers else 401)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_a_system_on_this_machine_is_shown_a_token_that_was_made_here(server: Server) -> None:
    ApiClient(server.url).catalogue("themes")
    [(_, shown)] = server.asked
    assert shown
    assert shown.removeprefix("Bearer ").split(".")[0] == local_token(HERE).split(".")[0]


def test_a_token_that_was_given_is_shown_instead(server: Server) -> None:
    ApiClient(server.url, token="given").catalogue("themes")
    assert server.asked == [("/themes", "Bearer given")]


@pytest.mark.parametrize(
    "url", ["https://api.example", "http://127.0.0.1.evil.example", "http://localhost@evil.example"]
)
def test_no_other_deployment_is_shown_a_token_of_this_machine(url: str) -> None:
    assert ApiClient(url)._headers == {}


def test_who_keeps_the_files_is_not_shown_the_token(server: Server, tmp_path: Path) -> None:
    ApiClient(server.url, token="given").save_video("job-0001", tmp_path / "cat.mp4")
    assert server.asked == [("/jobs/job-0001/video", "Bearer given"), ("/file", None)]


def test_who_is_not_known_is_told_how_to_say_who_they_are(server: Server) -> None:
    server.knows_callers = False
    with pytest.raises(ApiError) as caught:
        ApiClient(server.url, token="old").job("job-0001")
    assert "The token has expired." in str(caught.value)
    assert "--token or in LIFEASNOTME_TOKEN" in str(caught.value)
