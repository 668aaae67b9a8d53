"""Where Google's emulators are on this machine.

In: the environment, a cache folder, leave to download. Out: `EmulatorBinaries`, or an `EmulatorMissingError` whose
message is one line that says what is missing and how to get it.

Order, for each emulator alone: the jar named by the override variable of firebase-tools; the gcloud SDK; the cache
folder; a pinned download (`local.emulator_downloads`).

Facts, tried with Firestore 1.19.9 and Pub/Sub 0.8.20 of gcloud SDK 528:
- The SDK's Firestore jar names no main class and wants the word `start`. The jar of firebase-tools names one and is run
  by `-jar` (known from firebase-tools, not tried): so the manifest decides.
- The Java that a jar needs is written in its classes: 11 for this Firestore, 8 for this Pub/Sub. firebase-tools 15
  wants 21 for its newer ones. So the number is read from the main class.
"""

import os
import re
import shutil
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.emulator_downloads import FIRESTORE_JAR, PUBSUB_JAR, PinnedJar, Progress, cached_jar, fetch_jar
from local.errors import EmulatorMissingError
from local.java import find_java

#: In the repository, ignored by git.
DEFAULT_CACHE_DIR = Path(__file__).resolve().parent.parent / ".cache" / "emulators"

#: Where the gcloud SDK may be although `gcloud` is not on the PATH, or is a script there.
_SDK_PLACES = (
    "~/google-cloud-sdk",
    "/usr/lib/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
    "/opt/homebrew/share/google-cloud-sdk",
)
_FIRESTORE_MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
#: Of the pinned jars. Asked for first: without Java nothing is downloaded.
_MIN_JAVA_MAJOR = 11


@dataclass(frozen=True, kw_only=True)
class EmulatorJar:
    """A jar, and what the jar itself says about how to run it."""

    path: Path
    #: Between the options of java and those of the emulator.
    launch: tuple[str, ...]
    #: The oldest Java that can load it.
    java_major: int


@dataclass(frozen=True, kw_only=True)
class EmulatorBinaries:
    """All that is needed to start both emulators."""

    java: str
    firestore: EmulatorJar
    pubsub: EmulatorJar


def find_emulators(
    *,
    download: bool,
    on_progress: Progress | None = None,
    cache_dir: Path = DEFAULT_CACHE_DIR,
    environ: Mapping[str, str] = os.environ,
) -> EmulatorBinaries:
    """Both emulators and a Java new enough for them.

    Raises `EmulatorMissingError`; with `download`, also its subclass `DownloadError`.
    """
    java = find_java(min_major=_MIN_JAVA_MAJOR, environ=environ)

    def find_jar(pinned: PinnedJar, override: str, sdk_folder: str) -> EmulatorJar:
        path = _local_jar(pinned, environ.get(override), sdk_folder, cache_dir=cache_dir, environ=environ)
        if path is None and not download:
            raise EmulatorMissingError(
                f"The {pinned.title} is missing: allow its download ({pinned.size_bytes / 1e6:.0f} MB) or run "
                "gcloud components install cloud-firestore-emulator pubsub-emulator."
            )
        if path is None:
            path = fetch_jar(pinned, cache_dir=cache_dir, on_progress=on_progress)
        try:
            return _read_jar(path)
        except (OSError, KeyError, struct.error, zipfile.BadZipFile) as exc:
            raise EmulatorMissingError(
                f"The {pinned.title} is missing: {path} cannot be read ({exc}); name another jar by {override}."
            ) from exc

    firestore = find_jar(FIRESTORE_JAR, "FIRESTORE_EMULATOR_BINARY_PATH", "platform/cloud-firestore-emulator")
    pubsub = find_jar(PUBSUB_JAR, "PUBSUB_EMULATOR_BINARY_PATH", "platform/pubsub-emulator/lib")
    needed = max(firestore.java_major, pubsub.java_major)
    if needed > _MIN_JAVA_MAJOR:
        java = find_java(min_major=needed, environ=environ)
    return EmulatorBinaries(java=java, firestore=firestore, pubsub=pubsub)


def _local_jar(
    pinned: PinnedJar, override: str | None, sdk_folder: str, *, cache_dir: Path, environ: Mapping[str, str]
) -> Path | None:
    if override:
        return Path(override).expanduser()
    for root in _sdk_roots(environ):
        if found := max((root / sdk_folder).glob(pinned.jar_pattern), default=None):
            return found
    return cached_jar(pinned, cache_dir=cache_dir)


def _sdk_roots(environ: Mapping[str, str]) -> Iterator[Path]:
    if root := environ.get("CLOUDSDK_ROOT_DIR"):
        yield Path(root)
    if gcloud := shutil.which("gcloud", path=environ.get("PATH", "")):
        yield Path(gcloud).resolve().parent.parent
    for place in _SDK_PLACES:
        yield Path(place).expanduser()


def _read_jar(path: Path) -> EmulatorJar:
    with zipfile.ZipFile(path) as jar:
        manifest = jar.read("META-INF/MANIFEST.MF").decode(errors="replace")
        named = re.search(r"^Main-Class: *(\S+)", manifest, re.MULTILINE)
        main_class = named[1] if named else _FIRESTORE_MAIN_CLASS
        with jar.open(main_class.replace(".", "/") + ".class") as file:
            # Bytes 6 and 7 of a class file: its format; 45 is Java 1 (JVM specification, 4.1).
            (class_major,) = struct.unpack(">6xH", file.read(8))
    return EmulatorJar(
        path=path,
        launch=("-jar", str(path)) if named else ("-cp", str(path), main_class, "start"),
        java_major=class_major - 44,
    )
