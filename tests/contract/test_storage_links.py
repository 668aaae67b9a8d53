"""Signed URLs of the storage emulator, as a browser opens them: ranges, origins, caches, forgeries."""

from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from google.cloud import storage
from google.oauth2.service_account import Credentials

from local.signing_key import SigningKeyError, make_signing_key
from local.storage_emulator import serve_storage
from tests.contract.storage_world import CLIP, DEADLINE_S, upload, wait_until


@pytest.fixture
def clip_url(bucket: storage.Bucket, sign: Callable[..., str]) -> str:
    """A signed URL of an object with ``CLIP`` in it."""
    upload(bucket, "clip.mp4", CLIP)
    return sign(bucket.blob("clip.mp4"))


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


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key.json").write_text("{}")
    data, key = tmp_path / "data", tmp_path / "key.json"
    with pytest.raises(SigningKeyError), serve_storage(data_dir=data, signing_key_file=key):
        pass


def test_the_signing_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    first = make_signing_key(tmp_path / "keys" / "key.json").read_bytes()
    assert make_signing_key(tmp_path / "keys" / "key.json").read_bytes() == first
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()] == [0o600]
