"""Objects of a bucket, with generations, on one machine's disk.

Enters: a staged file with its metadata and preconditions. Leaves: ``StoredObject`` values and open files; each new
generation is handed to an outbox (see ``local.storage_events``) in the same commit.

Keeps of Google Cloud Storage: a strictly increasing microsecond generation for every create; preconditions decided
under the lock in which the object becomes visible, so of many creators one wins; strong consistency of reads and lists;
MD5 and CRC32C.
Keeps not: noncurrent versions, soft delete, lifecycle, and survival of a power cut (nothing is synced; a killed process
loses nothing that was answered).

On disk a name is only ever the SHA-256 of itself, so no object name can leave the data folder. An object is
``{hash}.{generation}`` (bytes) and ``{hash}.json`` (metadata, which names the bytes). Replacing the latter is the commit.
"""

import base64
import contextlib
import dataclasses
import fcntl
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import google_crc32c

from local.storage_values import (
    ANY_STATE,
    EPOCH,
    ConflictError,
    InvalidError,
    NotFoundError,
    Preconditions,
    StoredObject,
    check_bucket_name,
    check_custom_time,
    check_object_name,
    merged,
    rfc3339,
)

_READ_BYTES = 1 << 20


class DataFolderInUseError(Exception):
    """Another process serves this data folder; two would overwrite each other's objects."""


class Outbox(Protocol):
    """Where the news of a new generation goes. ``publish`` makes durable what ``prepare`` wrote, after the commit."""

    def prepare(self, resource: dict[str, Any]) -> Path:
        """Write the event aside; it does not count yet."""

    def publish(self, prepared: Path) -> None:
        """Let the event count: the object is there."""

    def recover(self, is_live: Callable[[dict[str, Any]], bool]) -> None:
        """Publish or drop what a crash left between the two."""


class ObjectStore:
    """Buckets and objects under ``folder``; safe for threads; one process a folder."""

    def __init__(self, folder: Path, *, outbox: Outbox | None = None, base_url: str = "") -> None:
        self._buckets_folder = folder / "buckets"
        self._staging = folder / "staging"
        self._outbox = outbox
        self._base_url = base_url
        self._lock = threading.RLock()
        self._buckets: dict[str, dict[str, Any]] = {}
        self._objects: dict[str, dict[str, StoredObject]] = {}
        self._last_generation = 0
        for each in (self._buckets_folder, self._staging):
            each.mkdir(parents=True, exist_ok=True)
        self._lock_file = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self._lock_file.close()
            msg = f"the data folder {folder} is in use by another storage emulator"
            raise DataFolderInUseError(msg) from exc
        self._load()

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock_file.close()

    # Buckets

    def create_bucket(self, name: str, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Create a bucket; 409 when it exists."""
        check_bucket_name(name)
        with self._lock:
            if name in self._buckets:
                msg = "Your previous request to create the named bucket succeeded and you already own it."
                raise ConflictError(msg)
            now = rfc3339(datetime.now(UTC))
            bucket = {"location": "US", "storageClass": "STANDARD", **(settings or {}), "name": name}
            bucket |= {"metageneration": "1", "timeCreated": now, "updated": now}
            self._objects_folder(name).mkdir(parents=True, exist_ok=True)
            self._save_bucket(bucket)
            self._objects[name] = {}
            return bucket

    def buckets(self) -> list[dict[str, Any]]:
        """All buckets by name."""
        with self._lock:
            return [self._buckets[name] for name in sorted(self._buckets)]

    def bucket(self, name: str) -> dict[str, Any]:
        """The settings of a bucket; NotFoundError when there is none."""
        with self._lock:
            self._require_bucket(name)
            return self._buckets[name]

    def update_bucket(self, name: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Merge settings into a bucket; a null removes one."""
        with self._lock:
            bucket = {**self.bucket(name), **changes, "name": name, "updated": rfc3339(datetime.now(UTC))}
            bucket["metageneration"] = str(int(self._buckets[name]["metageneration"]) + 1)
            self._save_bucket({key: value for key, value in bucket.items() if value is not None})
            return self._buckets[name]

    def delete_bucket(self, name: str) -> None:
        """Remove an empty bucket; 409 when it is not empty."""
        with self._lock:
            if self._require_bucket(name):
                msg = "The bucket you tried to delete is not empty."
                raise ConflictError(msg)
            (self._buckets_folder / name / "bucket.json").unlink()
            del self._buckets[name], self._objects[name]

    # Objects

    @contextlib.contextmanager
    def staged(self) -> Iterator[Path]:
        """A path to write bytes to before ``finalize`` takes them; removed afterwards if nobody did."""
        path = self._staging / uuid.uuid4().hex
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def check(self, bucket: str, name: str, when: Preconditions) -> None:
        """Raise what ``finalize`` would raise now, so that an upload in vain ends before its bytes are sent."""
        check_object_name(name)
        with self._lock:
            when.check(self._require_bucket(bucket).get(name))

    def finalize(
        self, bucket: str, name: str, staged: Path, *, attributes: Mapping[str, Any], when: Preconditions = ANY_STATE
    ) -> StoredObject:
        """Make the staged file the live generation of the object, and its event durable: both, or neither.

        ``attributes`` may declare md5Hash and crc32c: InvalidError when the bytes differ.
        """
        self.check(bucket, name, when)
        size_bytes, md5_hash, crc32c = _measure(staged)
        for declared, actual in (("md5Hash", md5_hash), ("crc32c", crc32c)):
            if attributes.get(declared) not in (None, actual):
                msg = f"Provided {declared} '{attributes[declared]}' doesn't match calculated {declared} '{actual}'."
                raise InvalidError(msg)
        with self._lock:
            objects = self._require_bucket(bucket)
            replaced = objects.get(name)
            when.check(replaced)
            generation = max(time.time_ns() // 1000, self._last_generation + 1)
            stored = StoredObject(
                bucket=bucket,
                name=name,
                generation=generation,
                metageneration=1,
                size_bytes=size_bytes,
                md5_hash=md5_hash,
                crc32c=crc32c,
                updated=rfc3339(EPOCH + timedelta(microseconds=generation)),
                attributes=merged({"contentType": "application/octet-stream"}, attributes),
            )
            staged.replace(self._bytes_path(stored))
            prepared = self._outbox.prepare(stored.resource(self._base_url)) if self._outbox else None
            self._save_object(stored)
            if self._outbox and prepared:
                self._outbox.publish(prepared)
            if replaced:
                self._bytes_path(replaced).unlink(missing_ok=True)
        return stored

    def get(
        self, bucket: str, name: str, *, generation: int | None = None, when: Preconditions = ANY_STATE
    ) -> StoredObject:
        """The live object; NotFoundError when there is none or ``generation`` is another."""
        with self._lock:
            stored = self._require_bucket(bucket).get(name)
            if stored is None or generation not in (None, stored.generation):
                msg = f"No such object: {bucket}/{name}"
                raise NotFoundError(msg)
            when.check(stored)
            return stored

    def open(
        self, bucket: str, name: str, *, generation: int | None = None, when: Preconditions = ANY_STATE
    ) -> tuple[StoredObject, BinaryIO]:
        """The live object and its bytes; the open file outlives a replacement or deletion of the object."""
        with self._lock:
            stored = self.get(bucket, name, generation=generation, when=when)
            return stored, self._bytes_path(stored).open("rb")

    def list(self, bucket: str) -> list[StoredObject]:
        """All objects in order of the UTF-8 bytes of their names."""
        with self._lock:
            # Code point order and UTF-8 byte order are the same.
            return [stored for _, stored in sorted(self._require_bucket(bucket).items())]

    def update(
        self,
        bucket: str,
        name: str,
        changes: Mapping[str, Any],
        *,
        replace: bool = False,
        generation: int | None = None,
        when: Preconditions = ANY_STATE,
    ) -> StoredObject:
        """Merge changes into the metadata (a null removes), or replace all of it; the next metageneration."""
        with self._lock:
            stored = self.get(bucket, name, generation=generation, when=when)
            attributes = merged({} if replace else stored.attributes, changes)
            check_custom_time(stored.attributes.get("customTime"), attributes.get("customTime"))
            stored = dataclasses.replace(
                stored,
                metageneration=stored.metageneration + 1,
                updated=rfc3339(datetime.now(UTC)),
                attributes=attributes,
            )
            self._save_object(stored)
            return stored

    def delete(self, bucket: str, name: str, *, generation: int | None = None, when: Preconditions = ANY_STATE) -> None:
        """Remove the object; readers that have it open read on."""
        with self._lock:
            stored = self.get(bucket, name, generation=generation, when=when)
            self._meta_path(bucket, name).unlink()
            del self._objects[bucket][name]
            self._bytes_path(stored).unlink(missing_ok=True)

    # Disk

    def _load(self) -> None:
        for leftover in self._staging.iterdir():
            leftover.unlink()
        for path in self._buckets_folder.glob("*/bucket.json"):
            bucket = json.loads(path.read_bytes())
            self._buckets[bucket["name"]] = bucket
            loaded = [StoredObject(**json.loads(meta.read_bytes())) for meta in path.parent.glob("objects/*.json")]
            self._objects[bucket["name"]] = {stored.name: stored for stored in loaded}
            # Bytes that no metadata names were committed by nobody, or replaced.
            named = {self._bytes_path(stored) for stored in loaded}
            for orphan in set(path.parent.glob("objects/*")) - named:
                if orphan.suffix != ".json":
                    orphan.unlink()
            self._last_generation = max([self._last_generation, *(stored.generation for stored in loaded)])
        if self._outbox:
            self._outbox.recover(self._is_live)

    def _is_live(self, resource: dict[str, Any]) -> bool:
        stored = self._objects.get(resource["bucket"], {}).get(resource["name"])
        return stored is not None and str(stored.generation) == resource["generation"]

    def _require_bucket(self, name: str) -> dict[str, StoredObject]:
        if name not in self._objects:
            msg = "The specified bucket does not exist."
            raise NotFoundError(msg)
        return self._objects[name]

    def _save_bucket(self, bucket: dict[str, Any]) -> None:
        write_atomically(self._buckets_folder / bucket["name"] / "bucket.json", bucket)
        self._buckets[bucket["name"]] = bucket

    def _save_object(self, stored: StoredObject) -> None:
        write_atomically(self._meta_path(stored.bucket, stored.name), dataclasses.asdict(stored))
        self._objects[stored.bucket][stored.name] = stored

    def _objects_folder(self, bucket: str) -> Path:
        return self._buckets_folder / bucket / "objects"

    def _meta_path(self, bucket: str, name: str) -> Path:
        return self._objects_folder(bucket) / f"{hashlib.sha256(name.encode()).hexdigest()}.json"

    def _bytes_path(self, stored: StoredObject) -> Path:
        return self._meta_path(stored.bucket, stored.name).with_suffix(f".{stored.generation}")


def write_atomically(path: Path, content: dict[str, Any]) -> None:
    """Write JSON so that a reader, or the next start, sees the old content or the new, never a part."""
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    temporary.replace(path)


def _measure(path: Path) -> tuple[int, str, str]:
    """Size in bytes, MD5 and CRC32C (both base64) of a file."""
    md5, crc32c = hashlib.md5(usedforsecurity=False), google_crc32c.Checksum()
    with path.open("rb") as file:
        while chunk := file.read(_READ_BYTES):
            md5.update(chunk)
            crc32c.update(chunk)
        return file.tell(), base64.b64encode(md5.digest()).decode(), base64.b64encode(crc32c.digest()).decode()
