"""Google's emulators as this repository starts them, and the behaviour that the rest of it counts on.

The last part states where they differ from the cloud: a test that fails there tells of an emulator that was mended.
"""

import base64
import http.server
import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from google.api_core.exceptions import AlreadyExists, FailedPrecondition
from google.cloud import firestore, pubsub_v1
from google.cloud.firestore_v1.base_query import FieldFilter

from local.emulator_finder import EmulatorBinaries
from local.emulators import RunningEmulator, start_pubsub
from local.errors import PortTakenError, ProcessFailedError
from local.processes import port_open

pytestmark = pytest.mark.emulators

ROOT = Path(__file__).resolve().parents[2]
#: A stack of one emulator, for a test to kill.
STACK = """
import sys
from pathlib import Path
from local.emulator_finder import find_emulators
from local.emulators import start_pubsub
emulator = start_pubsub(find_emulators(download=False), log_path=Path(sys.argv[1]))
emulator.wait_ready()
print(emulator.endpoint, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def jobs(
    emulators: tuple[RunningEmulator, RunningEmulator], monkeypatch: pytest.MonkeyPatch
) -> Iterator[firestore.CollectionReference]:
    """A collection of a project of its own."""
    for name, value in emulators[0].env.items():
        monkeypatch.setenv(name, value)
    client = firestore.Client(project=f"test-{uuid.uuid4().hex}")
    yield client.collection("jobs")
    client.close()


class PubSub:
    """A topic, and subscriptions to it."""

    def __init__(self) -> None:
        self.publisher = pubsub_v1.PublisherClient()
        self.subscriber = pubsub_v1.SubscriberClient()
        self.project = f"projects/test-{uuid.uuid4().hex}"
        self.topic = f"{self.project}/topics/render"
        self.publisher.create_topic(name=self.topic)

    def subscribe(self, name: str = "worker", **options: object) -> str:
        path = f"{self.project}/subscriptions/{name}"
        self.subscriber.create_subscription(
            request={"name": path, "topic": self.topic, "ack_deadline_seconds": 10, **options}
        )
        return path

    def publish(self, data: bytes, **attributes: str) -> str:
        message_id: str = self.publisher.publish(self.topic, data, **attributes).result(timeout=10)
        return message_id

    def pull(self, subscription: str, *, timeout_s: float = 5.0) -> list[pubsub_v1.types.ReceivedMessage]:
        request = {"subscription": subscription, "max_messages": 1}
        return list(self.subscriber.pull(request=request, timeout=timeout_s).received_messages)

    def give_back(self, subscription: str, ack_id: str) -> None:
        self.subscriber.modify_ack_deadline(
            request={"subscription": subscription, "ack_ids": [ack_id], "ack_deadline_seconds": 0}
        )


@pytest.fixture
def pubsub(emulators: tuple[RunningEmulator, RunningEmulator], monkeypatch: pytest.MonkeyPatch) -> Iterator[PubSub]:
    for name, value in emulators[1].env.items():
        monkeypatch.setenv(name, value)
    pubsub = PubSub()
    yield pubsub
    for subscription in pubsub.subscriber.list_subscriptions(project=pubsub.project):
        pubsub.subscriber.delete_subscription(subscription=subscription.name)
    pubsub.subscriber.close()
    pubsub.publisher.stop()
    pubsub.publisher.transport.close()


class PushTarget(http.server.ThreadingHTTPServer):
    """Keeps what is pushed to it; answers 500 to the first request and 204 afterwards."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Push)
        self.pushed: list[tuple[dict[str, str], bytes]] = []


class _Push(http.server.BaseHTTPRequestHandler):
    server: PushTarget

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.pushed.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(500 if len(self.server.pushed) == 1 else 204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture
def push_target() -> Iterator[PushTarget]:
    with PushTarget() as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def until(condition: Callable[[], object], *, within_s: float = 10.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "the deadline passed"
        time.sleep(0.01)


# Processes


def test_an_emulator_on_a_taken_port_is_refused_in_one_line(
    binaries: EmulatorBinaries, emulators: tuple[RunningEmulator, RunningEmulator], tmp_path: Path
) -> None:
    port = int(emulators[0].endpoint.partition(":")[2])
    with pytest.raises(PortTakenError, match=f"Port {port} on 127.0.0.1, wanted by the Pub/Sub emulator") as caught:
        start_pubsub(binaries, port=port, log_path=tmp_path / "pubsub.log")
    assert "\n" not in str(caught.value)


def test_an_emulator_that_ends_early_is_reported_with_what_java_said(
    binaries: EmulatorBinaries, tmp_path: Path
) -> None:
    broken = replace(binaries.pubsub, launch=("-cp", str(tmp_path), "NoSuchClass"))
    emulator = start_pubsub(replace(binaries, pubsub=broken), log_path=tmp_path / "pubsub.log")
    with pytest.raises(ProcessFailedError, match=r"(?s)Pub/Sub emulator ended with exit code 1.*NoSuchClass"):
        emulator.wait_ready()


def test_a_killed_stack_leaves_no_emulator(binaries: EmulatorBinaries, tmp_path: Path) -> None:
    assert binaries
    argv = [sys.executable, "-c", STACK, str(tmp_path / "pubsub.log")]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stack:
        assert stack.stdout is not None
        host, _, port = stack.stdout.readline().strip().partition(":")
        assert port_open(host, int(port))
        stack.kill()
        stack.wait()
        until(lambda: not port_open(host, int(port)), within_s=2.0)


# What the stores count on


def test_a_document_is_created_once(jobs: firestore.CollectionReference) -> None:
    jobs.document("a").create({"status": "queued"})
    with pytest.raises(AlreadyExists):
        jobs.document("a").create({"status": "done"})
    assert jobs.document("a").get().to_dict() == {"status": "queued"}


@pytest.mark.parametrize("refused", ["stale", "existing"])
def test_a_batch_with_one_refused_write_writes_nothing(jobs: firestore.CollectionReference, refused: str) -> None:
    client = jobs._client
    first = jobs.document("a").create({"n": 1})
    until(lambda: jobs.document("a").update({"n": 2, "at": time.time()}).update_time > first.update_time)
    batch = client.batch()
    batch.create(jobs.document("b"), {})
    if refused == "stale":
        batch.update(jobs.document("a"), {"n": 3}, option=client.write_option(last_update_time=first.update_time))
    else:
        batch.create(jobs.document("a"), {"n": 3})
    with pytest.raises(FailedPrecondition if refused == "stale" else AlreadyExists):
        batch.commit()
    assert not jobs.document("b").get().exists
    assert jobs.document("a").get().get("n") == 2


def test_a_write_with_the_current_update_time_is_accepted(jobs: firestore.CollectionReference) -> None:
    jobs.document("a").create({"n": 1})
    current = jobs.document("a").get().update_time
    result = jobs.document("a").update({"n": 2}, option=jobs._client.write_option(last_update_time=current))
    assert jobs.document("a").get().update_time == result.update_time > current


def test_a_write_that_changes_nothing_keeps_the_update_time(jobs: firestore.CollectionReference) -> None:
    first = jobs.document("a").set({"n": 1}).update_time
    assert jobs.document("a").set({"n": 1}).update_time == first


def test_every_snapshot_of_a_query_tells_the_same_read_time(jobs: firestore.CollectionReference) -> None:
    for name in "abc":
        jobs.document(name).create({"status": "queued"})
    found = list(jobs.where(filter=FieldFilter("status", "==", "queued")).stream())
    assert [snapshot.id for snapshot in found] == ["a", "b", "c"]
    (read_time,) = {snapshot.read_time for snapshot in found}
    assert isinstance(read_time, datetime)
    assert read_time >= max(snapshot.update_time for snapshot in found)


# What the worker and the functions count on


def test_a_waiting_pull_gets_the_next_message(pubsub: PubSub) -> None:
    worker = pubsub.subscribe()
    received: list[bytes] = []
    thread = threading.Thread(target=lambda: received.extend(m.message.data for m in pubsub.pull(worker, timeout_s=10)))
    thread.start()
    pubsub.publish(b"job")
    thread.join()
    assert received == [b"job"]


def test_a_message_that_is_given_back_comes_again_at_once(pubsub: PubSub) -> None:
    worker = pubsub.subscribe(ack_deadline_seconds=600)
    pubsub.publish(b"job")
    (first,) = pubsub.pull(worker)
    pubsub.give_back(worker, first.ack_id)
    (second,) = pubsub.pull(worker)
    assert second.message.message_id == first.message.message_id
    assert second.ack_id != first.ack_id


def test_after_five_deliveries_a_message_goes_to_the_dead_letter_topic(pubsub: PubSub) -> None:
    dead = f"{pubsub.project}/topics/dead"
    pubsub.publisher.create_topic(name=dead)
    undertaker = pubsub.subscribe("undertaker", topic=dead)
    worker = pubsub.subscribe(dead_letter_policy={"dead_letter_topic": dead, "max_delivery_attempts": 5})
    pubsub.publish(b"job", job_id="7")
    for attempt in range(1, 6):
        (received,) = pubsub.pull(worker)
        assert received.delivery_attempt == attempt
        pubsub.give_back(worker, received.ack_id)
    assert pubsub.pull(worker, timeout_s=1) == []  # the emulator forwards at the next pull of the source
    (buried,) = pubsub.pull(undertaker)
    assert buried.message.data == b"job"
    assert buried.message.attributes["job_id"] == "7"
    assert buried.message.attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5"


def test_a_push_that_failed_is_repeated(pubsub: PubSub, push_target: PushTarget) -> None:
    endpoint = f"http://127.0.0.1:{push_target.server_port}/"
    name = pubsub.subscribe(push_config={"push_endpoint": endpoint})
    message_id = pubsub.publish(b"job", kind="render")
    until(lambda: len(push_target.pushed) == 2)
    for _headers, body in push_target.pushed:
        envelope = json.loads(body)
        assert envelope["subscription"] == name
        assert envelope["message"]["messageId"] == message_id
        assert base64.b64decode(envelope["message"]["data"]) == b"job"
        assert envelope["message"]["attributes"] == {"kind": "render"}


def test_an_unwrapped_push_carries_attributes_as_headers(pubsub: PubSub, push_target: PushTarget) -> None:
    endpoint = f"http://127.0.0.1:{push_target.server_port}/"
    pubsub.subscribe(push_config={"push_endpoint": endpoint, "no_wrapper": {"write_metadata": True}})
    pubsub.publish(b"{}", **{"ce-type": "bee", "content-type": "application/json"})
    until(lambda: push_target.pushed)
    headers, body = push_target.pushed[0]
    assert body == b"{}"
    assert headers["ce-type"] == "bee"
    assert headers["content-type"] == "application/json"


# Where they differ from the cloud


def test_an_empty_pull_ends_a_second_before_its_timeout_without_an_error(pubsub: PubSub) -> None:
    worker = pubsub.subscribe()
    started_s = time.monotonic()
    assert pubsub.pull(worker, timeout_s=1.5) == []
    assert 0.3 < time.monotonic() - started_s < 1.4


def test_filters_are_ignored(pubsub: PubSub) -> None:
    worker = pubsub.subscribe(filter='attributes.priority = "high"')
    pubsub.publish(b"job", priority="low")
    assert [received.message.data for received in pubsub.pull(worker)] == [b"job"]


def test_queries_need_no_composite_index(jobs: firestore.CollectionReference) -> None:
    jobs.document("a").create({"status": "queued", "n": 1})
    query = jobs.where(filter=FieldFilter("status", "==", "queued")).where(filter=FieldFilter("n", ">", 0))
    assert [snapshot.id for snapshot in query.order_by("n", direction="DESCENDING").stream()] == ["a"]
