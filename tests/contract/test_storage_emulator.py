"""What the storage emulator keeps of Cloud Storage, seen by google-cloud-storage, by a browser and by a trigger."""

import base64
import concurrent.futures
import hashlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import google_crc32c
import pytest
import requests
from google.api_core import exceptions
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from google.oauth2.service_account import Credentials

from local.processes import free_port
from local.signing_key import SigningKeyError, make_signing_key
from local.storage_emulator import serve_storage
from local.storage_events import EventSpool
from local.storage_objects import DataFolderInUseError

DEADLINE_S = 10.0
CHUNK_BYTES = 256 * 1024
CLIP = bytes(range(256)) * 4
REPOSITORY = Path(__file__).parents[2]
KINDS = ("media", "multipart", "resumable")
#: Names that break a server which decodes, splits or stores them carelessly.
NAMES = (
    "renders/1f/video.mp4",
    "blüte b+c%.mp4",
    "name?x=1#y&z",
    "%2F",
    "a//b",
    "/lead",
    "trail/",
    "../../../etc/passwd",
    "o/b/o/c",
    "a/.",
    " ",
    "🐈",
    "n" * 1024,
)
#: An event recorded in the cloud: the names of its headers and how their values look, and the fields of its body.
RECORDED_HEADERS = {
    "content-type": r"application/json",
    "ce-specversion": r"1\.0",
    "ce-id": r"\d+",
    "ce-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z",
    "ce-type": r"google\.cloud\.storage\.object\.v1\.finalized",
    "ce-source": r"//storage\.googleapis\.com/projects/_/buckets/[^/]+",
    "ce-subject": r"objects/.+",
    "ce-bucket": r"[^/]+",
}
RECORDED_FIELDS = {
    *("kind", "id", "selfLink", "mediaLink", "name", "bucket", "generation", "metageneration", "contentType", "size"),
    *("timeCreated", "updated", "timeStorageClassUpdated", "storageClass", "md5Hash", "crc32c", "etag", "metadata"),
}


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

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def names(self) -> list[str]:
        """Names of the objects it heard of, in order."""
        return [resource["name"] for _, resource in list(self.events)]

    def wait_for(self, count: int) -> None:
        """Until so many events have come."""
        wait_until(lambda: len(self.events) >= count, what=f"{count} events")


def client_of(url: str) -> storage.Client:
    """The real client, pointed at the emulator."""
    return storage.Client(project="local", credentials=AnonymousCredentials(), client_options={"api_endpoint": url})


def upload(
    bucket: storage.Bucket,
    name: str,
    content: bytes,
    *,
    kind: str = "multipart",
    if_generation_match: int | None = None,
) -> int:
    """Upload in one of the three ways and return the generation; the client never sends ``media`` by itself."""
    if kind == "media":
        parameters = {"uploadType": "media", "name": name}
        if if_generation_match is not None:
            parameters["ifGenerationMatch"] = str(if_generation_match)
        url = f"{bucket.client.api_endpoint}/upload/storage/v1/b/{bucket.name}/o"
        response = requests.post(url, params=parameters, data=content, timeout=DEADLINE_S)
        if not response.ok:
            raise exceptions.from_http_response(response)
        return int(response.json()["generation"])
    blob = bucket.blob(name, chunk_size=CHUNK_BYTES)
    if kind == "multipart":
        blob.upload_from_string(content, "video/mp4", if_generation_match=if_generation_match)
    else:
        session = blob.create_resumable_upload_session(
            "video/mp4", size=len(content), if_generation_match=if_generation_match
        )
        for start in range(0, max(len(content), 1), CHUNK_BYTES):
            chunk = content[start : start + CHUNK_BYTES]
            span = f"{start}-{start + len(chunk) - 1}" if chunk else "*"
            response = put(session, f"bytes {span}/{len(content)}", chunk)
            if not response.ok:
                raise exceptions.from_http_response(response)
        blob.reload()
    return int(blob.generation)


def start_session(bucket: storage.Bucket, name: str) -> str:
    """The URL of a new resumable upload."""
    return str(bucket.blob(name).create_resumable_upload_session("video/mp4"))


def put(session: str, span: str, data: bytes = b"", **headers: str) -> requests.Response:
    """Send a chunk, or a question."""
    return requests.put(session, data=data, headers={"Content-Range": span, **headers}, timeout=DEADLINE_S)


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service account that signs."""
    return make_signing_key(tmp_path_factory.mktemp("key") / "key.json")


@pytest.fixture(scope="module")
def emulator_url(tmp_path_factory: pytest.TempPathFactory, key_file: Path) -> Iterator[str]:
    """One emulator without events for many tests, each with a bucket of its own."""
    with serve_storage(data_dir=tmp_path_factory.mktemp("data"), signing_key_file=key_file) as running:
        yield running


@pytest.fixture
def bucket(emulator_url: str) -> storage.Bucket:
    """A new bucket."""
    return client_of(emulator_url).create_bucket(f"bucket-{uuid.uuid4().hex}")


@pytest.fixture
def sign(key_file: Path, emulator_url: str) -> Callable[..., str]:
    """Signs a URL of a blob, for a minute unless told."""
    credentials = Credentials.from_service_account_file(key_file)

    def sign_blob(blob: storage.Blob, *, lifetime_s: int = 60, **options: Any) -> str:
        return str(
            blob.generate_signed_url(
                **{"credentials": credentials, "method": "GET", "api_access_endpoint": emulator_url, **options},
                version="v4",
                expiration=timedelta(seconds=lifetime_s),
            )
        )

    return sign_blob


@pytest.fixture
def clip_url(bucket: storage.Bucket, sign: Callable[..., str]) -> str:
    """A signed URL of an object with ``CLIP`` in it."""
    upload(bucket, "clip.mp4", CLIP)
    return sign(bucket.blob("clip.mp4"))


# Buckets


def test_a_bucket_is_created_found_and_deleted(emulator_url: str) -> None:
    client = client_of(emulator_url)
    client.create_bucket("short-lived")
    assert client.get_bucket("short-lived").name == "short-lived"
    client.bucket("short-lived").delete()
    assert not client.bucket("short-lived").exists()


def test_a_bucket_that_exists_is_not_created_again(bucket: storage.Bucket) -> None:
    with pytest.raises(exceptions.Conflict):
        bucket.client.create_bucket(bucket.name)


def test_a_bucket_with_objects_is_not_deleted(bucket: storage.Bucket) -> None:
    upload(bucket, "clip", CLIP)
    with pytest.raises(exceptions.Conflict):
        bucket.delete()
    assert bucket.blob("clip").download_as_bytes() == CLIP


@pytest.mark.parametrize("name", ["..", "a", "UPPER", "a/b", "-dash", "x" * 223, 7, None])
def test_a_bucket_name_that_google_refuses_is_refused(emulator_url: str, name: object) -> None:
    response = requests.post(f"{emulator_url}/storage/v1/b", json={"name": name}, timeout=DEADLINE_S)
    assert response.status_code == 400


# Uploads


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size_bytes", [0, 1, CHUNK_BYTES, 3 * CHUNK_BYTES + 17])
def test_an_upload_is_stored_with_its_digests(bucket: storage.Bucket, kind: str, size_bytes: int) -> None:
    content = os.urandom(size_bytes)
    upload(bucket, "clip", content, kind=kind)
    blob = bucket.get_blob("clip")
    assert blob.download_as_bytes() == content
    assert blob.size == size_bytes
    assert base64.b64decode(blob.md5_hash) == hashlib.md5(content, usedforsecurity=False).digest()
    assert int.from_bytes(base64.b64decode(blob.crc32c)) == google_crc32c.value(content)


@pytest.mark.parametrize("kind", KINDS)
def test_a_create_only_upload_never_replaces(bucket: storage.Bucket, kind: str) -> None:
    first = upload(bucket, "clip", b"first", kind=kind, if_generation_match=0)
    with pytest.raises(exceptions.PreconditionFailed):
        upload(bucket, "clip", b"second", kind=kind, if_generation_match=0)
    blob = bucket.get_blob("clip")
    assert (blob.generation, blob.download_as_bytes()) == (first, b"first")


@pytest.mark.parametrize("kind", KINDS)
def test_an_upload_replaces_the_generation_it_names_and_no_other(bucket: storage.Bucket, kind: str) -> None:
    first = upload(bucket, "clip", b"first", kind=kind)
    second = upload(bucket, "clip", b"second", kind=kind, if_generation_match=first)
    assert second > first
    with pytest.raises(exceptions.PreconditionFailed):
        upload(bucket, "clip", b"third", kind=kind, if_generation_match=first)
    assert bucket.blob("clip").download_as_bytes() == b"second"


def test_of_many_creators_at_once_one_wins(bucket: storage.Bucket) -> None:
    contents = [bytes([number]) * 4_000_000 for number in range(8)]  # long enough to be digested side by side

    def create(number: int) -> int | None:
        try:
            upload(bucket, "clip", contents[number], if_generation_match=0)
        except exceptions.PreconditionFailed:
            return None
        return number

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(create, range(8)) if number is not None]
    assert len(winners) == 1
    assert bucket.blob("clip").download_as_bytes() == contents[winners[0]]


def test_generations_grow_while_the_clock_stands_still(bucket: storage.Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    first, second, third = (upload(bucket, "clip", CLIP) for _ in range(3))
    assert first < second < third


def test_a_resumable_upload_of_a_file_goes_through_the_client(bucket: storage.Bucket, tmp_path: Path) -> None:
    content = os.urandom(9 * 1024 * 1024)  # the client sends up to 8 MiB in one piece
    (tmp_path / "clip.mp4").write_bytes(content)
    bucket.blob("clip", chunk_size=8 * 1024 * 1024).upload_from_filename(tmp_path / "clip.mp4", if_generation_match=0)
    blob = bucket.get_blob("clip")
    assert blob.download_as_bytes() == content
    assert blob.content_type == "video/mp4"


def test_a_broken_resumable_upload_goes_on_where_it_stopped(bucket: storage.Bucket) -> None:
    session = start_session(bucket, "clip")
    content = os.urandom(CHUNK_BYTES + 100)
    total = len(content)
    assert "Range" not in put(session, f"bytes */{total}").headers
    put(session, f"bytes 0-{CHUNK_BYTES - 1}/*", content[:CHUNK_BYTES])
    question = put(session, f"bytes */{total}")
    assert (question.status_code, question.headers["Range"]) == (308, f"bytes=0-{CHUNK_BYTES - 1}")
    # The whole of it again: what has come already counts once.
    assert put(session, f"bytes 0-{total - 1}/{total}", content).status_code == 200
    assert bucket.blob("clip").download_as_bytes() == content


def test_who_lost_the_answer_to_a_resumable_upload_gets_it_again(bucket: storage.Bucket) -> None:
    session = start_session(bucket, "clip")
    first = put(session, "bytes 0-4/5", b"bytes").json()
    assert put(session, "bytes */5").json() == first
    assert put(session, "bytes 0-4/5", b"bytes").json() == first


def test_a_chunk_that_leaves_a_hole_is_refused(bucket: storage.Bucket) -> None:
    session = start_session(bucket, "clip")
    assert put(session, "bytes 10-14/15", b"bytes").status_code == 400
    assert put(session, "bytes 0-9/15", b"0123456789").status_code == 308


@pytest.mark.parametrize("span", ["bytes 0-9/10", "bytes 0-4/3", "bits 0-4/5", "bytes 4-0/5"])
def test_a_chunk_that_contradicts_its_range_is_refused(bucket: storage.Bucket, span: str) -> None:
    assert put(start_session(bucket, "clip"), span, b"bytes").status_code == 400
    assert bucket.get_blob("clip") is None


def test_an_unknown_upload_session_is_not_found(bucket: storage.Bucket) -> None:
    session = start_session(bucket, "clip")
    assert put(re.sub("upload_id=.*", "upload_id=no", session), "bytes 0-4/5", b"bytes").status_code == 404


def test_a_resumable_upload_in_vain_is_refused_at_its_start(bucket: storage.Bucket) -> None:
    upload(bucket, "clip", CLIP)
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("clip").create_resumable_upload_session(if_generation_match=0)


def test_of_two_resumable_uploads_the_first_that_ends_wins(bucket: storage.Bucket) -> None:
    sessions = [bucket.blob("clip").create_resumable_upload_session(if_generation_match=0) for _ in range(2)]
    assert put(sessions[1], "bytes 0-2/3", b"two").status_code == 200
    assert put(sessions[0], "bytes 0-2/3", b"one").status_code == 412
    assert bucket.blob("clip").download_as_bytes() == b"two"


@pytest.mark.parametrize("declared", ["crc32c=AAAAAA==", "md5=AAAAAAAAAAAAAAAAAAAAAA=="])
def test_bytes_that_differ_from_their_declared_checksum_are_refused(bucket: storage.Bucket, declared: str) -> None:
    assert put(start_session(bucket, "clip"), "bytes 0-4/5", b"bytes", **{"X-Goog-Hash": declared}).status_code == 400
    blob = bucket.blob("clip")
    blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
    with pytest.raises(exceptions.BadRequest):
        blob.upload_from_string(CLIP)
    assert bucket.get_blob("clip") is None


@pytest.mark.parametrize("body", [b"", b"--b\r\n", b"--b\r\n\r\n[]\r\n--b\r\n\r\nmedia\r\n--b--", b"\x00" * 100])
def test_a_malformed_multipart_body_is_refused(bucket: storage.Bucket, body: bytes) -> None:
    url = f"{bucket.client.api_endpoint}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart&name=clip"
    headers = {"Content-Type": "multipart/related; boundary=b"}
    assert requests.post(url, data=body, headers=headers, timeout=DEADLINE_S).status_code == 400


def test_media_that_holds_its_own_boundary_is_stored_whole(bucket: storage.Bucket) -> None:
    url = f"{bucket.client.api_endpoint}/upload/storage/v1/b/{bucket.name}/o?uploadType=multipart"
    media = b"\r\n--b\r\n\r\n\r\n--b--\r\n--b"
    body = b'--b\r\n\r\n{"name":"clip"}\r\n--b\r\nContent-Type: a/b\r\n\r\n' + media + b"\r\n--b--"
    headers = {"Content-Type": "multipart/related; boundary=b"}
    assert requests.post(url, data=body, headers=headers, timeout=DEADLINE_S).json()["contentType"] == "a/b"
    assert bucket.blob("clip").download_as_bytes() == media


# Names


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_an_object_is_found_under_its_exact_name(bucket: storage.Bucket, sign: Callable[..., str], name: str) -> None:
    for kind in KINDS:
        upload(bucket, name, kind.encode(), kind=kind)
        assert bucket.blob(name).download_as_bytes() == kind.encode()
    assert [blob.name for blob in bucket.list_blobs()] == [name]
    if not {".", ".."} & set(name.split("/")):  # which browsers, and requests, take out of a path
        assert requests.get(sign(bucket.blob(name)), timeout=DEADLINE_S).content == KINDS[-1].encode()
    bucket.get_blob(name).delete()
    assert list(bucket.list_blobs()) == []


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb", "a\rb", "n" * 1025, "ü" * 513, "\ud800"])
def test_an_object_name_that_google_refuses_is_refused(bucket: storage.Bucket, name: str) -> None:
    url = f"{bucket.client.api_endpoint}/upload/storage/v1/b/{bucket.name}/o?uploadType=resumable"
    assert requests.post(url, json={"name": name}, timeout=DEADLINE_S).status_code == 400


# Reads and deletes


def test_a_read_or_delete_of_another_generation_fails(bucket: storage.Bucket) -> None:
    old = upload(bucket, "clip", b"old")
    new = upload(bucket, "clip", b"new")
    blob = bucket.blob("clip")
    for read in (blob.download_as_bytes, blob.reload, blob.delete):
        with pytest.raises(exceptions.PreconditionFailed):
            read(if_generation_match=old)
    with pytest.raises(exceptions.NotFound):
        bucket.blob("clip", generation=old).download_as_bytes()
    assert bucket.blob("clip", generation=new).download_as_bytes(if_generation_match=new) == b"new"


def test_a_deleted_object_is_gone(bucket: storage.Bucket) -> None:
    generation = upload(bucket, "clip", CLIP)
    bucket.blob("clip").delete(if_generation_match=generation)
    assert bucket.get_blob("clip") is None
    with pytest.raises(exceptions.NotFound):
        bucket.blob("clip").delete()


def test_an_object_created_after_a_deletion_is_a_later_generation(bucket: storage.Bucket) -> None:
    first = upload(bucket, "clip", CLIP)
    bucket.blob("clip").delete()
    assert upload(bucket, "clip", CLIP, if_generation_match=0) > first


def test_a_condition_that_the_emulator_does_not_know_is_refused_and_not_ignored(bucket: storage.Bucket) -> None:
    upload(bucket, "clip", CLIP)
    with pytest.raises(exceptions.MethodNotImplemented):
        bucket.blob("clip").delete(if_metageneration_match=7)
    with pytest.raises(exceptions.MethodNotImplemented):
        list(bucket.list_blobs(match_glob="*.mp4"))
    with pytest.raises(exceptions.MethodNotImplemented):
        list(bucket.list_blobs(versions=True))
    with pytest.raises(exceptions.MethodNotAllowed):
        bucket.copy_blob(bucket.blob("clip"), bucket, "copy")
    assert bucket.get_blob("clip")


def test_the_json_api_refuses_browsers(bucket: storage.Bucket) -> None:
    headers = {"Origin": "https://example.org"}
    url = f"{bucket.client.api_endpoint}/upload/storage/v1/b/{bucket.name}/o?uploadType=media&name=clip"
    response = requests.post(url, data=CLIP, headers=headers, timeout=DEADLINE_S)
    assert response.status_code == 403
    assert "Access-Control-Allow-Origin" not in response.headers
    assert bucket.get_blob("clip") is None


# Lists


@pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
def test_a_list_has_every_object_and_prefix_once_whatever_the_page_size(bucket: storage.Bucket, page_size: int) -> None:
    names = ["a", "a/", "a/1", "a/2/x", "a/2/y", "a0", "b/1", "b/2", "ü"]
    for name in reversed(names):
        upload(bucket, name, b"")

    def listed(**query: str) -> tuple[list[str], set[str]]:
        found = bucket.list_blobs(page_size=page_size, **query)
        return [blob.name for blob in found], found.prefixes

    assert listed() == (names, set())
    assert listed(prefix="a/") == (["a/", "a/1", "a/2/x", "a/2/y"], set())
    assert listed(delimiter="/") == (["a", "a0", "ü"], {"a/", "b/"})
    assert listed(prefix="a/", delimiter="/") == (["a/", "a/1"], {"a/2/"})
    assert listed(prefix="none") == ([], set())


def test_a_page_goes_on_after_its_token_while_objects_come_and_go(bucket: storage.Bucket) -> None:
    for name in ("a", "b", "c", "d"):
        upload(bucket, name, b"")
    pages = bucket.list_blobs(page_size=2).pages
    assert [blob.name for blob in next(pages)] == ["a", "b"]
    bucket.blob("b").delete()
    bucket.blob("c").delete()
    upload(bucket, "aa", b"")
    assert [blob.name for blob in next(pages)] == ["d"]


# Metadata


def test_a_patch_merges_metadata_and_leaves_the_bytes(bucket: storage.Bucket) -> None:
    blob = bucket.blob("clip")
    blob.metadata = {"render": "1f", "attempt": "1"}
    blob.cache_control = "no-store"
    blob.upload_from_string(CLIP, "video/mp4")
    generation = blob.generation
    blob.metadata = {"attempt": "2", "render": None}
    blob.cache_control = None
    blob.patch(if_generation_match=generation)
    blob = bucket.get_blob("clip")
    assert (blob.metadata, blob.cache_control, blob.content_type) == ({"attempt": "2"}, None, "video/mp4")
    assert (blob.generation, blob.metageneration) == (generation, 2)
    with pytest.raises(exceptions.PreconditionFailed):
        blob.patch(if_generation_match=generation - 1)


def test_custom_time_only_moves_forward(bucket: storage.Bucket) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    blob = bucket.blob("clip")
    blob.custom_time = noon
    blob.upload_from_string(CLIP)
    blob.custom_time = noon + timedelta(days=1)
    blob.patch()
    blob.custom_time = noon
    with pytest.raises(exceptions.BadRequest):
        blob.patch()
    blob.custom_time = None
    with pytest.raises(exceptions.BadRequest):
        blob.patch()
    assert bucket.get_blob("clip").custom_time == noon + timedelta(days=1)


@pytest.mark.parametrize(
    "changes", [{"metadata": {"a": 1}}, {"metadata": 7}, {"contentType": "a\r\nb: c"}, {"customTime": "noon"}]
)
def test_metadata_that_is_no_text_is_refused(bucket: storage.Bucket, changes: dict[str, Any]) -> None:
    upload(bucket, "clip", CLIP)
    url = f"{bucket.client.api_endpoint}/storage/v1/b/{bucket.name}/o/clip"
    assert requests.patch(url, json=changes, timeout=DEADLINE_S).status_code == 400
    assert bucket.get_blob("clip").metageneration == 1


# Signed URLs


def test_a_signed_url_gives_the_bytes_to_a_page_of_any_origin(bucket: storage.Bucket, sign: Callable[..., str]) -> None:
    bucket.blob("clip").upload_from_string(CLIP, "video/mp4")
    url = sign(bucket.blob("clip"), response_disposition='attachment; filename="Blüte.mp4"')
    response = requests.get(url, headers={"Origin": "http://localhost:5173"}, timeout=DEADLINE_S)
    assert (response.status_code, response.content) == (200, CLIP)
    assert response.headers["Content-Type"] == "video/mp4"
    assert response.headers["Content-Disposition"].encode("latin-1").decode() == 'attachment; filename="Blüte.mp4"'
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Content-Range" in response.headers["Access-Control-Expose-Headers"]


def test_a_signed_url_answers_head_without_the_bytes(clip_url: str) -> None:
    response = requests.head(clip_url, timeout=DEADLINE_S)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Length"] == str(len(CLIP))


def test_a_browser_may_ask_for_a_range_across_origins(clip_url: str) -> None:
    asked = {"Origin": "http://localhost:5173", "Access-Control-Request-Headers": "range"}
    response = requests.options(clip_url, headers=asked, timeout=DEADLINE_S)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "Range" in response.headers["Access-Control-Allow-Headers"]


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-", 0, 1023),
        ("bytes=0-0", 0, 0),
        ("bytes=100-199", 100, 199),
        ("bytes=1000-5000", 1000, 1023),
        ("bytes=-24", 1000, 1023),
    ],
)
def test_a_range_gives_its_part(clip_url: str, asked: str, first: int, last: int) -> None:
    for method in ("GET", "HEAD"):
        response = requests.request(method, clip_url, headers={"Range": asked}, timeout=DEADLINE_S)
        assert response.status_code == 206
        assert response.headers["Content-Range"] == f"bytes {first}-{last}/1024"
        assert response.headers["Content-Length"] == str(last - first + 1)
        assert response.content == (CLIP[first : last + 1] if method == "GET" else b"")


def test_a_range_beyond_the_end_is_refused_with_the_size(clip_url: str) -> None:
    headers = {"Range": "bytes=1024-", "Origin": "http://localhost:5173"}
    response = requests.get(clip_url, headers=headers, timeout=DEADLINE_S)
    assert response.status_code == 416
    assert response.headers["Content-Range"] == "bytes */1024"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "<Code>InvalidRange</Code>" in response.text


def test_what_a_browser_has_already_is_not_sent_again(clip_url: str) -> None:
    etag = requests.get(clip_url, timeout=DEADLINE_S).headers["ETag"]
    known = requests.get(clip_url, headers={"If-None-Match": etag}, timeout=DEADLINE_S)
    assert (known.status_code, known.content) == (304, b"")
    same = requests.get(clip_url, headers={"Range": "bytes=0-9", "If-Range": etag}, timeout=DEADLINE_S)
    assert same.status_code == 206
    changed = requests.get(clip_url, headers={"Range": "bytes=0-9", "If-Range": '"old"'}, timeout=DEADLINE_S)
    assert (changed.status_code, changed.content) == (200, CLIP)


def test_a_signed_url_expires(bucket: storage.Bucket, sign: Callable[..., str]) -> None:
    upload(bucket, "clip", CLIP)
    url = sign(bucket.blob("clip"), lifetime_s=1)
    wait_until(lambda: requests.get(url, timeout=DEADLINE_S).status_code == 400, what="expiry")
    response = requests.get(url, headers={"Origin": "http://localhost:5173"}, timeout=DEADLINE_S)
    assert "<Code>ExpiredToken</Code>" in response.text
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("part", "forged", "status", "code"),
    [
        ("clip.mp4", "other.mp4", 403, "SignatureDoesNotMatch"),
        ("X-Goog-Expires=60", "X-Goog-Expires=600", 403, "SignatureDoesNotMatch"),
        ("X-Goog-Signature=", "response-content-type=text%2Fhtml&X-Goog-Signature=", 403, "SignatureDoesNotMatch"),
        ("X-Goog-Signature=", "X-Goog-Signature=zz", 403, "SignatureDoesNotMatch"),
        ("X-Goog-Expires=60", "X-Goog-Expires=604801", 400, "MalformedSecurityHeader"),
        ("X-Goog-Expires=60", "X-Goog-Expires=-1", 400, "MalformedSecurityHeader"),
        ("GOOG4-RSA-SHA256", "GOOG4-HMAC-SHA256", 400, "MalformedSecurityHeader"),
        ("X-Goog-Date=2", "X-Goog-Date=1", 400, "MalformedSecurityHeader"),
        ("goog4_request", "goog5_request", 400, "MalformedSecurityHeader"),
        ("X-Goog-Signature=", "unsigned=", 403, "AccessDenied"),
        ("127.0.0.1", "localhost", 403, "SignatureDoesNotMatch"),
    ],
)
def test_a_forged_url_opens_nothing(  # noqa: PLR0917 - fixtures and cases
    bucket: storage.Bucket, clip_url: str, part: str, forged: str, status: int, code: str
) -> None:
    upload(bucket, "other.mp4", b"secret")
    assert part in clip_url
    response = requests.get(clip_url.replace(part, forged, 1), timeout=DEADLINE_S)
    assert response.status_code == status
    assert f"<Code>{code}</Code>" in response.text
    assert CLIP not in response.content


def test_a_url_that_another_key_or_for_another_method_signed_opens_nothing(
    bucket: storage.Bucket, sign: Callable[..., str], tmp_path: Path
) -> None:
    upload(bucket, "clip", CLIP)
    stranger = Credentials.from_service_account_file(make_signing_key(tmp_path / "key"))
    for options in ({"credentials": stranger}, {"method": "PUT"}):
        url = sign(bucket.blob("clip"), **options)
        assert requests.get(url, timeout=DEADLINE_S).status_code == 403


def test_a_signed_url_does_not_write(bucket: storage.Bucket, sign: Callable[..., str]) -> None:
    url = sign(bucket.blob("clip"), method="PUT")
    assert requests.put(url, data=CLIP, timeout=DEADLINE_S).status_code == 405
    assert bucket.get_blob("clip") is None


def test_a_signed_url_of_a_missing_object_is_not_found(bucket: storage.Bucket, sign: Callable[..., str]) -> None:
    response = requests.get(sign(bucket.blob("none")), timeout=DEADLINE_S)
    assert response.status_code == 404
    assert "<Code>NoSuchKey</Code>" in response.text


# On disk


def test_objects_survive_a_restart(tmp_path: Path) -> None:
    with serve_storage(data_dir=tmp_path, buckets=["videos"]) as emulator_url:
        blob = client_of(emulator_url).bucket("videos").blob("../clip")
        blob.metadata = {"render": "1f"}
        blob.upload_from_string(CLIP, "video/mp4")
    with serve_storage(data_dir=tmp_path, buckets=["videos"]) as emulator_url:
        bucket = client_of(emulator_url).bucket("videos")
        kept = bucket.get_blob("../clip")
        assert (kept.generation, kept.metadata, kept.content_type) == (blob.generation, {"render": "1f"}, "video/mp4")
        assert kept.download_as_bytes() == CLIP
        assert upload(bucket, "next", b"") > blob.generation


def test_no_object_name_becomes_a_file_name(tmp_path: Path) -> None:
    with serve_storage(data_dir=tmp_path / "data", buckets=["videos"]) as emulator_url:
        bucket = client_of(emulator_url).bucket("videos")
        for name in NAMES:
            upload(bucket, name, CLIP)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2 * len(NAMES) + 2
    for path in files:
        assert path.is_relative_to(tmp_path / "data")
        assert re.fullmatch(r"object-[0-9a-f]{64}\.(json|\d{16})|bucket\.json|lock", path.name)


def test_replaced_and_deleted_bytes_leave_the_disk(tmp_path: Path) -> None:
    with serve_storage(data_dir=tmp_path, buckets=["videos"]) as emulator_url:
        bucket = client_of(emulator_url).bucket("videos")
        for _ in range(3):
            upload(bucket, "clip", CLIP)
        assert len(list(tmp_path.glob("buckets/videos/object-*"))) == 2
        bucket.blob("clip").delete()
        assert list(tmp_path.glob("buckets/videos/object-*")) == []


def test_two_emulators_never_share_a_folder(tmp_path: Path) -> None:
    second = serve_storage(data_dir=tmp_path)
    with serve_storage(data_dir=tmp_path), pytest.raises(DataFolderInUseError):
        second.__enter__()
    with serve_storage(data_dir=tmp_path):
        pass


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    data, key = tmp_path / "data", tmp_path / "key.json"
    with pytest.raises(SigningKeyError), serve_storage(data_dir=data, signing_key_file=key):
        pass


def test_the_signing_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = make_signing_key(tmp_path / "keys" / "key.json").read_bytes()
    assert make_signing_key(tmp_path / "keys" / "key.json").read_bytes() == first
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()] == [0o600]


# Events


def test_the_event_of_a_new_generation_looks_like_one_from_the_cloud(tmp_path: Path) -> None:
    with (
        Receiver() as receiver,
        serve_storage(data_dir=tmp_path, notify_url=receiver.url, buckets=["videos"]) as emulator_url,
    ):
        blob = client_of(emulator_url).bucket("videos").blob("renders/1f/video.mp4")
        blob.metadata = {"render": "1f"}
        blob.upload_from_string(CLIP, "video/mp4")
        receiver.wait_for(1)
    headers, resource = receiver.events[0]
    assert {name for name in headers if name.startswith("ce-")} == RECORDED_HEADERS.keys() - {"content-type"}
    for name, pattern in RECORDED_HEADERS.items():
        assert re.fullmatch(pattern, headers[name])
    assert headers["ce-bucket"] == "videos"
    assert headers["ce-subject"] == "objects/renders/1f/video.mp4"
    assert set(resource) == RECORDED_FIELDS
    assert {type(value) for name, value in resource.items() if name != "metadata"} == {str}
    assert resource["id"] == f"videos/renders/1f/video.mp4/{blob.generation}"
    assert resource["metadata"] == {"render": "1f"}
    assert resource["crc32c"] == blob.crc32c


def test_every_generation_has_one_event_and_nothing_else_has_one(tmp_path: Path) -> None:
    with (
        Receiver() as receiver,
        serve_storage(data_dir=tmp_path, notify_url=receiver.url, buckets=["videos"]) as emulator_url,
    ):
        bucket = client_of(emulator_url).bucket("videos")
        generations = [upload(bucket, "clip", kind.encode(), kind=kind) for kind in KINDS]
        with pytest.raises(exceptions.PreconditionFailed):
            upload(bucket, "clip", CLIP, if_generation_match=0)
        blob = bucket.get_blob("clip")
        blob.metadata = {"attempt": "2"}
        blob.patch()
        blob.delete()
        last = upload(bucket, "last", CLIP)
        receiver.wait_for(4)
        wait_until(lambda: list((tmp_path / "events").iterdir()) == [], what="an empty spool")
    heard = [int(resource["generation"]) for _, resource in receiver.events]
    assert sorted(heard) == [*generations, last]
    assert len({headers["ce-id"] for headers, _ in receiver.events}) == 4


def test_who_hears_of_an_object_can_read_it(tmp_path: Path) -> None:
    with Receiver(
        answer=lambda resource: requests.get(resource["mediaLink"], timeout=DEADLINE_S).status_code
    ) as receiver:
        with serve_storage(data_dir=tmp_path, notify_url=receiver.url, buckets=["videos"]) as emulator_url:
            bucket = client_of(emulator_url).bucket("videos")
            for number in range(10):
                upload(bucket, f"clip-{number}", CLIP)
            receiver.wait_for(10)
            wait_until(lambda: list((tmp_path / "events").iterdir()) == [], what="an empty spool")
        assert sorted(receiver.names()) == [f"clip-{number}" for number in range(10)]


def test_a_refused_event_comes_again_and_holds_up_no_other(tmp_path: Path) -> None:
    answers = iter([500, 302, 404, 204])

    def answer(resource: dict[str, Any]) -> int:
        return next(answers) if resource["name"] == "refused" else 204

    with (
        Receiver(answer=answer) as receiver,
        serve_storage(data_dir=tmp_path, notify_url=receiver.url, buckets=["videos"]) as emulator_url,
    ):
        bucket = client_of(emulator_url).bucket("videos")
        upload(bucket, "refused", CLIP)
        upload(bucket, "taken", CLIP)
        receiver.wait_for(5)
        wait_until(lambda: list((tmp_path / "events").iterdir()) == [], what="an empty spool")
    names = receiver.names()
    assert (names.count("refused"), names.count("taken")) == (4, 1)
    assert names[-1] == "refused"
    assert len({headers["ce-id"] for headers, resource in receiver.events if resource["name"] == "refused"}) == 1


def test_events_wait_for_a_receiver_that_is_down(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with serve_storage(data_dir=tmp_path, notify_url=url, buckets=["videos"]) as emulator_url:
        upload(client_of(emulator_url).bucket("videos"), "clip", CLIP)
        with Receiver(port=port) as receiver:
            receiver.wait_for(1)
            wait_until(lambda: list((tmp_path / "events").iterdir()) == [], what="an empty spool")
    assert receiver.names() == ["clip"]


def test_undelivered_events_survive_a_restart_and_the_deletion_of_their_object(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/"
    with serve_storage(data_dir=tmp_path, notify_url=nobody, buckets=["videos"]) as emulator_url:
        bucket = client_of(emulator_url).bucket("videos")
        generations = [upload(bucket, "clip", CLIP) for _ in range(2)]
        bucket.blob("clip").delete()
    with Receiver() as receiver, serve_storage(data_dir=tmp_path, notify_url=receiver.url):
        receiver.wait_for(2)
        wait_until(lambda: list((tmp_path / "events").iterdir()) == [], what="an empty spool")
    assert sorted(int(resource["generation"]) for _, resource in receiver.events) == generations


def test_a_crash_after_the_commit_leaves_the_object_with_its_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise SystemError

    with (
        Receiver() as receiver,
        serve_storage(data_dir=tmp_path, notify_url=receiver.url, buckets=["videos"]) as emulator_url,
    ):
        monkeypatch.setattr(EventSpool, "publish", crash)
        with pytest.raises(exceptions.InternalServerError):
            upload(client_of(emulator_url).bucket("videos"), "clip", CLIP, kind="media")
        monkeypatch.undo()
        assert receiver.events == []
    with Receiver() as receiver, serve_storage(data_dir=tmp_path, notify_url=receiver.url) as emulator_url:
        receiver.wait_for(1)
        assert client_of(emulator_url).bucket("videos").blob("clip").download_as_bytes() == CLIP
    assert receiver.names() == ["clip"]


def test_a_crash_before_the_commit_leaves_neither_object_nor_event(tmp_path: Path) -> None:
    with serve_storage(data_dir=tmp_path, buckets=["videos"]):
        pass
    resource = {"id": "videos/clip/1", "bucket": "videos", "name": "clip", "generation": "1"}
    EventSpool(tmp_path / "events", lambda _: None).prepare(resource)
    (tmp_path / "buckets" / "videos" / f"object-{'0' * 64}.1").write_bytes(CLIP)
    with Receiver() as receiver, serve_storage(data_dir=tmp_path, notify_url=receiver.url) as emulator_url:
        assert list((tmp_path / "events").iterdir()) == []
        assert list((tmp_path / "buckets" / "videos").glob("object-*")) == []
        assert list(client_of(emulator_url).list_blobs("videos")) == []
    assert receiver.events == []


# Command line


class Command:
    """``python -m local.storage_emulator`` as a process of its own."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "local.storage_emulator", *map(str, arguments)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def url(self) -> str:
        """The line it prints when it is ready."""
        assert self.process.stdout
        assert select.select([self.process.stdout], [], [], DEADLINE_S)[0], "the command prints nothing"
        return self.process.stdout.readline().strip()

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Exit status, the rest of stdout, and stderr; after a signal if one is given."""
        if number:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, out, err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Path, key_file: Path, number: signal.Signals) -> None:
    port = free_port()
    options = (
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--data",
        tmp_path / "data",
        "--bucket",
        "one",
        "--bucket",
        "two",
    )
    with (
        Receiver() as receiver,
        Command(*options, "--notify-url", receiver.url, "--signing-key-file", key_file) as command,
    ):
        assert command.url() == f"http://127.0.0.1:{port}"
        bucket = client_of(f"http://127.0.0.1:{port}").bucket("two")
        upload(bucket, "clip", CLIP)
        receiver.wait_for(1)
        assert command.end(number) == (0, "", "")


def test_an_object_that_was_answered_survives_a_kill(tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/"
    with Command("--data", tmp_path, "--bucket", "videos", "--notify-url", nobody) as command:
        upload(client_of(command.url()).bucket("videos"), "clip", CLIP)
        assert command.end(signal.SIGKILL)[0] == -signal.SIGKILL
    with Receiver() as receiver, Command("--data", tmp_path, "--notify-url", receiver.url) as command:
        assert client_of(command.url()).bucket("videos").blob("clip").download_as_bytes() == CLIP
        receiver.wait_for(1)
        assert command.end(signal.SIGTERM)[0] == 0


def test_a_taken_port_is_one_line_on_stderr(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Command("--data", tmp_path, "--port", str(port)) as command:
            status, out, err = command.end()
    assert (status, out) == (1, "")
    assert re.fullmatch(rf"Error: .*{port}.*\n", err)


def test_a_data_folder_in_use_is_one_line_on_stderr(tmp_path: Path) -> None:
    with serve_storage(data_dir=tmp_path), Command("--data", tmp_path) as command:
        status, out, err = command.end()
    assert (status, out) == (1, "")
    assert re.fullmatch(r"Error: .*in use.*\n", err)


def test_a_bucket_name_that_google_refuses_is_one_line_on_stderr(tmp_path: Path) -> None:
    with Command("--data", tmp_path, "--bucket", "No/Such") as command:
        status, out, err = command.end()
    assert (status, out) == (1, "")
    assert re.fullmatch(r"Error: .*No/Such.*\n", err)
