"""Pinned downloads: what lands in the cache is what was pinned, or nothing is changed."""

import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.emulator_downloads import PinnedJar, cached_jar, fetch_jar
from local.errors import DownloadError

JAR = b"a jar of more than one chunk" * 20_000


class _Bucket(http.server.ThreadingHTTPServer):
    """Answers every name with its bytes; `missing_bytes` fewer than it promised."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _BucketRequest)
        self.files: dict[str, bytes] = {}
        self.missing_bytes = 0

    def pin(self, name: str, content: bytes) -> PinnedJar:
        self.files["/" + name] = content
        return PinnedJar(
            title="Bee emulator",
            url=f"http://127.0.0.1:{self.server_port}/{name}",
            size_bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            file_name="bee-emulator-1.2.jar",
            jar_pattern="bee-emulator*.jar",
        )


class _BucketRequest(http.server.BaseHTTPRequestHandler):
    server: _Bucket

    def do_GET(self) -> None:
        if (content := self.server.files.get(self.path)) is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) - self.server.missing_bytes])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture
def bucket() -> Iterator[_Bucket]:
    with _Bucket() as server:
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache_dir(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "emulators"


def zip_of(*names: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name in names:
            opened.writestr(name, JAR if name.endswith(".jar") else b"#!/bin/sh")
    return archive.getvalue()


def refusal(pinned: PinnedJar, cache_dir: Path) -> str:
    """What the person is told, in one line; nothing has come into the cache."""
    before = sorted(cache_dir.glob("**/*"))
    with pytest.raises(DownloadError) as caught:
        fetch_jar(pinned, cache_dir=cache_dir)
    assert sorted(cache_dir.glob("**/*")) == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_downloaded_jar_is_in_the_cache_alone(bucket: _Bucket, cache_dir: Path) -> None:
    pinned = bucket.pin("bee.jar", JAR)
    assert cached_jar(pinned, cache_dir=cache_dir) is None
    jar = fetch_jar(pinned, cache_dir=cache_dir)
    assert jar.read_bytes() == JAR
    assert cached_jar(pinned, cache_dir=cache_dir) == jar
    assert list(cache_dir.iterdir()) == [jar]


def test_progress_is_told_up_to_the_whole_size(bucket: _Bucket, cache_dir: Path) -> None:
    told: list[tuple[str, int, int]] = []
    fetch_jar(bucket.pin("bee.jar", JAR), cache_dir=cache_dir, on_progress=lambda *progress: told.append(progress))
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == ("Bee emulator", len(JAR), len(JAR))


def test_of_an_archive_only_the_jar_is_kept(bucket: _Bucket, cache_dir: Path) -> None:
    archive = zip_of("bee/bin/bee-emulator", "bee/lib/bee-emulator-1.2-all.jar", "../../escaped.jar")
    jar = fetch_jar(bucket.pin("bee.zip", archive), cache_dir=cache_dir)
    assert jar.read_bytes() == JAR
    assert list(cache_dir.iterdir()) == [jar]


@pytest.mark.parametrize("names", [(), ("bee-emulator-1.jar", "bee-emulator-2.jar")], ids=["none", "two"])
def test_an_archive_without_exactly_one_jar_is_refused(
    bucket: _Bucket, cache_dir: Path, names: tuple[str, ...]
) -> None:
    told = refusal(bucket.pin("bee.zip", zip_of("read.me", *names)), cache_dir)
    assert f"{len(names)} files bee-emulator*.jar in the archive, not one" in told


def test_an_archive_that_is_none_is_refused(bucket: _Bucket, cache_dir: Path) -> None:
    assert "not a zip file" in refusal(bucket.pin("bee.zip", JAR), cache_dir)


def test_another_file_than_the_pinned_one_is_refused(bucket: _Bucket, cache_dir: Path) -> None:
    pinned = bucket.pin("bee.jar", JAR)
    bucket.files["/bee.jar"] = JAR.replace(b"one", b"two")
    assert "refused" in refusal(pinned, cache_dir)


def test_a_download_that_breaks_off_is_refused(bucket: _Bucket, cache_dir: Path) -> None:
    pinned = bucket.pin("bee.jar", JAR)
    bucket.missing_bytes = 7
    assert f"{len(JAR) - 7} of {len(JAR)} bytes" in refusal(pinned, cache_dir)


def test_a_failed_download_leaves_the_jar_of_an_earlier_one(bucket: _Bucket, cache_dir: Path) -> None:
    pinned = bucket.pin("bee.jar", JAR)
    jar = fetch_jar(pinned, cache_dir=cache_dir)
    bucket.files.clear()
    refusal(pinned, cache_dir)
    assert jar.read_bytes() == JAR


def test_a_missing_file_is_reported_with_its_address(bucket: _Bucket, cache_dir: Path) -> None:
    pinned = bucket.pin("bee.jar", JAR)
    bucket.files.clear()
    assert f"could not be had from {pinned.url}: HTTP Error 404" in refusal(pinned, cache_dir)


def test_an_unreachable_network_is_reported(cache_dir: Path) -> None:
    with _Bucket() as server:
        pinned = server.pin("bee.jar", JAR)
    assert "Connection refused" in refusal(pinned, cache_dir)


def test_a_cache_that_cannot_be_written_is_reported(bucket: _Bucket, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert "Not a directory" in refusal(bucket.pin("bee.jar", JAR), tmp_path / "cache" / "emulators")
