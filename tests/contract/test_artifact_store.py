"""What every artifact store keeps: the double in memory, and the Cloud Storage adapter on the local emulator."""

import concurrent.futures
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from google.auth.credentials import AnonymousCredentials

from local.storage_emulator import serve_storage
from shared.artifact_store import Artifact, ArtifactExists, ArtifactStore
from shared.artifact_store.gcs import CHUNK_BYTES, GcsArtifactStore
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.errors import Conflict, Retryable
from shared.google_storage import storage_client

CLIP = bytes(range(256)) * 4
NAME = "renders/1f/video.mp4"
TIMEOUT_S = 10.0


@pytest.fixture
def emulator_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An emulator whose signing key is the machine's account, as in the local stack."""
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    with serve_storage(
        data_dir=tmp_path / "data", signing_key_file=tmp_path / "key.json", buckets=["artifacts"]
    ) as running:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", running)
        yield running


@pytest.fixture
def gcs(emulator_url: str) -> GcsArtifactStore:  # noqa: ARG001 - the client finds it in the environment
    """The adapter, with the client that production code makes."""
    return GcsArtifactStore(storage_client("local"), bucket="artifacts")


@pytest.fixture(params=["memory", "gcs"])
def store(request: pytest.FixtureRequest) -> ArtifactStore:
    """Every store in turn."""
    if request.param == "memory":
        return InMemoryArtifactStore()
    adapter: GcsArtifactStore = request.getfixturevalue("gcs")
    return adapter


def create(store: ArtifactStore, content: bytes | Path = CLIP, name: str = NAME) -> Artifact:
    return store.create(name, content, content_type="video/mp4", metadata={"render": "1f"})


def test_a_created_artifact_is_found_and_read(store: ArtifactStore) -> None:
    created = create(store)
    assert created.generation > 0
    assert created == Artifact(
        name=NAME,
        generation=created.generation,
        size_bytes=len(CLIP),
        content_type="video/mp4",
        metadata={"render": "1f"},
        kept_since=created.kept_since,
    )
    assert store.get(NAME) == created
    assert store.read(NAME) == CLIP


def test_a_folder_is_every_object_below_it_as_each_is_found_by_its_name(store: ArtifactStore) -> None:
    names = ["renders/1f/attempts/1-a/poster.jpg", NAME]
    for name in reversed(names):
        create(store, name=name)
    create(store, name="renders/1e/video.mp4")

    assert store.folder("renders/1f/") == [store.get(name) for name in names]
    assert store.folder("renders/2f/") == []


def test_a_file_is_stored_like_its_bytes(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "clip.bin").write_bytes(CLIP)
    created = create(store, tmp_path / "clip.bin")
    assert (created.size_bytes, created.content_type) == (len(CLIP), "video/mp4")
    assert store.read(NAME) == CLIP


@pytest.mark.parametrize("size_bytes", [0, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_content_of_any_size_comes_back_as_it_was(store: ArtifactStore, size_bytes: int) -> None:
    content = os.urandom(size_bytes)
    assert create(store, content).size_bytes == size_bytes
    assert store.read(NAME) == content


def test_an_artifact_without_metadata_has_none(store: ArtifactStore) -> None:
    assert store.create(NAME, CLIP, content_type="video/mp4").metadata == {}
    found = store.get(NAME)
    assert found
    assert found.metadata == {}


@pytest.mark.parametrize("again", [b"another", os.urandom(CHUNK_BYTES + 1)], ids=["small", "in chunks"])
def test_the_first_upload_wins(store: ArtifactStore, again: bytes) -> None:
    first = create(store)
    with pytest.raises(ArtifactExists):
        create(store, again)
    assert store.get(NAME) == first
    assert store.read(NAME) == CLIP


def test_of_many_uploads_at_once_one_wins(store: ArtifactStore) -> None:
    def try_create(number: int) -> int | None:
        try:
            create(store, b"%d" % number)
        except ArtifactExists:
            return None
        return number

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(try_create, range(8)) if number is not None]
    assert len(winners) == 1
    assert store.read(NAME) == b"%d" % winners[0]


def test_artifacts_of_different_names_do_not_meet(store: ArtifactStore) -> None:
    create(store, b"video")
    create(store, b"poster", name="renders/1f/poster.jpg")
    assert (store.read(NAME), store.read("renders/1f/poster.jpg")) == (b"video", b"poster")


def test_an_artifact_that_is_not_there_is_none_to_find_and_retryable_to_read(store: ArtifactStore) -> None:
    assert store.get(NAME) is None
    with pytest.raises(Retryable) as raised:
        store.read(NAME)
    assert not isinstance(raised.value, Conflict)


def test_a_folder_is_deleted_with_all_that_lies_in_it_and_nothing_else(store: ArtifactStore) -> None:
    for name in (NAME, "renders/1f/attempts/1-a/poster.jpg", "renders/1f/attempts/1-a/receipt.json"):
        create(store, name=name)
    others = ["renders/1f0/video.mp4", "renders/2e/video.mp4", "renders/1", "x/renders/1f/video.mp4"]
    for name in others:
        create(store, name=name)

    store.delete_folder("renders/1f/")

    assert store.get(NAME) is None
    assert store.get("renders/1f/attempts/1-a/poster.jpg") is None
    assert store.get("renders/1f/attempts/1-a/receipt.json") is None
    assert all(store.get(name) for name in others)
    with pytest.raises(Retryable):
        store.read(NAME)


def test_a_folder_that_is_not_there_is_deleted_without_a_fault(store: ArtifactStore) -> None:
    store.delete_folder("renders/1f/")
    create(store)
    store.delete_folder("renders/1f/")
    store.delete_folder("renders/1f/")
    assert store.get(NAME) is None


def test_after_its_folder_was_deleted_a_name_can_be_taken_again_by_another_generation(store: ArtifactStore) -> None:
    first = create(store)
    store.delete_folder("renders/1f/")
    second = create(store, b"another")
    assert second.generation != first.generation
    assert store.read(NAME) == b"another"


def test_two_who_delete_a_folder_at_once_leave_nothing_and_no_fault(store: ArtifactStore) -> None:
    names = [f"renders/1f/attempts/{number}-a/poster.jpg" for number in range(8)]
    for name in names:
        create(store, name=name)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(store.delete_folder, ["renders/1f/"] * 2))
    assert not any(store.get(name) for name in names)


def test_a_link_says_when_it_expires(store: ArtifactStore) -> None:
    create(store)
    before = datetime.now(UTC)
    link = store.signed_url(NAME, lifetime_s=600, filename="cat.mp4")
    assert before <= link.expires_at - timedelta(seconds=600) <= datetime.now(UTC)
    assert "cat.mp4" in link.url


# What only a server shows


def test_a_link_opens_the_video_in_a_browser(gcs: GcsArtifactStore) -> None:
    create(gcs)
    link = gcs.signed_url(NAME, lifetime_s=600, filename="cat.mp4")
    response = requests.get(link.url, headers={"Range": "bytes=100-199"}, timeout=TIMEOUT_S)
    assert (response.status_code, response.content) == (206, CLIP[100:200])
    assert response.headers["Content-Type"] == "video/mp4"
    assert response.headers["Content-Disposition"] == 'inline; filename="cat.mp4"'
    assert response.headers["Cache-Control"] == "private, max-age=31536000, immutable"


def test_a_link_opens_no_other_artifact(gcs: GcsArtifactStore) -> None:
    create(gcs)
    create(gcs, name="renders/2e/video.mp4")
    link = gcs.signed_url(NAME, lifetime_s=600, filename="cat.mp4")
    assert requests.get(link.url.replace("/1f/", "/2e/"), timeout=TIMEOUT_S).status_code == 403


@pytest.mark.parametrize(
    "use",
    [create, lambda store: store.read(NAME), lambda store: store.delete_folder("renders/1f/")],
    ids=["create", "read", "delete_folder"],
)
@pytest.mark.usefixtures("emulator_url")
def test_a_bucket_that_is_not_there_is_retryable(use: Callable[[ArtifactStore], object]) -> None:
    nowhere = GcsArtifactStore(storage_client("local"), bucket="nowhere")
    with pytest.raises(Retryable):
        use(nowhere)


def test_a_store_that_refuses_is_retryable(emulator_url: str) -> None:
    wrong = storage_client(
        "local",
        credentials=AnonymousCredentials(),
        client_options={"api_endpoint": f"{emulator_url}/nothing/here"},
    )
    with pytest.raises(Retryable):
        create(GcsArtifactStore(wrong, bucket="artifacts"))


def test_the_client_asks_for_nothing_that_it_was_not_told_to() -> None:
    """By itself it asks for the bucket too, in a thread of its own, and again after what is not there."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    before = set(threading.enumerate())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            place = {"api_endpoint": f"http://127.0.0.1:{server.server_port}"}
            client = storage_client("local", credentials=AnonymousCredentials(), client_options=place)
            assert GcsArtifactStore(client, bucket="artifacts").get(NAME) is None
            client.close()
            for thread in {*threading.enumerate()} - before - {serving}:
                thread.join(TIMEOUT_S)
        finally:
            server.shutdown()
            serving.join()
    assert [path.partition("?")[0] for path in asked] == [f"/storage/v1/b/artifacts/o/{quote(NAME, safe='')}"]


def test_a_deleted_artifact_is_gone_and_its_name_is_free(store: ArtifactStore) -> None:
    first = create(store)
    create(store, b"poster", name="renders/1f/poster.jpg")
    store.delete(first)
    assert store.get(NAME) is None
    assert store.get("renders/1f/poster.jpg")
    assert create(store, b"another").generation != first.generation


def test_to_delete_what_is_gone_does_nothing(store: ArtifactStore) -> None:
    first = create(store)
    store.delete(first)
    store.delete(first)
    assert store.get(NAME) is None


def test_what_has_come_to_lie_in_place_of_an_artifact_is_not_deleted_with_it(store: ArtifactStore) -> None:
    first = create(store)
    store.delete(first)
    second = create(store, b"another")
    store.delete(first)
    assert store.get(NAME) == second
