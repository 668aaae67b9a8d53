"""The manifest store in memory: for tests and simulations."""

from __future__ import annotations

import itertools
import threading

from shared.batches import Manifest
from shared.errors import ErrorCode, Permanent


class InMemoryManifestStore:
    """Thread-safe; generations count up."""

    def __init__(self, *, bucket: str = "videos") -> None:
        self._bucket = bucket
        self._lock = threading.Lock()
        self._generations = itertools.count(1)
        self._objects: dict[tuple[str, str], tuple[Manifest, bytes]] = {}

    def put(self, bucket: str, name: str, content: bytes) -> Manifest:
        """What a caller does by their own means: upload an object, over another perhaps."""
        with self._lock:
            generation = next(self._generations)
            manifest = Manifest(bucket=bucket, name=name, generation=generation, size_bytes=len(content))
            self._objects[bucket, name] = (manifest, content)
            return manifest

    def find(self, bucket: str, name: str) -> Manifest | None:
        """See `ManifestStore.find`."""
        with self._lock:
            found = self._objects.get((bucket, name))
        return found[0] if found else None

    def write(self, name: str, content: bytes) -> Manifest:
        """See `ManifestStore.write`."""
        return self.find(self._bucket, name) or self.put(self._bucket, name, content)

    def read(self, manifest: Manifest, *, offset: int, size: int) -> bytes:
        """See `ManifestStore.read`."""
        with self._lock:
            found = self._objects.get((manifest.bucket, manifest.name))
        if found is None or found[0].generation != manifest.generation:
            raise Permanent("The manifest was deleted or overwritten.", code=ErrorCode.MANIFEST_GONE)
        return found[1][offset : offset + size]

    def delete(self, manifest: Manifest) -> None:
        """See `ManifestStore.delete`."""
        with self._lock:
            found = self._objects.get((manifest.bucket, manifest.name))
            if found and found[0].generation == manifest.generation:
                del self._objects[manifest.bucket, manifest.name]
