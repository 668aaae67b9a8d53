"""Answers that carry an object's bytes: whole, in part, or "not changed".

Enters: a request, an object and its open file. Leaves: 200, 206, 304 or 416, as a browser that seeks in a video
needs. Keeps of Google Cloud Storage: ``a-b``, ``a-`` and suffix ranges, ``Content-Range`` of a 416, If-None-Match and
If-Range by ETag, the ``x-goog-*`` headers that clients read.
Keeps not: several ranges at once and a suffix longer than the object (416, where the cloud sends the whole), unpacking
of gzip for clients that do not accept it, custom metadata as headers.
"""

import base64
from collections.abc import Mapping
from typing import BinaryIO

from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import wrap_file

from local.storage_values import StoredObject

_READ_BYTES = 1 << 18


def media_response(request: Request, stored: StoredObject, file: BinaryIO, overrides: Mapping[str, str]) -> Response:
    """Answer a GET or HEAD; the response closes the file. ``overrides`` replace attributes of the object."""
    attributes = {"cacheControl": "private, max-age=0", **stored.attributes, **overrides}
    response = Response(wrap_file(request.environ, file, _READ_BYTES), direct_passthrough=True)
    for header, attribute in (
        ("Content-Type", "contentType"),
        ("Cache-Control", "cacheControl"),
        ("Content-Disposition", "contentDisposition"),
        ("Content-Encoding", "contentEncoding"),
        ("Content-Language", "contentLanguage"),
    ):
        if attribute in attributes:
            # UTF-8 as it goes over the wire: WSGI takes latin-1.
            response.headers[header] = attributes[attribute].encode().decode("latin-1")
    response.headers["x-goog-generation"] = str(stored.generation)
    response.headers["x-goog-metageneration"] = str(stored.metageneration)
    response.headers["x-goog-hash"] = f"crc32c={stored.crc32c},md5={stored.md5_hash}"
    response.headers["x-goog-stored-content-encoding"] = attributes.get("contentEncoding", "identity")
    response.headers["x-goog-stored-content-length"] = str(stored.size_bytes)
    response.content_length = stored.size_bytes
    response.last_modified = stored.created_at
    response.set_etag(base64.b64decode(stored.md5_hash).hex())
    try:
        return response.make_conditional(request, accept_ranges=True, complete_length=stored.size_bytes)
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
