"""The values of the storage emulator: an object, the rules for names and metadata, and how JSON reaches the disk.

Enters: what a caller wants of an object. Leaves: resources of the JSON API.
Source: https://cloud.google.com/storage/docs/json_api/v1/objects

A refused request is one of werkzeug's HTTP exceptions, here and in the modules that build on this one.

Keeps of Google Cloud Storage: the resource's fields and number formats, the rules for names, merging of metadata by
PATCH, and ``customTime``, which only moves forward.
Keeps not: ACLs, owners, holds, encryption and retention fields.
"""

import base64
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import BadRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Bucket and object naming: https://cloud.google.com/storage/docs/buckets#naming and /objects#naming
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_NAME_MAX_BYTES = 1024
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
#: What a caller may set on an object, besides ``metadata``; the rest of the resource is the server's.
_WRITABLE = ("cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType", "customTime")


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """The live generation of an object."""

    #: Bucket and name identify the object, with the generation they identify the bytes.
    bucket: str
    name: str
    #: Microseconds since 1970 at creation, made strictly increasing.
    generation: int
    metageneration: int
    size_bytes: int
    #: Digests in base64, as Google writes them.
    md5_hash: str
    crc32c: str
    #: Time of the last change of bytes or metadata, RFC 3339.
    updated: str
    #: What the caller set: contentType, metadata, customTime, …
    attributes: Mapping[str, Any]

    @property
    def created_at(self) -> datetime:
        """When this generation was made; aware."""
        return _EPOCH + timedelta(microseconds=self.generation)

    def resource(self, base_url: str) -> dict[str, Any]:
        """The object resource of the JSON API; 64-bit numbers are strings."""
        path = f"storage/v1/b/{self.bucket}/o/{quote(self.name, safe='~')}"
        created = rfc3339(self.created_at)
        return {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "selfLink": f"{base_url}/{path}",
            "mediaLink": f"{base_url}/download/{path}?generation={self.generation}&alt=media",
            "name": self.name,
            "bucket": self.bucket,
            "generation": str(self.generation),
            "metageneration": str(self.metageneration),
            "storageClass": "STANDARD",
            "size": str(self.size_bytes),
            "md5Hash": self.md5_hash,
            "crc32c": self.crc32c,
            "etag": base64.b64encode(f"{self.generation}/{self.metageneration}".encode()).decode(),
            "timeCreated": created,
            "updated": self.updated,
            "timeStorageClassUpdated": created,
            **self.attributes,
        }


def rfc3339(moment: datetime) -> str:
    """The way Google writes a time: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_bucket_name(name: object) -> str:
    """The name; BadRequest for one that Google refuses. What it allows is safe as a folder name."""
    if not isinstance(name, str) or not _BUCKET_NAME.fullmatch(name):
        raise BadRequest(f"Invalid bucket name: {name!r}")
    return name


def check_object_name(name: object) -> str:
    """The name; BadRequest for one that Google refuses."""
    # A lone surrogate, which JSON can carry, is not UTF-8: "ignore" drops it and the text differs.
    encoded = name.encode(errors="ignore") if isinstance(name, str) else b""
    proper = encoded.decode() == name and 0 < len(encoded) <= _NAME_MAX_BYTES
    if not isinstance(name, str) or not proper or name in (".", "..") or "\r" in name or "\n" in name:
        raise BadRequest(f"Invalid object name: {str(name)[:80]!r}")
    return name


def merged(attributes: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes after a PATCH: a null removes, ``metadata`` is merged key by key, server fields are ignored."""
    result = {**attributes, **{key: value for key, value in changes.items() if key in _WRITABLE}}
    if "metadata" in changes:
        custom = changes["metadata"] or {}
        if not isinstance(custom, dict) or not all(isinstance(value, str | None) for value in custom.values()):
            raise BadRequest("Metadata must be an object of strings.")
        # A null instead of an object removes all of it.
        custom = {**attributes.get("metadata", {}), **custom} if custom else {}
        result["metadata"] = {key: value for key, value in custom.items() if value is not None}
    result = {key: value for key, value in result.items() if value is not None and value != {}}
    for key in result.keys() - {"metadata"}:
        # These become headers of an answer.
        if not isinstance(result[key], str) or _CONTROLS.search(result[key]):
            raise BadRequest(f"{key} must be text without control characters.")
    before, after = (_parse_time(each["customTime"]) if "customTime" in each else None for each in (attributes, result))
    # Lifecycle rules count from it, so Google lets it neither go back nor go away.
    if before and (after is None or after < before):
        raise BadRequest("Custom time cannot be removed or set to an earlier time.")
    return result


def _parse_time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise BadRequest(f"Invalid RFC 3339 time: {text!r}") from exc
    if moment.tzinfo is None:
        raise BadRequest(f"A time needs its zone: {text!r}")
    return moment


def write_atomically(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON so that a reader, or the next start, sees the old content or the new, never a part."""
    temporary = path.with_name(f"{uuid.uuid4().hex}.tmp")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)
