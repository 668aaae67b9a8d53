"""Objects of a bucket, with generations, on one machine's disk.

Enters: bytes with their metadata and a precondition. Leaves: ``StoredObject`` values and open files; the event of each
new generation is made durable in the same commit (``local.storage_events``).

Keeps of Google Cloud Storage: a strictly increasing microsecond generation for every create; preconditions decided
under the lock in which the object becomes visible, so of many creators one wins; strong consistency of reads and lists;
MD5 and CRC32C.
Keeps not: noncurrent versions, soft delete, lifecycle, changes of a bucket, and survival of a power cut (nothing is
synced; a killed process loses nothing that was answered).

On disk a name is only ever the SHA-256 of itself, so no object name can leave the data folder. An object is
``object-{hash}.{generation}`` (bytes) and ``object-{hash}.json`` (metadata, names the bytes); to replace that is the
commit.
"""

import base64
import dataclasses
import fcntl
import hashlib
import json
import shutil
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
from werkzeug.exceptions import BadRequest, Conflict, NotFound, PreconditionFailed

from local.errors import LocalStackError
from local.storage_events import EventSpool
from local.storage_values import StoredObject, check_bucket_name, check_object_name, merged, rfc3339, write_atomically


class DataFolderInUseError(LocalStackError):
    """Another process serves this data folder; two would overwrite each other's objects."""


class ObjectStore:
    """Buckets and objects under ``folder``; safe for threads; one process a folder.

    ``if_generation_match`` is the generation that must be live, 0 for "there is none"; PreconditionFailed otherwise.
    """

    def __init__(self, folder: Path, *, events: EventSpool | None, base_url: str) -> None:
        self._folder = folder / "buckets"
        self._events = events
        self._base_url = base_url
        self._lock = threading.RLock()
        self._buckets: dict[str, dict[str, Any]] = {}
        self._objects: dict[str, dict[str, StoredObject]] = {}
        self._last_generation = 0
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock_file = (folder / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            self._lock_file.close()
            raise DataFolderInUseError(f"The data folder {folder} is in use by another storage emulator.") from exc
        self._load()

    def close(self) -> None:
        """Let another process have the folder."""
        self._lock_file.close()

    # Buckets

    def create_bucket(self, name: object) -> dict[str, Any]:
        """Create a bucket; Conflict when it exists."""
        name = check_bucket_name(name)
        with self._lock:
            if name in self._buckets:
                raise Conflict("Your previous request to create the named bucket succeeded and you already own it.")
            now = rfc3339(datetime.now(UTC))
            bucket = {"kind": "storage#bucket", "id": name, "name": name, "location": "US", "storageClass": "STANDARD"}
            bucket |= {"metageneration": "1", "timeCreated": now, "updated": now, "etag": "CAE="}
            self._path(name).mkdir(exist_ok=True)
            write_atomically(self._path(name) / "bucket.json", bucket)
            self._buckets[name], self._objects[name] = bucket, {}
            return bucket

    def bucket(self, name: str) -> dict[str, Any]:
        """The resource of a bucket; NotFound when there is none."""
        with self._lock:
            if name not in self._buckets:
                raise NotFound("The specified bucket does not exist.")
            return self._buckets[name]

    def delete_bucket(self, name: str) -> None:
        """Remove an empty bucket; Conflict when it is not empty."""
        with self._lock:
            self.bucket(name)
            if self._objects[name]:
                raise Conflict("The bucket you tried to delete is not empty.")
            shutil.rmtree(self._path(name))
            del self._buckets[name], self._objects[name]

    # Objects

    def check(self, bucket: str, name: object, *, if_generation_match: int | None) -> str:
        """The name; raises what ``create`` would raise now, so that an upload in vain ends before bytes are sent."""
        name = check_object_name(name)
        with self._lock:
            self.bucket(bucket)
            _check_generation(self._objects[bucket].get(name), if_generation_match)
        return name

    def create(
        self,
        bucket: str,
        name: object,
        content: bytes | bytearray | memoryview,
        *,
        attributes: Mapping[str, Any],
        if_generation_match: int | None,
    ) -> StoredObject:
        """Make the content the live generation of the object, and its event durable: both, or neither.

        ``attributes`` may declare md5Hash and crc32c: BadRequest when the bytes differ.
        """
        name = self.check(bucket, name, if_generation_match=if_generation_match)
        digests = {
            "md5Hash": base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode(),
            "crc32c": base64.b64encode(google_crc32c.value(bytes(content)).to_bytes(4)).decode(),
        }
        for kind, actual in digests.items():
            if attributes.get(kind, actual) != actual:
                raise BadRequest(f"Provided {kind} {attributes[kind]!r} doesn't match calculated {kind} {actual!r}.")
        kept = merged({"contentType": "application/octet-stream"}, attributes)
        with self._lock:
            self.check(bucket, name, if_generation_match=if_generation_match)
            replaced = self._objects[bucket].get(name)
            self._last_generation = max(time.time_ns() // 1000, self._last_generation + 1)
            stored = StoredObject(
                bucket=bucket,
                name=name,
                generation=self._last_generation,
                metageneration=1,
                size_bytes=len(content),
                md5_hash=digests["md5Hash"],
                crc32c=digests["crc32c"],
                updated=rfc3339(datetime.now(UTC)),
                attributes=kept,
            )
            self._bytes_path(stored).write_bytes(content)
            prepared = self._events.prepare(stored.resource(self._base_url)) if self._events else None
            self._save(stored)
            if self._events and prepared:
                self._events.publish(prepared)
            if replaced:
                self._bytes_path(replaced).unlink(missing_ok=True)
        return stored

    def get(
        self, bucket: str, name: str, *, generation: int | None = None, if_generation_match: int | None = None
    ) -> StoredObject:
        """The live object; NotFound when there is none or ``generation`` is another."""
        with self._lock:
            self.bucket(bucket)
            stored = self._objects[bucket].get(name)
            _check_generation(stored, if_generation_match)
            if stored is None or generation not in (None, stored.generation):
                raise NotFound(f"No such object: {bucket}/{name}")
            return stored

    def open(self, bucket: str, name: str, **conditions: int | None) -> tuple[StoredObject, BinaryIO]:
        """The live object, as ``get``, and its bytes; the open file outlives a replacement or deletion."""
        with self._lock:
            stored = self.get(bucket, name, **conditions)
            return stored, self._bytes_path(stored).open("rb")

    def list(self, bucket: str) -> list[StoredObject]:
        """All objects in order of the UTF-8 bytes of their names."""
        with self._lock:
            self.bucket(bucket)
            # Code point order and UTF-8 byte order are the same.
            return [stored for _, stored in sorted(self._objects[bucket].items())]

    def update(self, bucket: str, name: str, changes: Mapping[str, Any], **conditions: int | None) -> StoredObject:
        """Merge changes into the metadata (a null removes) of what ``get`` finds; the next metageneration."""
        with self._lock:
            stored = self.get(bucket, name, **conditions)
            stored = dataclasses.replace(
                stored,
                metageneration=stored.metageneration + 1,
                updated=rfc3339(datetime.now(UTC)),
                attributes=merged(stored.attributes, changes),
            )
            self._save(stored)
            return stored

    def delete(self, bucket: str, name: str, **conditions: int | None) -> None:
        """Remove what ``get`` finds; readers that have it open read on."""
        with self._lock:
            stored = self.get(bucket, name, **conditions)
            self._metadata_path(stored).unlink()
            del self._objects[bucket][name]
            self._bytes_path(stored).unlink(missing_ok=True)

    # Disk

    def _load(self) -> None:
        for path in self._folder.glob("*/bucket.json"):
            bucket = json.loads(path.read_bytes())
            live = [StoredObject(**json.loads(each.read_bytes())) for each in path.parent.glob("object-*.json")]
            # Bytes that no metadata names were committed by nobody, or replaced.
            named = {path, *(self._metadata_path(each) for each in live), *(self._bytes_path(each) for each in live)}
            for orphan in set(path.parent.iterdir()) - named:
                orphan.unlink()
            self._buckets[bucket["name"]] = bucket
            self._objects[bucket["name"]] = {each.name: each for each in live}
            self._last_generation = max([self._last_generation, *(each.generation for each in live)])
        if self._events:
            self._events.recover(self._is_live)

    def _is_live(self, resource: dict[str, Any]) -> bool:
        stored = self._objects.get(resource["bucket"], {}).get(resource["name"])
        return stored is not None and str(stored.generation) == resource["generation"]

    def _save(self, stored: StoredObject) -> None:
        write_atomically(self._metadata_path(stored), dataclasses.asdict(stored))
        self._objects[stored.bucket][stored.name] = stored

    def _path(self, bucket: str) -> Path:
        return self._folder / bucket

    def _metadata_path(self, stored: StoredObject) -> Path:
        return self._path(stored.bucket) / f"object-{hashlib.sha256(stored.name.encode()).hexdigest()}.json"

    def _bytes_path(self, stored: StoredObject) -> Path:
        return self._metadata_path(stored).with_suffix(f".{stored.generation}")


def _check_generation(live: StoredObject | None, if_generation_match: int | None) -> None:
    if if_generation_match not in (None, live.generation if live else 0):
        raise PreconditionFailed("At least one of the pre-conditions you specified did not hold.")
