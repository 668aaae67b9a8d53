"""The CloudEvent of a new object, and what counts as its delivery."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import requests

from local.eventarc import DeliveryError, deliver_event, finalized_event

RESOURCE = {
    "kind": "storage#object",
    "id": "videos/renders/1f/video.mp4/1587627537231057",
    "name": "renders/1f/video.mp4",
    "bucket": "videos",
    "generation": "1587627537231057",
    "timeCreated": "2020-04-23T07:38:57.230Z",
    "size": "352",
    "metadata": {"render": "1f"},
}


@pytest.fixture
def receiver() -> Iterator[Callable[[int], tuple[str, list[bytes]]]]:
    """Starts a receiver that answers one status; its URL and the bodies that it got."""
    running: list[tuple[HTTPServer, threading.Thread]] = []

    def start(status: int) -> tuple[str, list[bytes]]:
        bodies: list[bytes] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/", bodies

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_event_has_the_headers_of_one_recorded_in_the_cloud() -> None:
    headers, body = finalized_event(RESOURCE)
    assert headers.pop("ce-id").isdecimal()
    assert headers == {
        "Content-Type": "application/json",
        "ce-specversion": "1.0",
        "ce-time": "2020-04-23T07:38:57.230Z",
        "ce-type": "google.cloud.storage.object.v1.finalized",
        "ce-source": "//storage.googleapis.com/projects/_/buckets/videos",
        "ce-subject": "objects/renders/1f/video.mp4",
        "ce-bucket": "videos",
    }
    assert json.loads(body) == RESOURCE


def test_one_generation_has_one_id_and_the_next_another() -> None:
    following = {**RESOURCE, "id": "videos/renders/1f/video.mp4/1587627537231058"}
    ids = [finalized_event(resource)[0]["ce-id"] for resource in (RESOURCE, dict(RESOURCE), following)]
    assert ids[0] == ids[1] != ids[2]


def test_a_name_that_no_header_can_carry_is_percent_encoded() -> None:
    headers, _ = finalized_event({**RESOURCE, "name": 'Blüte 100%"'})
    assert headers["ce-subject"] == "objects/Bl%C3%BCte%20100%25%22"


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_event_is_delivered_when_the_receiver_says_so(
    receiver: Callable[[int], tuple[str, list[bytes]]], status: int
) -> None:
    url, bodies = receiver(status)
    deliver_event(url, RESOURCE)
    assert [json.loads(body) for body in bodies] == [RESOURCE]


@pytest.mark.parametrize("status", [302, 307, 400, 404, 429, 500, 503])
def test_any_other_answer_is_no_delivery_and_is_not_followed(
    receiver: Callable[[int], tuple[str, list[bytes]]], status: int
) -> None:
    url, bodies = receiver(status)
    with pytest.raises(DeliveryError, match=str(status)):
        deliver_event(url, RESOURCE)
    assert len(bodies) == 1


def test_a_receiver_that_is_down_is_no_delivery() -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with pytest.raises(requests.ConnectionError):
        deliver_event(f"http://127.0.0.1:{port}/", RESOURCE)


def test_a_proxy_of_the_environment_is_not_asked(
    receiver: Callable[[int], tuple[str, list[bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    url, bodies = receiver(204)
    deliver_event(url, RESOURCE)
    assert len(bodies) == 1
