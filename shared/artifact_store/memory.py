"""The artifact store in memory: for tests and simulations."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from shared.artifact_store import Artifact, ArtifactExists, SignedUrl
from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class InMemoryArtifactStore:
    """Thread-safe. ``on_finalized`` hears of every new object once, after it can be read."""

    def __init__(self, *, on_finalized: Callable[[Artifact], None] = lambda _: None) -> None:
        self._on_finalized = on_finalized
        self._lock = threading.Lock()
        self._generations = itertools.count(1)
        self._objects: dict[str, tuple[Artifact, bytes]] = {}

    def create(
        self, name: str, content: bytes | Path, *, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> Artifact:
        """See `ArtifactStore.create`."""
        data = content.read_bytes() if isinstance(content, Path) else content
        with self._lock:
            if name in self._objects:
                raise ArtifactExists(f"{name} exists")
            artifact = Artifact(
                name=name,
                generation=next(self._generations),
                size_bytes=len(data),
                content_type=content_type,
                metadata=dict(metadata or {}),
                kept_since=datetime.now(UTC),
            )
            self._objects[name] = (artifact, data)
        self._on_finalized(artifact)
        return artifact

    def get(self, name: str) -> Artifact | None:
        """See `ArtifactStore.get`."""
        with self._lock:
            found = self._objects.get(name)
        return found[0] if found else None

    def read(self, name: str) -> bytes:
        """See `ArtifactStore.read`."""
        with self._lock:
            found = self._objects.get(name)
        if found is None:
            raise Retryable(f"{name} is gone")
        return found[1]

    def folder(self, name: str) -> Sequence[Artifact]:
        """See `ArtifactStore.folder`."""
        with self._lock:
            return [artifact for each, (artifact, _) in sorted(self._objects.items()) if each.startswith(name)]

    def keep_folder(self, folder: str) -> None:
        """See `ArtifactStore.keep_folder`."""
        with self._lock:
            for name, (artifact, data) in self._objects.items():
                if name.startswith(folder):
                    self._objects[name] = (replace(artifact, kept_since=datetime.now(UTC)), data)

    def delete(self, artifact: Artifact) -> None:
        """See `ArtifactStore.delete`."""
        with self._lock:
            found = self._objects.get(artifact.name)
            if found and found[0].generation == artifact.generation:
                del self._objects[artifact.name]

    def delete_folder(self, folder: str) -> None:
        """See `ArtifactStore.delete_folder`."""
        with self._lock:
            self._objects = {name: each for name, each in self._objects.items() if not name.startswith(folder)}

    def signed_url(self, name: str, *, lifetime_s: int, filename: str) -> SignedUrl:
        """See `ArtifactStore.signed_url`; the link names the object and can be opened by nobody."""
        expires_at = datetime.now(UTC) + timedelta(seconds=lifetime_s)
        return SignedUrl(url=f"memory:///{name}?filename={filename}", expires_at=expires_at)
