"""Multipart and resumable uploads to the storage emulator, whole, broken and forged."""

import base64
import concurrent.futures
import hashlib
import os
import re
import time

import google_crc32c
import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage

from tests.contract.storage_world import CHUNK_BYTES, CLIP, DEADLINE_S, KINDS, put, upload, upload_url


def start_session(bucket: storage.Bucket) -> str:
    """The URL of a new resumable upload."""
    return str(bucket.blob("clip").create_resumable_upload_session("video/mp4"))


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


def test_a_broken_resumable_upload_goes_on_where_it_stopped(bucket: storage.Bucket) -> None:
    session = start_session(bucket)
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
    session = start_session(bucket)
    first = put(session, "bytes 0-4/5", b"bytes").json()
    assert put(session, "bytes */5").json() == first
    assert put(session, "bytes 0-4/5", b"bytes").json() == first


def test_a_chunk_that_leaves_a_hole_is_refused(bucket: storage.Bucket) -> None:
    session = start_session(bucket)
    assert put(session, "bytes 10-14/15", b"bytes").status_code == 400
    assert put(session, "bytes 0-9/15", b"0123456789").status_code == 308


@pytest.mark.parametrize("span", ["bytes 0-9/10", "bytes 0-4/3", "bits 0-4/5", "bytes 4-0/5"])
def test_a_chunk_that_contradicts_its_range_is_refused(bucket: storage.Bucket, span: str) -> None:
    assert put(start_session(bucket), span, b"bytes").status_code == 400
    assert bucket.get_blob("clip") is None


def test_an_unknown_upload_session_is_not_found(bucket: storage.Bucket) -> None:
    session = start_session(bucket)
    assert put(re.sub("upload_id=.*", "upload_id=no", session), "bytes 0-4/5", b"bytes").status_code == 404


def test_of_two_resumable_uploads_the_first_that_ends_wins(bucket: storage.Bucket) -> None:
    sessions = [bucket.blob("clip").create_resumable_upload_session(if_generation_match=0) for _ in range(2)]
    assert put(sessions[1], "bytes 0-2/3", b"two").status_code == 200
    assert put(sessions[0], "bytes 0-2/3", b"one").status_code == 412
    assert bucket.blob("clip").download_as_bytes() == b"two"


@pytest.mark.parametrize("declared", ["crc32c=AAAAAA==", "md5=AAAAAAAAAAAAAAAAAAAAAA=="])
def test_bytes_that_differ_from_their_declared_checksum_are_refused(bucket: storage.Bucket, declared: str) -> None:
    assert put(start_session(bucket), "bytes 0-4/5", b"bytes", **{"X-Goog-Hash": declared}).status_code == 400
    blob = bucket.blob("clip")
    blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
    with pytest.raises(exceptions.BadRequest):
        blob.upload_from_string(CLIP)
    assert bucket.get_blob("clip") is None


@pytest.mark.parametrize("body", [b"", b"--b\r\n", b"--b\r\n\r\n[]\r\n--b\r\n\r\nmedia\r\n--b--", b"\x00" * 100])
def test_a_malformed_multipart_body_is_refused(bucket: storage.Bucket, body: bytes) -> None:
    url = upload_url(bucket, "uploadType=multipart&name=clip")
    headers = {"Content-Type": "multipart/related; boundary=b"}
    assert requests.post(url, data=body, headers=headers, timeout=DEADLINE_S).status_code == 400


def test_media_that_holds_its_own_boundary_is_stored_whole(bucket: storage.Bucket) -> None:
    url = upload_url(bucket, "uploadType=multipart")
    media = b"\r\n--b\r\n\r\n\r\n--b--\r\n--b"
    body = b'--b\r\n\r\n{"name":"clip"}\r\n--b\r\nContent-Type: a/b\r\n\r\n' + media + b"\r\n--b--"
    headers = {"Content-Type": "multipart/related; boundary=b"}
    assert requests.post(url, data=body, headers=headers, timeout=DEADLINE_S).json()["contentType"] == "a/b"
    assert bucket.blob("clip").download_as_bytes() == media
