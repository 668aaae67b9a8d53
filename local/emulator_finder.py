"""Where Google's emulators are on this machine.

In: the environment, a cache folder, leave to download. Out: `EmulatorBinaries`, or an `EmulatorMissingError` whose
message is one line that says what is missing and how to get it.

Order, for each emulator alone: the override variables of firebase-tools; the gcloud SDK; the cache folder; a pinned
download (`local.emulator_downloads`). `gcloud info`, which knows the SDK's folder, takes 0.7-1 s: it is asked last.

Facts, tried with Firestore 1.19.9 and Pub/Sub 0.8.20 of gcloud SDK 528:
- The SDK's Firestore jar names no main class and wants the word `start`. The jar of firebase-tools names one and is run
  by `-jar` (known from firebase-tools, not tried): so the manifest decides.
- The Java that a jar needs is written in its classes: 11 for this Firestore, 8 for this Pub/Sub. firebase-tools 15
  wants 21 for its newer ones. So the number is read from the main class.
- The SDK's Firestore jar names its version nowhere but in `--version`: `version` is None.
"""

import os
import re
import shutil
import struct
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from local.emulator_downloads import (
    FIRESTORE_DOWNLOAD,
    PUBSUB_DOWNLOAD,
    EmulatorDownload,
    Progress,
    cached_jar,
    fetch,
    jar_from_zip,
)
from local.errors import EmulatorMissingError
from local.java import JavaFound, find_java

#: In the repository, ignored by git.
DEFAULT_CACHE_DIR = Path(__file__).resolve().parent.parent / ".cache" / "emulators"

_SDK_PLACES = (
    "~/google-cloud-sdk",
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/snap/google-cloud-cli/current",
    "/opt/homebrew/share/google-cloud-sdk",
    "/usr/local/share/google-cloud-sdk",
)
_GET_SDK = "gcloud components install cloud-firestore-emulator pubsub-emulator"


@dataclass(frozen=True, kw_only=True)
class EmulatorJar:
    """A jar, and what the jar itself says about how to run it."""

    path: Path
    #: "override", "gcloud", "cache" or "download".
    source: str
    #: None when neither manifest nor file name tells.
    version: str | None
    #: Between the options of java and those of the emulator.
    launch: tuple[str, ...]
    #: The oldest Java that can load it.
    java_major: int


@dataclass(frozen=True, kw_only=True)
class EmulatorBinaries:
    """All that is needed to start both emulators."""

    java: JavaFound
    firestore: EmulatorJar
    pubsub: EmulatorJar


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """How one emulator is looked for."""

    download: EmulatorDownload
    override_variable: str
    #: Below the folder of the SDK.
    sdk_folder: str
    #: The main class of a jar whose manifest names none.
    main_class: str | None


_FIRESTORE = _Wanted(
    download=FIRESTORE_DOWNLOAD,
    override_variable="FIRESTORE_EMULATOR_BINARY_PATH",
    sdk_folder="platform/cloud-firestore-emulator",
    main_class="com.google.cloud.datastore.emulator.firestore.CloudFirestore",
)
_PUBSUB = _Wanted(
    download=PUBSUB_DOWNLOAD,
    override_variable="PUBSUB_EMULATOR_BINARY_PATH",
    sdk_folder="platform/pubsub-emulator/lib",
    main_class=None,
)


def find_emulators(
    *,
    download: bool,
    on_progress: Progress | None = None,
    cache_dir: Path = DEFAULT_CACHE_DIR,
    environ: Mapping[str, str] = os.environ,
) -> EmulatorBinaries:
    """Both emulators and a Java new enough for them. Java is looked for first: without it nothing is downloaded.

    Raises `EmulatorMissingError`; with `download`, also its subclass `DownloadError`.
    """
    java = find_java(environ=environ)
    firestore, pubsub = (
        _find_jar(wanted, download=download, on_progress=on_progress, cache_dir=cache_dir, environ=environ)
        for wanted in (_FIRESTORE, _PUBSUB)
    )
    needed = max(firestore.java_major, pubsub.java_major)
    if java.major < needed:
        java = find_java(min_major=needed, environ=environ)
    return EmulatorBinaries(java=java, firestore=firestore, pubsub=pubsub)


def _find_jar(
    wanted: _Wanted, *, download: bool, on_progress: Progress | None, cache_dir: Path, environ: Mapping[str, str]
) -> EmulatorJar:
    pinned = wanted.download
    if override := environ.get(wanted.override_variable):
        path = _overriding_jar(Path(override).expanduser(), wanted, cache_dir=cache_dir)
        return _read_jar(path, wanted, source="override")
    for root in _sdk_roots(environ):
        if (found := _newest(root / wanted.sdk_folder, pinned.jar_pattern)) is not None:
            return _read_jar(found, wanted, source="gcloud")
    if (found := cached_jar(pinned, cache_dir=cache_dir)) is not None:
        return _read_jar(found, wanted, source="cache")
    if not download:
        raise EmulatorMissingError(
            f"The {pinned.title} is missing: allow its download ({pinned.size_bytes / 1e6:.0f} MB) or run {_GET_SDK}."
        )
    return _read_jar(fetch(pinned, cache_dir=cache_dir, on_progress=on_progress), wanted, source="download")


def _overriding_jar(path: Path, wanted: _Wanted, *, cache_dir: Path) -> Path:
    """firebase-tools takes a jar for Firestore, and for Pub/Sub the script beside whose folder the jar's lib/ is."""
    pattern = wanted.download.jar_pattern
    if path.suffix == ".jar" and path.is_file():
        return path
    if path.suffix == ".zip" and path.is_file():
        stat = path.stat()
        target = cache_dir / f"{path.stem}-{stat.st_size}-{stat.st_mtime_ns}.jar"
        return target if target.is_file() else jar_from_zip(path, pattern=pattern, target=target)
    folder = path if path.is_dir() else path.parent.parent
    for inside in (".", "lib", "pubsub-emulator/lib", wanted.sdk_folder):
        if path.exists() and (found := _newest(folder / inside, pattern)) is not None:
            return found
    raise EmulatorMissingError(
        f"The {wanted.download.title} is missing: {wanted.override_variable} names {path}, which is no jar and "
        f"leads to none named {pattern}."
    )


def _sdk_roots(environ: Mapping[str, str]) -> Iterator[Path]:
    if root := environ.get("CLOUDSDK_ROOT_DIR"):
        yield Path(root)
    gcloud = shutil.which("gcloud", path=environ.get("PATH", ""))
    if gcloud is not None:
        yield Path(gcloud).resolve().parent.parent
    for place in _SDK_PLACES:
        yield Path(place).expanduser()
    if gcloud is not None and (told := _ask_gcloud(gcloud, environ)) is not None:
        yield told


def _ask_gcloud(gcloud: str, environ: Mapping[str, str]) -> Path | None:
    try:
        answer = subprocess.run(
            [gcloud, "info", "--format=value(installation.sdk_root)"],
            capture_output=True, text=True, timeout=20, check=False, env=dict(environ),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    root = answer.stdout.strip()
    return Path(root) if answer.returncode == 0 and root else None


def _newest(folder: Path, pattern: str) -> Path | None:
    """Of several versions in one folder the highest."""
    found = [path for path in folder.glob(pattern) if path.is_file()]
    return max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.name)], default=None)


def _read_jar(path: Path, wanted: _Wanted, *, source: str) -> EmulatorJar:
    try:
        with zipfile.ZipFile(path) as jar:
            manifest = jar.read("META-INF/MANIFEST.MF").decode(errors="replace")
            named = re.search(r"^Main-Class: *(\S+)", manifest, re.MULTILINE)
            main_class = named.group(1) if named else wanted.main_class
            if main_class is None:
                raise EmulatorMissingError(f"The {wanted.download.title} at {path} names no main class.")
            with jar.open(main_class.replace(".", "/") + ".class") as file:
                # Bytes 6 and 7 of a class file: its format; 45 is Java 1 (JVM specification, 4.1).
                class_major = struct.unpack(">6xH", file.read(8))[0]
    except (OSError, KeyError, struct.error, zipfile.BadZipFile) as exc:
        raise EmulatorMissingError(f"The {wanted.download.title} at {path} cannot be read: {exc}.") from exc
    version = re.search(r"^Implementation-Version: *(\S+)", manifest, re.MULTILINE) or re.search(
        r"-v?(\d+\.\d+\.\d+)", path.name
    )
    return EmulatorJar(
        path=path,
        source=source,
        version=version.group(1) if version else None,
        launch=("-jar", str(path)) if named else ("-cp", str(path), main_class, "start"),
        java_major=class_major - 44,
    )
