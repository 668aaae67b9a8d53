"""The artifact store on Cloud Storage."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import google.auth
import google.auth.transport.requests
import requests
from google.api_core import exceptions as google_exceptions
from google.auth import credentials as google_credentials
from google.auth import exceptions as auth_exceptions

from shared.artifact_store import Artifact, ArtifactExists, SignedUrl
from shared.errors import Retryable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

R = TypeVar("R")

TIMEOUT_S = 30.0
#: The client tries again for so long by itself: its own two minutes are longer than a caller of the API waits. Every
#: upload here is conditional, so trying it again is safe.
RETRY = DEFAULT_RETRY.with_timeout(20.0)
#: An upload goes in pieces of this size, so that a broken connection repeats a piece and not the whole.
CHUNK_BYTES = 8 * 1024 * 1024


class GcsArtifactStore:
    """Thread-safe for these calls. ``STORAGE_EMULATOR_HOST`` is honoured by the client itself."""

    def __init__(self, client: storage.Client, *, bucket: str) -> None:
        self._client = client
        self._bucket = client.bucket(bucket)

    def create(
        self, name: str, content: bytes | Path, *, content_type: str, metadata: Mapping[str, str] | None = None
    ) -> Artifact:
        """See `ArtifactStore.create`."""
        blob = self._bucket.blob(name, chunk_size=CHUNK_BYTES)
        blob.metadata = dict(metadata or {})
        blob.custom_time = datetime.now(UTC)
        blob.cache_control = "private, max-age=31536000, immutable"
        only_new: dict[str, Any] = {
            "content_type": content_type,
            "if_generation_match": 0,
            "timeout": TIMEOUT_S,
            "retry": RETRY,
        }
        if isinstance(content, bytes):
            _answered(lambda: blob.upload_from_string(content, **only_new))
        else:
            _answered(lambda: blob.upload_from_filename(str(content), **only_new))
        return _artifact(blob)

    def get(self, name: str) -> Artifact | None:
        """See `ArtifactStore.get`."""
        blob = _answered(lambda: self._bucket.get_blob(name, timeout=TIMEOUT_S, retry=RETRY))
        return _artifact(blob) if blob else None

    def read(self, name: str) -> bytes:
        """See `ArtifactStore.read`."""
        return bytes(_answered(lambda: self._bucket.blob(name).download_as_bytes(timeout=TIMEOUT_S, retry=RETRY)))

    def folder(self, name: str) -> Sequence[Artifact]:
        """See `ArtifactStore.folder`."""
        listed = {"prefix": name, "timeout": TIMEOUT_S, "retry": RETRY}
        return _answered(lambda: [_artifact(each) for each in self._client.list_blobs(self._bucket, **listed)])

    def keep_folder(self, folder: str) -> None:
        """See `ArtifactStore.keep_folder`."""

        def keep_all() -> None:
            for blob in self._client.list_blobs(self._bucket, prefix=folder, timeout=TIMEOUT_S, retry=RETRY):
                with suppress(google_exceptions.NotFound):
                    blob.custom_time = datetime.now(UTC)
                    blob.patch(timeout=TIMEOUT_S, retry=RETRY)

        _answered(keep_all)

    def delete(self, artifact: Artifact) -> None:
        """See `ArtifactStore.delete`."""
        blob, generation = self._bucket.blob(artifact.name), artifact.generation
        with suppress(ArtifactExists):  # another one does
            _answered(lambda: _delete(blob, if_generation_match=generation))

    def delete_folder(self, folder: str) -> None:
        """See `ArtifactStore.delete_folder`."""

        def delete_all() -> None:
            for blob in self._client.list_blobs(self._bucket, prefix=folder, timeout=TIMEOUT_S, retry=RETRY):
                _delete(blob)

        _answered(delete_all)

    def signed_url(self, name: str, *, lifetime_s: int, filename: str) -> SignedUrl:
        """See `ArtifactStore.signed_url`.

        A service-account key signs by itself (the local stack has a throw-away one); on Google Cloud there is no key,
        so the account signs through IAM ``signBlob``, for which it needs ``roles/iam.serviceAccountTokenCreator`` on
        itself.
        """
        expires_at = datetime.now(UTC) + timedelta(seconds=lifetime_s)
        url = _answered(
            lambda: self._bucket.blob(name).generate_signed_url(
                version="v4",
                expiration=timedelta(seconds=lifetime_s),
                method="GET",
                response_disposition=f'inline; filename="{filename}"',
                api_access_endpoint=self._client.api_endpoint,
                **_signer(),
            )
        )
        return SignedUrl(url=url, expires_at=expires_at)


def _delete(blob: storage.Blob, **condition: int) -> None:
    with suppress(google_exceptions.NotFound):
        blob.delete(timeout=TIMEOUT_S, retry=RETRY, **condition)


def _signer() -> dict[str, Any]:
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    if isinstance(credentials, google_credentials.Signing):
        return {"credentials": credentials}
    credentials.refresh(google.auth.transport.requests.Request())
    return {"service_account_email": credentials.service_account_email, "access_token": credentials.token}


def _artifact(blob: storage.Blob) -> Artifact:
    return Artifact(
        name=blob.name,
        generation=int(blob.generation),
        size_bytes=int(blob.size),
        content_type=blob.content_type,
        metadata=dict(blob.metadata or {}),
        kept_since=blob.custom_time or blob.time_created,
    )


def _answered(call: Callable[[], R]) -> R:
    """Translate the vendor's exceptions, once."""
    try:
        return call()
    except google_exceptions.PreconditionFailed as exc:
        raise ArtifactExists("an object of that name exists") from exc
    except (google_exceptions.GoogleAPICallError, auth_exceptions.GoogleAuthError, requests.RequestException) as exc:
        raise Retryable(f"cloud storage does not answer: {type(exc).__name__}") from exc
