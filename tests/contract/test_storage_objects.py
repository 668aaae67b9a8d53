"""Buckets, and the objects in them, as google-cloud-storage sees them, and as they lie on disk."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage

from local.storage_emulator import serve_storage
from local.storage_objects import DataFolderInUseError
from tests.contract.storage_world import CLIP, DEADLINE_S, KINDS, client_of, serving, upload, upload_url

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


def test_a_bucket_is_created_found_and_deleted(storage_url: str) -> None:
    client = client_of(storage_url)
    client.create_bucket("short-lived")
    assert client.get_bucket("short-lived").name == "short-lived"
    client.bucket("short-lived").delete()
    assert not client.bucket("short-lived").exists()


@pytest.mark.parametrize("name", ["..", "a", "UPPER", "a/b", "-dash", "x" * 223, 7, None])
def test_a_bucket_name_that_google_refuses_is_refused(storage_url: str, name: object) -> None:
    response = requests.post(f"{storage_url}/storage/v1/b", json={"name": name}, timeout=DEADLINE_S)
    assert response.status_code == 400


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
    url = upload_url(bucket, "uploadType=resumable")
    assert requests.post(url, json={"name": name}, timeout=DEADLINE_S).status_code == 400


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
    url = upload_url(bucket, "uploadType=media&name=clip")
    response = requests.post(url, data=CLIP, headers=headers, timeout=DEADLINE_S)
    assert response.status_code == 403
    assert "Access-Control-Allow-Origin" not in response.headers
    assert bucket.get_blob("clip") is None


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


def test_objects_survive_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path) as bucket:
        blob = bucket.blob("../clip")
        blob.metadata = {"render": "1f"}
        blob.upload_from_string(CLIP, "video/mp4")
    with serving(tmp_path) as bucket:
        kept = bucket.get_blob("../clip")
        assert (kept.generation, kept.metadata, kept.content_type) == (blob.generation, {"render": "1f"}, "video/mp4")
        assert kept.download_as_bytes() == CLIP
        assert upload(bucket, "next", b"") > blob.generation


def test_no_object_name_becomes_a_file_name(tmp_path: Path) -> None:
    with serving(tmp_path / "data") as bucket:
        for name in NAMES:
            upload(bucket, name, CLIP)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 2 * len(NAMES) + 2
    for path in files:
        assert path.is_relative_to(tmp_path / "data")
        assert re.fullmatch(r"object-[0-9a-f]{64}\.(json|\d{16})|bucket\.json|lock", path.name)


def test_replaced_and_deleted_bytes_leave_the_disk(tmp_path: Path) -> None:
    with serving(tmp_path) as bucket:
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
