"""The values of the storage emulator: an object, what must hold of it, and the errors of a refused request.

Enters: what a caller wants of an object. Leaves: resources in the form of the JSON API, https://cloud.google.com/storage/docs/json_api/v1/objects
Keeps of Google Cloud Storage: the four generation preconditions, the resource's fields and number formats, the rules for
names, merging of metadata by PATCH, and ``customTime``, which only moves forward.
Keeps not: ACLs, owners, holds, encryption and retention fields.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Bucket and object naming: https://cloud.google.com/storage/docs/buckets#naming and /objects#naming
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_NAME_MAX_BYTES = 1024
#: What a caller may set on an object; the rest of the resource is the server's.
_WRITABLE = (
    "cacheControl contentDisposition contentEncoding contentLanguage contentType customTime metadata storageClass"
).split()


class StorageError(Exception):
    """A request that the store refuses; ``status`` and ``reason`` are what Google's JSON errors carry.

    StorageError
    ├── InvalidError       400 invalid
    ├── NotFoundError      404 notFound
    ├── ConflictError      409 conflict
    └── PreconditionError  412 conditionNotMet
    """

    status = 500
    reason = "internalError"


class InvalidError(StorageError):
    """The request itself is wrong; sending it again is no use."""

    status, reason = 400, "invalid"


class NotFoundError(StorageError):
    """No such bucket, object, generation or upload."""

    status, reason = 404, "notFound"


class ConflictError(StorageError):
    """The bucket exists already, or is not empty."""

    status, reason = 409, "conflict"


class PreconditionError(StorageError):
    """A precondition did not hold; ``unchanged`` when it was a not-match one, which a read answers with 304."""

    status, reason = 412, "conditionNotMet"

    def __init__(self, *, unchanged: bool = False) -> None:
        super().__init__("At least one of the pre-conditions you specified did not hold.")
        self.unchanged = unchanged


@dataclass(frozen=True, kw_only=True)
class Preconditions:
    """What must hold of the live object; generation 0 stands for "there is none"."""

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    def check(self, live: "StoredObject | None") -> None:
        """Raise PreconditionError unless all hold."""
        generation = live.generation if live else 0
        metageneration = live.metageneration if live else None
        if self.generation_match is not None and self.generation_match != generation:
            raise PreconditionError
        if self.metageneration_match is not None and self.metageneration_match != metageneration:
            raise PreconditionError
        if self.generation_not_match is not None and self.generation_not_match == generation:
            raise PreconditionError(unchanged=True)
        if self.metageneration_not_match is not None and self.metageneration_not_match == metageneration:
            raise PreconditionError(unchanged=True)


ANY_STATE = Preconditions()


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
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        """The two generations as Google packs them: a protobuf of two varints in base64."""
        packed = b"\x08" + _varint(self.generation) + b"\x10" + _varint(self.metageneration)
        return base64.b64encode(packed).decode()

    @property
    def created_at(self) -> datetime:
        """When this generation was made; aware."""
        return EPOCH + timedelta(microseconds=self.generation)

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
            "etag": self.etag,
            "timeCreated": created,
            "updated": self.updated,
            "timeStorageClassUpdated": created,
            **self.attributes,
        }


def rfc3339(moment: datetime) -> str:
    """The way Google writes a time: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte, the eighth says that more follow
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*encoded, number])


def check_bucket_name(name: str) -> None:
    """Raise InvalidError for a name that Google refuses; what it allows is safe as a folder name."""
    if not _BUCKET_NAME.fullmatch(name):
        msg = f"Invalid bucket name: '{name}'"
        raise InvalidError(msg)


def check_object_name(name: str) -> None:
    """Raise InvalidError for a name that Google refuses."""
    # A lone surrogate, which JSON can carry, is not UTF-8: "ignore" drops it and the lengths differ.
    encoded = name.encode(errors="ignore")
    proper = encoded.decode() == name and 0 < len(encoded) <= _NAME_MAX_BYTES
    if not proper or name in (".", "..") or "\r" in name or "\n" in name:
        msg = f"Invalid object name: {name[:80]!r}"
        raise InvalidError(msg)


def merged(attributes: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes after a PATCH: a null removes, ``metadata`` is merged key by key, server fields are ignored."""
    result = {**attributes, **{key: value for key, value in changes.items() if key in _WRITABLE}}
    custom = changes.get("metadata")
    if custom is not None:
        if not isinstance(custom, dict) or not all(isinstance(value, str | None) for value in custom.values()):
            msg = "Metadata must be an object of strings."
            raise InvalidError(msg)
        custom = {**attributes.get("metadata", {}), **custom}
        result["metadata"] = {key: value for key, value in custom.items() if value is not None}
    if result.get("customTime") is not None:
        _parse_time(result["customTime"])
    return {key: value for key, value in result.items() if value is not None and value != {}}


def check_custom_time(before: str | None, after: str | None) -> None:
    """Raise InvalidError when a custom time goes back or away."""
    # Lifecycle rules count from it, so Google lets it neither go back nor go away.
    if before is not None and (after is None or _parse_time(after) < _parse_time(before)):
        msg = "Custom time cannot be removed or set to an earlier time."
        raise InvalidError(msg)


def _parse_time(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        moment = datetime.max  # noqa: DTZ901 - naive, so refused below
    if moment.tzinfo is None:
        msg = f"Invalid RFC 3339 time: {text!r}"
        raise InvalidError(msg)
    return moment
