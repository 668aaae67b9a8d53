"""The manifest store on Cloud Storage: ranged reads of one generation."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import requests
from google.api_core import exceptions as google_exceptions
from google.auth import exceptions as auth_exceptions

from shared.artifact_store.gcs import RETRY, TIMEOUT_S
from shared.batches import Manifest
from shared.errors import ErrorCode, Permanent, Retryable
from shared.jobs import KEPT_LONGER_EVERY

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.cloud import storage

R = TypeVar("R")


class GcsManifestStore:
    """Thread-safe for these calls.

    Args:
        client: reads the callers' buckets too, if its account may.
        bucket: our own, for rows that came in a body or from a plan.
    """

    def __init__(self, client: storage.Client, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def find(self, bucket: str, name: str) -> Manifest | None:
        """See `ManifestStore.find`."""
        try:
            blob = _answered(lambda: self._client.bucket(bucket).get_blob(name, timeout=TIMEOUT_S, retry=RETRY))
        except google_exceptions.NotFound:  # no such bucket
            return None
        return _manifest(blob) if blob else None

    def write(self, name: str, content: bytes) -> Manifest:
        """See `ManifestStore.write`."""
        blob = self._client.bucket(self._bucket).blob(name)
        blob.custom_time = datetime.now(UTC)
        only_new = {"if_generation_match": 0, "timeout": TIMEOUT_S, "retry": RETRY}
        try:
            _answered(lambda: blob.upload_from_string(content, content_type="application/jsonl", **only_new))
        except google_exceptions.PreconditionFailed:
            return self._kept_longer(name)
        return _manifest(blob)

    def _kept_longer(self, name: str) -> Manifest:
        """What lies there: it may be as old as a batch whose acceptance ended between its rows and its document."""
        bucket = self._client.bucket(self._bucket)
        try:
            blob = _answered(lambda: bucket.get_blob(name, timeout=TIMEOUT_S, retry=RETRY))
            if blob is None:
                raise Retryable("the manifest appeared and went away")
            now = datetime.now(UTC)
            if blob.custom_time is None or now - blob.custom_time > KEPT_LONGER_EVERY:
                blob.custom_time = now
                _answered(lambda: blob.patch(timeout=TIMEOUT_S, retry=RETRY))
        except google_exceptions.NotFound as exc:
            raise Retryable("the manifest was deleted in this moment") from exc
        return _manifest(blob)

    def read(self, manifest: Manifest, *, offset: int, size: int) -> bytes:
        """See `ManifestStore.read`."""
        end = min(offset + size, manifest.size_bytes)
        if offset >= end:  # the service answers 416
            return b""
        blob = self._client.bucket(manifest.bucket).blob(manifest.name, generation=manifest.generation)
        try:
            # `end` is included, and checksums are of whole objects.
            part = {"start": offset, "end": end - 1, "checksum": None, "raw_download": True}
            return bytes(_answered(lambda: blob.download_as_bytes(**part, timeout=TIMEOUT_S, retry=RETRY)))
        except google_exceptions.NotFound as exc:
            raise Permanent("The manifest was deleted or overwritten.", code=ErrorCode.MANIFEST_GONE) from exc

    def delete(self, manifest: Manifest) -> None:
        """See `ManifestStore.delete`."""
        blob = self._client.bucket(manifest.bucket).blob(manifest.name)
        as_read = {"if_generation_match": manifest.generation, "timeout": TIMEOUT_S, "retry": RETRY}
        with suppress(google_exceptions.NotFound, google_exceptions.PreconditionFailed):
            _answered(lambda: blob.delete(**as_read))


def _manifest(blob: storage.Blob) -> Manifest:
    return Manifest(bucket=blob.bucket.name, name=blob.name, generation=int(blob.generation), size_bytes=int(blob.size))


def _answered(call: Callable[[], R]) -> R:
    """Translate the vendor's exceptions, but for the two that are answers."""
    try:
        return call()
    except (google_exceptions.NotFound, google_exceptions.PreconditionFailed):
        raise
    except (google_exceptions.GoogleAPICallError, auth_exceptions.GoogleAuthError, requests.RequestException) as exc:
        raise Retryable(f"cloud storage does not answer: {type(exc).__name__}") from exc
