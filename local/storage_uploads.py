"""The three ways in which bytes reach the storage emulator: simple, multipart and resumable uploads.

Enters: request bodies. Leaves: finalized objects of the ``ObjectStore``.

Keeps of Google Cloud Storage: a resumable session lives a week and over a restart; chunks count in multiples of 256 KiB
until the last; the start of an upload in vain is refused at once and its end again, by the same preconditions; asking
for the state of a finished session answers with its object.
Keeps not: holding back the bytes of a session from the disk's free space, and append or parallel composite uploads.
"""

import dataclasses
import json
import re
import shutil
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from werkzeug.http import parse_options_header

from local.storage_objects import ObjectStore, write_atomically
from local.storage_values import InvalidError, NotFoundError, PreconditionError, Preconditions, StoredObject

#: https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload
CHUNK_BYTES = 256 * 1024
_SESSION_LIFE_S = 7 * 24 * 3600
_COPY_BYTES = 1 << 20
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19}|\*)")
_UPLOAD_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What the Content-Range of a PUT to a session says."""

    #: Where the body begins; None when it has none and only asks.
    start_byte: int | None
    #: Size of the finished object; None while the caller does not know it.
    total_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """An unfinished session: so many bytes are safe."""

    persisted_bytes: int


class ResumableUploads:
    """Sessions under ``folder``, one metadata and one part file each."""

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        self._folder = folder
        self._store = store
        self._locks: dict[str, threading.Lock] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            if time.time() - path.stat().st_mtime > _SESSION_LIFE_S:
                path.unlink()

    def start(self, bucket: str, name: str, *, attributes: Mapping[str, Any], when: Preconditions) -> str:
        """Open a session and return its id; refused at once when it could not be finalized now."""
        self._store.check(bucket, name, when)
        upload_id = uuid.uuid4().hex
        session = {"bucket": bucket, "name": name, "attributes": attributes, "when": dataclasses.asdict(when)}
        self._part(upload_id).touch()
        write_atomically(self._meta(upload_id), session)
        return upload_id

    def receive(self, upload_id: str, chunk: Chunk, body: BinaryIO) -> StoredObject | Progress:
        """Take a chunk, or only report; the object once all bytes are there. The body must end with the chunk."""
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise _unknown_upload()
        with self._locks.setdefault(upload_id, threading.Lock()):
            session = self._session(upload_id)
            if "object" in session:
                return StoredObject(**session["object"])
            part = self._part(upload_id)
            total_bytes = chunk.total_bytes
            if chunk.start_byte is not None:
                _append(part, body, start_byte=chunk.start_byte, final=total_bytes is not None)
            persisted_bytes = part.stat().st_size
            if total_bytes is None or persisted_bytes < total_bytes:
                return Progress(persisted_bytes=_keep_whole_chunks(part))
            if persisted_bytes > total_bytes:
                self._end(upload_id)
                msg = f"The upload has {persisted_bytes} bytes, more than the {total_bytes} it announced."
                raise InvalidError(msg)
            return self._finalize(upload_id, session)

    def cancel(self, upload_id: str) -> None:
        """End a session and forget its bytes."""
        if not _UPLOAD_ID.fullmatch(upload_id):
            raise _unknown_upload()
        with self._locks.setdefault(upload_id, threading.Lock()):
            self._session(upload_id)
            self._end(upload_id)

    def _finalize(self, upload_id: str, session: dict[str, Any]) -> StoredObject:
        part = self._part(upload_id)
        try:
            stored = self._store.finalize(
                session["bucket"],
                session["name"],
                part,
                attributes=session["attributes"],
                when=Preconditions(**session["when"]),
            )
        except (PreconditionError, InvalidError, NotFoundError):
            self._end(upload_id)
            raise
        # Kept, so that a caller who lost the answer and asks again learns that it succeeded.
        write_atomically(self._meta(upload_id), {**session, "object": dataclasses.asdict(stored)})
        self._locks.pop(upload_id, None)
        return stored

    def _session(self, upload_id: str) -> dict[str, Any]:
        try:
            session: dict[str, Any] = json.loads(self._meta(upload_id).read_bytes())
        except FileNotFoundError as exc:
            self._locks.pop(upload_id, None)
            raise _unknown_upload() from exc
        if "object" not in session and not self._part(upload_id).exists():
            # Killed between the commit and the note of it: the caller starts again and meets its preconditions.
            self._end(upload_id)
            raise _unknown_upload()
        return session

    def _end(self, upload_id: str) -> None:
        self._meta(upload_id).unlink(missing_ok=True)
        self._part(upload_id).unlink(missing_ok=True)
        self._locks.pop(upload_id, None)

    def _meta(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.json"

    def _part(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.part"


def parse_content_range(header: str | None, *, length_bytes: int | None) -> Chunk:
    """Read ``bytes a-b/total``, ``bytes */total``, or none (the body is all of the object)."""
    if header is None:
        return Chunk(start_byte=0, total_bytes=length_bytes)
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        msg = f"Failed to parse Content-Range header: {header}"
        raise InvalidError(msg)
    first, last, total = match.groups()
    if first is not None and length_bytes not in (None, int(last) - int(first) + 1):
        msg = "Content-Range and Content-Length do not agree."
        raise InvalidError(msg)
    return Chunk(
        start_byte=None if first is None else int(first), total_bytes=None if total == "*" else int(total)
    )


def parse_multipart_related(content_type: str, body: bytes) -> tuple[dict[str, Any], str | None, memoryview]:
    """Split a multipart upload into its JSON metadata, the media's content type and the media."""
    boundary = parse_options_header(content_type)[1].get("boundary", "")
    delimiter = b"--" + boundary.encode()
    first = body.find(delimiter)
    head_end = body.find(b"\r\n\r\n", first)
    second = body.find(b"\r\n" + delimiter, head_end)
    media_start = body.find(b"\r\n\r\n", second + 2)
    media_end = body.rfind(b"\r\n" + delimiter + b"--")
    if not boundary or not 0 <= first < head_end < second < media_start < media_end:
        msg = "Malformed multipart body."
        raise InvalidError(msg)
    media_headers = body[second + 2 : media_start].decode("latin-1").split("\r\n")[1:]
    named = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in media_headers)}
    return parse_json(body[head_end + 4 : second]), named.get("content-type"), memoryview(body)[media_start + 4 : media_end]


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object; nothing is an empty one. InvalidError otherwise."""
    try:
        value = json.loads(body or b"{}")
    except ValueError as exc:
        msg = "Parse Error"
        raise InvalidError(msg) from exc
    if not isinstance(value, dict):
        msg = "The request body must be a JSON object."
        raise InvalidError(msg)
    return value


def write_body(path: Path, body: BinaryIO) -> None:
    """Copy a request body to a new file."""
    with path.open("wb") as file:
        shutil.copyfileobj(body, file, _COPY_BYTES)


def _append(part: Path, body: BinaryIO, *, start_byte: int, final: bool) -> None:
    with part.open("r+b") as file:
        persisted_bytes = file.seek(0, 2)
        if start_byte > persisted_bytes:
            msg = f"The chunk begins at byte {start_byte}, but only {persisted_bytes} are persisted."
            raise InvalidError(msg)
        # Bytes that come again are written again: they are the same, or the caller's checksum says so at the end.
        file.seek(start_byte)
        try:
            shutil.copyfileobj(body, file, _COPY_BYTES)
        except Exception:
            file.flush()
            _keep_whole_chunks(part)
            raise
    if not final:
        _keep_whole_chunks(part)


def _keep_whole_chunks(part: Path) -> int:
    persisted_bytes = part.stat().st_size // CHUNK_BYTES * CHUNK_BYTES
    with part.open("r+b") as file:
        file.truncate(persisted_bytes)
    return persisted_bytes


def _unknown_upload() -> NotFoundError:
    return NotFoundError("The upload session does not exist or has ended.")
