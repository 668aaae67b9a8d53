"""Answers that carry an object's bytes: whole, in part, or "not changed".

Enters: a request, an object and its open file. Leaves: 200, 206, 304, 412 or 416, as a browser that seeks in a video needs.
Keeps of Google Cloud Storage: ``a-b``, ``a-`` and suffix ranges, ``Content-Range`` of a 416, If-Match, If-None-Match and
If-Range by ETag, the ``x-goog-*`` headers, several ranges at once answered with the whole object.
Keeps not: unpacking of gzip for clients that do not accept it, If-Modified-Since, customer-supplied keys.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO

from werkzeug.http import http_date
from werkzeug.wrappers import Request, Response

from local.storage_values import StoredObject

_READ_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=([0-9]{0,19})-([0-9]{0,19})")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


class RangeError(Exception):
    """No byte of the object is in the range."""


def media_response(
    request: Request, stored: StoredObject, file: BinaryIO, *, etag: str, overrides: dict[str, str]
) -> Response:
    """Answer a GET or HEAD; the response closes the file. ``overrides`` replace headers of the object."""
    size_bytes = stored.size_bytes
    response = Response(headers=_headers(stored, etag) | overrides, content_type=None)
    response.call_on_close(file.close)
    unchanged = is_unchanged(request, etag)
    if unchanged is not None:
        response.status_code = unchanged
        return response
    try:
        span = _parse_range(request.headers.get("Range"), size_bytes)
    except RangeError:
        response.status_code = 416
        response.headers["Content-Range"] = f"bytes */{size_bytes}"
        response.headers["Content-Type"] = "text/plain"
        response.set_data("Requested range not satisfiable")
        return response
    if request.headers.get("If-Range", etag) != etag:
        span = None
    first, after = span or (0, size_bytes)
    if span:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {first}-{after - 1}/{size_bytes}"
    response.headers["Content-Length"] = str(after - first)
    response.response = _read(file, first, after - first)
    return response


def is_unchanged(request: Request, etag: str) -> int | None:
    """304 or 412 when If-None-Match or If-Match says so, else None."""
    bare = etag.strip('"')
    if_match, if_none_match = (request.headers.get(name) for name in ("If-Match", "If-None-Match"))
    if if_match is not None and not _mentions(if_match, bare):
        return 412
    if if_none_match is not None and _mentions(if_none_match, bare):
        return 304
    return None


def header_text(text: str) -> str:
    """Text that may stand in a header: UTF-8 as it goes over the wire, and no line breaks of a caller's making."""
    return _CONTROLS.sub(" ", text).encode(errors="replace").decode("latin-1")


def _headers(stored: StoredObject, etag: str) -> dict[str, str]:
    attributes = stored.attributes
    named = {
        "Content-Type": attributes.get("contentType", "application/octet-stream"),
        "Cache-Control": attributes.get("cacheControl", "private, max-age=0"),
        "Content-Disposition": attributes.get("contentDisposition"),
        "Content-Encoding": attributes.get("contentEncoding"),
        "Content-Language": attributes.get("contentLanguage"),
        "Last-Modified": http_date(stored.created_at),
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "x-goog-generation": str(stored.generation),
        "x-goog-metageneration": str(stored.metageneration),
        "x-goog-hash": f"crc32c={stored.crc32c},md5={stored.md5_hash}",
        "x-goog-storage-class": "STANDARD",
        "x-goog-stored-content-encoding": attributes.get("contentEncoding", "identity"),
        "x-goog-stored-content-length": str(stored.size_bytes),
        # A key that is no header name would break the answer; the JSON API has it all the same.
        **{
            f"x-goog-meta-{key}": value
            for key, value in attributes.get("metadata", {}).items()
            if re.fullmatch(r"[A-Za-z0-9_.-]+", key)
        },
    }
    return {key: header_text(str(value)) for key, value in named.items() if value is not None}


def _parse_range(header: str | None, size_bytes: int) -> tuple[int, int] | None:
    """First byte and the byte after the last; None for the whole object; RangeError when nothing is in range."""
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or match.group(0) == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        span = max(0, size_bytes - int(last)), size_bytes
    else:
        if last and int(last) < int(first):
            return None
        span = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
    if span[0] >= span[1]:
        raise RangeError
    return span


def _read(file: BinaryIO, first: int, length_bytes: int) -> Iterator[bytes]:
    file.seek(first)
    while length_bytes and (chunk := file.read(min(length_bytes, _READ_BYTES))):
        length_bytes -= len(chunk)
        yield chunk


def _mentions(header: str, bare_etag: str) -> bool:
    listed = {each.strip().removeprefix("W/").strip('"') for each in header.split(",")}
    return "*" in listed or bare_etag in listed
