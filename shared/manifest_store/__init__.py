"""The seam to manifests: objects that hold the rows of a batch, one JSON request a line.

They are read piece by piece and at one generation, so a batch sees the rows that were there when it was accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.batches import Manifest


class ManifestStore(Protocol):
    """Reads and writes manifests. All methods raise `Retryable` when the store does not answer."""

    def find(self, bucket: str, name: str) -> Manifest | None:
        """The object as it is now, its generation pinned; None when there is none."""

    def write(self, name: str, content: bytes) -> Manifest:
        """Write rows down in our own bucket. If there is an object of that name, it stays and is the answer.

        The bucket keeps it, from now on, for as long as an artifact.
        """

    def read(self, manifest: Manifest, *, offset: int, size: int) -> bytes:
        """At most so many bytes from there on; fewer at the end, and none behind it.

        Raises:
            Permanent: ``manifest_gone``: that generation was deleted or overwritten.
        """

    def delete(self, manifest: Manifest) -> None:
        """Delete that generation; what has come to lie in its place since then stays."""
