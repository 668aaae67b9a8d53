"""What every manifest store keeps: the double in memory, and the Cloud Storage adapter on the local emulator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from google.auth.credentials import AnonymousCredentials

from local.processes import free_port
from local.storage_emulator import serve_storage
from shared.batches import Manifest
from shared.errors import ErrorCode, Permanent, Retryable
from shared.google_storage import storage_client
from shared.manifest_store.gcs import GcsManifestStore
from shared.manifest_store.memory import InMemoryManifestStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from google.cloud import storage

    from shared.manifest_store import ManifestStore

ROWS = b"".join(b'{"perspective": "curious-cat", "seed": %d}\n' % seed for seed in range(500))
NAME = "tonight/wishes ä.jsonl"
OURS = "batches/b/0123.jsonl"


@dataclass(frozen=True, kw_only=True)
class World:
    """A store, and a caller's own way to upload."""

    store: ManifestStore
    upload: Callable[[str, bytes], object]


@pytest.fixture
def gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[GcsManifestStore, storage.Client]]:
    with serve_storage(data_dir=tmp_path, buckets=["ours", "theirs"]) as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running)
        client = storage_client("local", credentials=AnonymousCredentials())
        yield GcsManifestStore(client, bucket="ours"), client


@pytest.fixture(params=["memory", "gcs"])
def world(request: pytest.FixtureRequest) -> World:
    if request.param == "memory":
        store = InMemoryManifestStore(bucket="ours")
        return World(store=store, upload=lambda name, content: store.put("theirs", name, content))
    adapter, client = request.getfixturevalue("gcs")
    bucket = client.bucket("theirs")
    return World(store=adapter, upload=lambda name, content: bucket.blob(name).upload_from_string(content))


def found(world: World, bucket: str = "theirs", name: str = NAME) -> Manifest:
    manifest = world.store.find(bucket, name)
    assert manifest
    return manifest


def test_an_object_is_found_with_its_size_and_generation(world: World) -> None:
    world.upload(NAME, ROWS)
    manifest = found(world)
    assert (manifest.bucket, manifest.name, manifest.size_bytes) == ("theirs", NAME, len(ROWS))
    assert manifest.generation > 0


@pytest.mark.parametrize("bucket", ["theirs", "nobodys"])
def test_what_is_not_there_is_none(world: World, bucket: str) -> None:
    assert world.store.find(bucket, NAME) is None


@pytest.mark.parametrize(
    ("offset", "size"), [(0, 10), (17, 100), (0, 10**6), (len(ROWS) - 3, 3), (len(ROWS) - 3, 100), (len(ROWS), 10)]
)
def test_a_piece_is_read_from_anywhere(world: World, offset: int, size: int) -> None:
    world.upload(NAME, ROWS)
    assert world.store.read(found(world), offset=offset, size=size) == ROWS[offset : offset + size]


def test_an_empty_object_has_no_pieces(world: World) -> None:
    world.upload(NAME, b"")
    assert world.store.read(found(world), offset=0, size=10) == b""


def test_an_object_that_was_overwritten_is_gone_and_never_mixed(world: World) -> None:
    world.upload(NAME, ROWS)
    manifest = found(world)
    world.upload(NAME, ROWS.upper())
    with pytest.raises(Permanent) as caught:
        world.store.read(manifest, offset=0, size=10)
    assert caught.value.code is ErrorCode.MANIFEST_GONE


def test_rows_are_written_down_once(world: World) -> None:
    first = world.store.write("batches/b/requests.jsonl", ROWS)
    second = world.store.write("batches/b/requests.jsonl", b"others")
    assert first == second == found(world, "ours", "batches/b/requests.jsonl")
    assert world.store.read(first, offset=0, size=10**6) == ROWS


def test_rows_that_were_deleted_are_gone_and_can_be_written_anew(world: World) -> None:
    first = world.store.write(OURS, ROWS)
    for _ in range(2):
        world.store.delete(first)
    assert world.store.find("ours", OURS) is None
    with pytest.raises(Permanent) as caught:
        world.store.read(first, offset=0, size=10)
    assert caught.value.code is ErrorCode.MANIFEST_GONE

    second = world.store.write(OURS, ROWS)
    world.store.delete(first)  # late
    assert second.generation != first.generation
    assert world.store.find("ours", OURS) == second


def test_the_bucket_deletes_rows_in_the_end_if_nobody_else_does(gcs: tuple[GcsManifestStore, storage.Client]) -> None:
    """Its lifecycle counts from the custom time, so an object without one stays for ever."""
    store, client = gcs
    written = store.write(OURS, ROWS)
    first = client.bucket("ours").get_blob(OURS).custom_time
    assert first
    store.write(OURS, ROWS)
    assert client.bucket("ours").get_blob(OURS).custom_time == first, "not written at each wish"

    late = datetime.now(UTC) - timedelta(days=29)
    blob = client.bucket("ours").blob("old.jsonl")
    blob.custom_time = late
    blob.upload_from_string(ROWS)
    assert store.write("old.jsonl", ROWS).generation == blob.generation
    assert client.bucket("ours").get_blob("old.jsonl").custom_time > late + timedelta(days=28)
    assert written == store.find("ours", OURS)


def test_a_store_that_does_not_answer_is_retryable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.manifest_store.gcs.RETRY", None)
    url = f"http://127.0.0.1:{free_port()}"
    client = storage_client("local", credentials=AnonymousCredentials(), client_options={"api_endpoint": url})
    store = GcsManifestStore(client, bucket="ours")
    manifest = Manifest(bucket="theirs", name=NAME, generation=1, size_bytes=10)
    for call in (
        lambda: store.find("theirs", NAME),
        lambda: store.write(NAME, ROWS),
        lambda: store.read(manifest, offset=0, size=10),
        lambda: store.delete(manifest),
    ):
        with pytest.raises(Retryable):
            call()
