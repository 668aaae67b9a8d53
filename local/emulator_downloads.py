"""Google's emulators from Google's release bucket: pinned, checked, kept in a cache folder.

In: a cache folder. Out: the emulator's jar in it, complete and of the pinned checksum, or a `DownloadError`.

Version, address, size and SHA-256 are those that the npm package firebase-tools 14.27.0 publishes in its
`lib/emulator/downloadableEmulatorInfo.json` (read 2026-11). That release and not the newest: its jars run on Java 11,
and are the nearest to those on which the local stack was tried (1.19.9 and 0.8.20, gcloud SDK 528). firebase-tools
15 (1.22.0, 137 MB) wants Java 21.
"""

import contextlib
import fnmatch
import hashlib
import os
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from local.errors import DownloadError

#: Called after every chunk with (name of the file, bytes so far, bytes in all).
Progress = Callable[[str, int, int], None]

_BUCKET = "https://storage.googleapis.com/firebase-preview-drop/emulator"
_CHUNK_BYTES = 256 * 1024
#: Without a byte for so long, the network is taken to be gone.
_SILENCE_S = 30.0


@dataclass(frozen=True, kw_only=True)
class EmulatorDownload:
    """One file of the release bucket."""

    #: For people: "Firestore emulator".
    title: str
    version: str
    url: str
    size_bytes: int
    sha256: str
    #: Name of the jar in the cache folder.
    jar_name: str
    #: What any version of the jar is named, in an archive or an SDK.
    jar_pattern: str


FIRESTORE_DOWNLOAD = EmulatorDownload(
    title="Firestore emulator",
    version="1.19.8",
    url=f"{_BUCKET}/cloud-firestore-emulator-v1.19.8.jar",
    size_bytes=63_634_791,
    sha256="9d43599ed6151199e8d604dc87fac51218e49e5f3a48519b1ae560bbe5e3382d",
    jar_name="cloud-firestore-emulator-v1.19.8.jar",
    jar_pattern="cloud-firestore-emulator*.jar",
)
PUBSUB_DOWNLOAD = EmulatorDownload(
    title="Pub/Sub emulator",
    version="0.8.17",
    url=f"{_BUCKET}/pubsub-emulator-0.8.17.zip",
    size_bytes=65_162_324,
    sha256="72a49d14ee6cd4c1a0fee4a46f520fe4d7465396a155c61abc0103905047edd3",
    jar_name="cloud-pubsub-emulator-0.8.17-all.jar",
    jar_pattern="cloud-pubsub-emulator*.jar",
)


def cached_jar(download: EmulatorDownload, *, cache_dir: Path) -> Path | None:
    """The jar, if an earlier `fetch` put it there. Only checked files ever get that name."""
    path = cache_dir / download.jar_name
    return path if path.is_file() else None


def fetch(download: EmulatorDownload, *, cache_dir: Path, on_progress: Progress | None = None) -> Path:
    """The jar in the cache folder, downloaded if it is not there. Raises `DownloadError`."""
    if (cached := cached_jar(download, cache_dir=cache_dir)) is not None:
        return cached
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with _partial_file(cache_dir) as (file, path):
            _stream(download, file, on_progress)
            file.close()
            target = cache_dir / download.jar_name
            if download.url.endswith(".zip"):
                return jar_from_zip(path, pattern=download.jar_pattern, target=target)
            return path.replace(target)
    except OSError as exc:  # disk full, no permission: those of the network are told apart in _stream
        raise DownloadError(f"The {download.title} cannot be kept in {cache_dir}: {exc}.") from exc


def jar_from_zip(archive: Path, *, pattern: str, target: Path) -> Path:
    """Copy the one member whose name, in whatever folder of the archive, matches the pattern; to `target`.

    Nothing else is written, and nothing under a name from the archive. An archive with names that lead out of a folder
    is refused as a whole: it is not what Google publishes. Raises `DownloadError`.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            names = opened.namelist()
            for name in names:
                path = PurePosixPath(name.replace("\\", "/"))
                if path.is_absolute() or ".." in path.parts or ":" in name:
                    raise DownloadError(f"The archive {archive} is refused: it has a member named {name!r}.")
            members = [name for name in names if fnmatch.fnmatchcase(PurePosixPath(name).name, pattern)]
            if len(members) != 1:
                raise DownloadError(
                    f"The archive {archive} is refused: it has {len(members)} files {pattern}, not one."
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(members[0]) as source, _partial_file(target.parent) as (file, partial):
                shutil.copyfileobj(source, file, _CHUNK_BYTES)
                file.close()
                return partial.replace(target)
    except zipfile.BadZipFile as exc:
        raise DownloadError(f"The archive {archive} cannot be read: {exc}.") from exc


@contextlib.contextmanager
def _partial_file(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A new file in the folder (so that a rename is atomic), removed unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=".partial-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _stream(download: EmulatorDownload, file: BinaryIO, on_progress: Progress | None) -> None:
    """Write the body into the file, and raise unless it is, to the byte, what was pinned."""
    digest = hashlib.sha256()
    received_bytes = 0
    with contextlib.closing(_chunks(download)) as chunks:
        for chunk in chunks:
            received_bytes += len(chunk)
            if received_bytes > download.size_bytes:
                raise DownloadError(
                    f"The {download.title} is refused: {download.url} is longer than the "
                    f"{download.size_bytes} bytes expected."
                )
            digest.update(chunk)
            file.write(chunk)
            if on_progress is not None:
                on_progress(download.jar_name, received_bytes, download.size_bytes)
    if received_bytes != download.size_bytes:
        raise DownloadError(
            f"The download of the {download.title} broke off: {received_bytes} of {download.size_bytes} bytes came "
            f"from {download.url}; try again."
        )
    if digest.hexdigest() != download.sha256:
        raise DownloadError(
            f"The {download.title} is refused: {download.url} has SHA-256 {digest.hexdigest()}, "
            f"expected {download.sha256}."
        )


def _chunks(download: EmulatorDownload) -> Generator[bytes, None, None]:
    if urllib.parse.urlsplit(download.url).scheme not in {"http", "https"}:
        raise DownloadError(f"The {download.title} cannot be downloaded from {download.url}: not a web address.")
    try:
        with urllib.request.urlopen(download.url, timeout=_SILENCE_S) as response:
            while chunk := response.read(_CHUNK_BYTES):
                yield chunk
    except urllib.error.HTTPError as exc:
        exc.close()
        raise DownloadError(f"The {download.title} cannot be downloaded: {download.url} answers {exc.code}.") from exc
    except (OSError, HTTPException) as exc:
        reason = getattr(exc, "reason", exc)
        raise DownloadError(
            f"The {download.title} cannot be downloaded: {download.url} is not reachable ({reason})."
        ) from exc
