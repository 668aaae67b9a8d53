"""The three ways in which bytes reach the storage emulator: simple, multipart and resumable uploads.

Enters: request bodies. Leaves: objects of the ``ObjectStore``.

Keeps of Google Cloud Storage: declared checksums; the start of a resumable upload in vain is refused at once and its
end again, by the same precondition; a chunk that comes twice counts once; asking for the state of a finished session
answers with its object.
Keeps not: sessions over a restart (404: the caller begins again) and their week of life. An upload is held in memory
until it is whole: this is for videos of some megabytes.
"""

import json
import re
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.exceptions import BadRequest, NotFound
from werkzeug.http import parse_options_header

from local.storage_objects import ObjectStore
from local.storage_values import StoredObject

#: The oldest sessions beyond this many are forgotten.
_MAX_SESSIONS = 256
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19}|\*)")


@dataclass(kw_only=True)
class _Session:
    bucket: str
    name: str
    attributes: Mapping[str, Any]
    if_generation_match: int | None
    content: bytearray = field(default_factory=bytearray)
    #: Kept, so that a caller who lost the answer and asks again learns that it succeeded.
    stored: StoredObject | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class ResumableUploads:
    """Sessions that end in objects of ``store``; safe for threads."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}

    def start(
        self, bucket: str, name: object, *, attributes: Mapping[str, Any], if_generation_match: int | None
    ) -> str:
        """Open a session and return its id; refused at once when it could not be completed now."""
        name = self._store.check(bucket, name, if_generation_match=if_generation_match)
        session = _Session(bucket=bucket, name=name, attributes=attributes, if_generation_match=if_generation_match)
        upload_id = uuid.uuid4().hex
        with self._lock:
            self._sessions[upload_id] = session
            if len(self._sessions) > _MAX_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        return upload_id

    def receive(
        self, upload_id: str, body: bytes, *, content_range: str | None, checksums: Mapping[str, str]
    ) -> StoredObject | int:
        """Take a chunk, or only report; the object once all bytes are there, before that how many are.

        ``content_range`` is ``bytes a-b/total``, ``bytes */total``, or None when the body is all of the object; a total
        may be ``*``.
        """
        with self._lock:
            session = self._sessions.get(upload_id)
        if session is None:
            raise NotFound("The upload session does not exist or has ended.")
        start_byte, total_bytes = _parse_content_range(content_range, len(body))
        with session.lock:
            if session.stored:
                return session.stored
            persisted_bytes = len(session.content)
            if start_byte > persisted_bytes:
                raise BadRequest(f"The chunk begins at byte {start_byte}, but only {persisted_bytes} are persisted.")
            session.content += body[persisted_bytes - start_byte :]
            if total_bytes is None or len(session.content) < total_bytes:
                return len(session.content)
            try:
                session.stored = self._create(session, total_bytes, checksums)
            except BaseException:
                with self._lock:
                    self._sessions.pop(upload_id, None)
                raise
            session.content = bytearray()
            return session.stored

    def _create(self, session: _Session, total_bytes: int, checksums: Mapping[str, str]) -> StoredObject:
        if len(session.content) > total_bytes:
            raise BadRequest(f"There are {len(session.content)} bytes, more than the {total_bytes} announced.")
        return self._store.create(
            session.bucket,
            session.name,
            session.content,
            attributes={**session.attributes, **checksums},
            if_generation_match=session.if_generation_match,
        )


def _parse_content_range(header: str | None, body_bytes: int) -> tuple[int, int | None]:
    """Where the body begins and the size of the finished object, None while the caller does not know it."""
    if header is None:
        return 0, body_bytes
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        raise BadRequest(f"Failed to parse Content-Range header: {header}")
    first, last, total = match.groups()
    if body_bytes != (int(last) - int(first) + 1 if first else 0):
        raise BadRequest("Content-Range and the body do not agree.")
    return int(first or 0), None if total == "*" else int(total)


def parse_multipart_related(content_type: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """Split a multipart upload into its metadata, with the media's content type, and the media."""
    # Neither werkzeug (form data only) nor the standard library (mail, by lines) reads binary multipart/related.
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    delimiter = b"--" + boundary.encode()
    first = body.find(delimiter)
    json_start = body.find(b"\r\n\r\n", first)
    json_end = body.find(b"\r\n" + delimiter, json_start)
    media_start = body.find(b"\r\n\r\n", json_end + 2)
    media_end = body.rfind(b"\r\n" + delimiter + b"--")
    if not boundary or not 0 <= first < json_start < json_end < media_start < media_end:
        raise BadRequest("Malformed multipart body.")
    media_type = re.search(rb"(?i)\r\ncontent-type:([^\r]*)", body[json_end + 2 : media_start])
    attributes = {"contentType": media_type[1].strip().decode("latin-1")} if media_type else {}
    return {**attributes, **parse_json(body[json_start + 4 : json_end])}, body[media_start + 4 : media_end]


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object; nothing is an empty one. BadRequest otherwise."""
    try:
        value = json.loads(body or b"{}")
    except ValueError as exc:
        raise BadRequest("Parse Error") from exc
    if not isinstance(value, dict):
        raise BadRequest("The request body must be a JSON object.")
    return value


def parse_hashes(header: str) -> dict[str, str]:
    """The checksums of an ``X-Goog-Hash`` header, by their names in the object resource."""
    given = dict(each.strip().partition("=")[::2] for each in header.split(",") if each.strip())
    return {key: given[kind] for kind, key in (("crc32c", "crc32c"), ("md5", "md5Hash")) if kind in given}
