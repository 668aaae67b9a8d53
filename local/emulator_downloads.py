"""Google's emulators from Google's release bucket: pinned, checked, kept in a cache folder.

In: a cache folder. Out: the emulator's jar in it, of the pinned checksum, or a `DownloadError`.

Address, size and SHA-256 are those that the npm package firebase-tools 14.27.0 has in its
`lib/emulator/downloadableEmulatorInfo.json` (read 2026-11). That release and not the newest: its jars run on Java 11,
and are the nearest to those on which the local stack was tried (1.19.9 and 0.8.20, gcloud SDK 528). firebase-tools 15
(Firestore 1.22.0, 137 MB) wants Java 21.
"""

import fnmatch
import hashlib
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from local.errors import DownloadError

#: Called after every chunk with (title of the emulator, bytes so far, bytes in all).
Progress = Callable[[str, int, int], None]

_BUCKET = "https://storage.googleapis.com/firebase-preview-drop/emulator"
_CHUNK_BYTES = 256 * 1024
#: Without a byte for so long, the network is taken to be gone.
_SILENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class PinnedJar:
    """A jar of the release bucket, or a zip archive with the jar in it."""

    #: For people: "Firestore emulator".
    title: str
    url: str
    size_bytes: int
    sha256: str
    #: In the cache folder.
    file_name: str
    #: What the jar is called in any version, in the archive and in the gcloud SDK.
    jar_pattern: str


FIRESTORE_JAR = PinnedJar(
    title="Firestore emulator",
    url=f"{_BUCKET}/cloud-firestore-emulator-v1.19.8.jar",
    size_bytes=63_634_791,
    sha256="9d43599ed6151199e8d604dc87fac51218e49e5f3a48519b1ae560bbe5e3382d",
    file_name="cloud-firestore-emulator-v1.19.8.jar",
    jar_pattern="cloud-firestore-emulator*.jar",
)
PUBSUB_JAR = PinnedJar(
    title="Pub/Sub emulator",
    url=f"{_BUCKET}/pubsub-emulator-0.8.17.zip",
    size_bytes=65_162_324,
    sha256="72a49d14ee6cd4c1a0fee4a46f520fe4d7465396a155c61abc0103905047edd3",
    file_name="cloud-pubsub-emulator-0.8.17-all.jar",
    jar_pattern="cloud-pubsub-emulator*.jar",
)


def cached_jar(pinned: PinnedJar, *, cache_dir: Path) -> Path | None:
    """The jar, if an earlier `fetch_jar` put it there. Only complete, checked files ever get that name."""
    path = cache_dir / pinned.file_name
    return path if path.is_file() else None


def fetch_jar(pinned: PinnedJar, *, cache_dir: Path, on_progress: Progress | None = None) -> Path:
    """Download the jar into the cache folder. Raises `DownloadError`; the cache is then as it was."""
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache_dir) as folder:  # beside: a rename is atomic
            file = Path(folder, "download")
            _download(pinned, file, on_progress)
            jar = _unpack(pinned, file) if pinned.url.endswith(".zip") else file
            return jar.replace(cache_dir / pinned.file_name)
    except (OSError, HTTPException, zipfile.BadZipFile) as exc:
        if isinstance(exc, urllib.error.HTTPError):
            exc.close()
        raise DownloadError(f"The {pinned.title} could not be had from {pinned.url}: {exc}.") from exc


def _download(pinned: PinnedJar, target: Path, on_progress: Progress | None) -> None:
    digest = hashlib.sha256()
    received_bytes = 0
    with (
        urllib.request.urlopen(pinned.url, timeout=_SILENCE_S) as response,  # noqa: S310 - the address is pinned
        target.open("wb") as file,
    ):
        while chunk := response.read(_CHUNK_BYTES):
            received_bytes += len(chunk)
            digest.update(chunk)
            file.write(chunk)
            if on_progress is not None:
                on_progress(pinned.title, received_bytes, pinned.size_bytes)
    if digest.hexdigest() != pinned.sha256:
        raise DownloadError(
            f"The {pinned.title} is refused: {received_bytes} of {pinned.size_bytes} bytes came from {pinned.url}, "
            f"of SHA-256 {digest.hexdigest()}, not {pinned.sha256}; try again."
        )


def _unpack(pinned: PinnedJar, archive: Path) -> Path:
    """The jar of the archive, as a file beside it. Nothing is written under a name from the archive."""
    target = archive.with_name("unpacked")
    with zipfile.ZipFile(archive) as opened:
        members = fnmatch.filter(opened.namelist(), f"*{pinned.jar_pattern}")
        if len(members) != 1:
            raise zipfile.BadZipFile(f"{len(members)} files {pinned.jar_pattern} in the archive, not one")
        with opened.open(members[0]) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    return target
