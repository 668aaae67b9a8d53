"""The seam to the artifact bucket. Objects are created once and never overwritten."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shared.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path


class ArtifactExists(Conflict):
    """There is an object of that name already: the first upload wins."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """An object in the bucket, as its metadata tells."""

    name: str
    generation: int
    size_bytes: int
    content_type: str
    metadata: Mapping[str, str]
    #: What the bucket's retention counts from.
    kept_since: datetime


@dataclass(frozen=True, kw_only=True)
class SignedUrl:
    """A link that anyone may open until it expires."""

    url: str
    expires_at: datetime


class ArtifactStore(Protocol):
    """Reads and writes objects. The bucket removes those whose ``customTime`` lies far back.

    All methods raise `Retryable` when the store does not answer.
    """

    def create(
        self, name: str, content: bytes | Path, *, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> Artifact:
        """Upload an object that must not exist (``if_generation_match=0``).

        Raises:
            ArtifactExists: it does; read it to see whose it is.
        """

    def get(self, name: str) -> Artifact | None:
        """The object's metadata; None when there is no such object."""

    def read(self, name: str) -> bytes:
        """The object's content. Raises `Retryable` when it is gone."""

    def folder(self, name: str) -> Sequence[Artifact]:
        """Every object whose name starts so, by name."""

    def keep_folder(self, folder: str) -> None:
        """Have every object whose name starts so kept as if it were made now, by its ``customTime``."""

    def delete(self, artifact: Artifact) -> None:
        """Delete the object as it was found; one that has come to lie in its place since then stays."""

    def delete_folder(self, folder: str) -> None:
        """Delete every object whose name starts so; none is left when it returns."""

    def signed_url(self, name: str, *, lifetime_s: int, filename: str) -> SignedUrl:
        """A V4 signed link, made now and never stored; browsers save it under ``filename``."""
