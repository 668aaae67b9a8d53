"""The HTTP face of the storage emulator: Google's JSON API, and the XML paths that signed URLs use.

Enters: HTTP requests. Leaves: answers in Google's shapes, JSON under ``/storage``, ``/upload`` and ``/download``, XML
errors under ``/{bucket}/{object}``.

Keeps of Google Cloud Storage: what google-cloud-storage 3.17 sends for buckets, objects, the three kinds of upload,
downloads, lists and ``ifGenerationMatch``; reading by signed URL, with CORS for every origin.
Keeps not: authentication of the JSON API (any program on this machine may use it, no page in a browser may), changes of
buckets, copy, compose, batch, ACLs, IAM, ``fields``; writing by signed URL. What would lose or show data is refused.
"""

import json
import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric import rsa
from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, InternalServerError, abort
from werkzeug.routing import Map, PathConverter, Rule
from werkzeug.wrappers import Request, Response

from local.signed_urls import SignedUrlError, verify_signed_url
from local.storage_downloads import media_response
from local.storage_listing import PAGE_ITEMS, list_page
from local.storage_objects import ObjectStore
from local.storage_uploads import ResumableUploads, parse_hashes, parse_json, parse_multipart_related
from local.storage_values import StoredObject

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Allow-Headers": "If-None-Match, If-Range, Range",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag",
    "Access-Control-Max-Age": "3600",
}
#: Google's ``reason`` in JSON errors, and ``Code`` in XML errors, by HTTP status.
_REASONS = {400: "invalid", 403: "forbidden", 404: "notFound", 409: "conflict", 412: "conditionNotMet"}
_XML_CODES = {403: "AccessDenied", 404: "NoSuchKey", 416: "InvalidRange"}
#: Parameters that change what a request means, and that the emulator does not know.
_UNSUPPORTED = frozenset(
    (
        *("ifGenerationNotMatch", "ifMetagenerationMatch", "ifMetagenerationNotMatch", "softDeleted"),
        *("endOffset", "includeFoldersAsPrefixes", "includeTrailingDelimiter", "matchGlob", "startOffset"),
    )
)


class _ObjectName(PathConverter):
    """The rest of the path, slashes and all: a slash of a name comes as %2F, but WSGI decodes the path."""

    regex = ".+"
    part_isolating = False


_BUCKET, _OBJECT = "/storage/v1/b/<bucket>", "/storage/v1/b/<bucket>/o/<object:name>"
#: The endpoints are methods of ``StorageApi``.
_ROUTES = Map(
    [
        Rule("/", methods=["GET"], endpoint="answer_health"),
        Rule("/storage/v1/b", methods=["POST"], endpoint="create_bucket"),
        Rule(_BUCKET, methods=["GET"], endpoint="get_bucket"),
        Rule(_BUCKET, methods=["DELETE"], endpoint="delete_bucket"),
        Rule(f"{_BUCKET}/o", methods=["GET"], endpoint="list_objects"),
        Rule(_OBJECT, methods=["GET"], endpoint="get_object"),
        Rule(f"/download{_OBJECT}", methods=["GET"], endpoint="get_object"),
        Rule(_OBJECT, methods=["PATCH"], endpoint="patch_object"),
        Rule(_OBJECT, methods=["DELETE"], endpoint="delete_object"),
        Rule(f"/upload{_BUCKET}/o", methods=["POST"], endpoint="start_upload"),
        Rule(f"/upload{_BUCKET}/o", methods=["PUT"], endpoint="continue_upload"),
        Rule("/<bucket>/<object:name>", methods=["GET", "OPTIONS"], endpoint="get_by_url"),
    ],
    converters={"object": _ObjectName},
)

_log = logging.getLogger(__name__)


class StorageApi:
    """A WSGI application. Without a key signed URLs open nothing."""

    def __init__(self, store: ObjectStore, *, signing_key: rsa.RSAPublicKey | None) -> None:
        self._store = store
        self._uploads = ResumableUploads(store)
        self._signing_key = signing_key

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request; nothing but a broken connection gets past it."""
        request = Request(environ)
        endpoint = ""
        try:
            endpoint, arguments = _ROUTES.bind_to_environ(environ).match()
            if endpoint != "get_by_url":
                _check_acceptable(request)
            response: Response = getattr(self, endpoint)(request, **arguments)
        except HTTPException as exc:
            response = _error(exc, environ, xml=endpoint == "get_by_url")
        except Exception as exc:  # noqa: BLE001 - a door: one broken request must not end the server
            _log.exception("storage emulator failed", extra={"action": "answer_storage_request"})
            response = _error(InternalServerError(type(exc).__name__), environ, xml=endpoint == "get_by_url")
        if endpoint == "get_by_url":
            response.headers.update(_CORS)
        return response(environ, start_response)

    def answer_health(self, _request: Request) -> Response:
        """``GET /``."""
        return Response("Ok", content_type="text/plain")

    def create_bucket(self, request: Request) -> Response:
        """``POST /b``."""
        return _json(self._store.create_bucket(parse_json(request.get_data()).get("name")))

    def get_bucket(self, _request: Request, bucket: str) -> Response:
        """``GET /b/{bucket}``."""
        return _json(self._store.bucket(bucket))

    def delete_bucket(self, _request: Request, bucket: str) -> Response:
        """``DELETE /b/{bucket}``."""
        self._store.delete_bucket(bucket)
        return Response(status=204)

    def list_objects(self, request: Request, bucket: str) -> Response:
        """``GET /b/{bucket}/o``."""
        page, next_page_token = list_page(
            self._store.list(bucket),
            prefix=request.args.get("prefix", ""),
            delimiter=request.args.get("delimiter", ""),
            max_items=min(_integer(request, "maxResults") or PAGE_ITEMS, PAGE_ITEMS),
            page_token=request.args.get("pageToken", ""),
        )
        items = [stored.resource(_base_url(request)) for stored in page.values() if stored]
        prefixes = [entry for entry, stored in page.items() if not stored]
        answer = {"items": items, "prefixes": prefixes, "nextPageToken": next_page_token}
        return _json({"kind": "storage#objects", **{key: value for key, value in answer.items() if value}})

    def get_object(self, request: Request, bucket: str, name: str) -> Response:
        """``GET /b/{bucket}/o/{name}``, with ``alt=media`` its bytes."""
        if request.args.get("alt") == "media":
            return media_response(request, *self._store.open(bucket, name, **_conditions(request)), overrides={})
        return _object(request, self._store.get(bucket, name, **_conditions(request)))

    def patch_object(self, request: Request, bucket: str, name: str) -> Response:
        """``PATCH /b/{bucket}/o/{name}``."""
        changes = parse_json(request.get_data())
        return _object(request, self._store.update(bucket, name, changes, **_conditions(request)))

    def delete_object(self, request: Request, bucket: str, name: str) -> Response:
        """``DELETE /b/{bucket}/o/{name}``."""
        self._store.delete(bucket, name, **_conditions(request))
        return Response(status=204)

    def start_upload(self, request: Request, bucket: str) -> Response:
        """``POST /upload/…/b/{bucket}/o``: the whole of a media or multipart upload, the start of a resumable one."""
        if_generation_match = _integer(request, "ifGenerationMatch")
        kind, body, attributes = request.args.get("uploadType"), request.get_data(), {}
        if kind == "media":
            attributes = {"contentType": request.headers.get("Content-Type")}
        elif kind == "multipart":
            attributes, body = parse_multipart_related(request.headers.get("Content-Type", ""), body)
        elif kind == "resumable":
            attributes = {"contentType": request.headers.get("X-Upload-Content-Type"), **parse_json(body)}
        else:
            raise BadRequest("uploadType must be media, multipart or resumable.")
        name = request.args.get("name") or attributes.get("name")
        if kind != "resumable":
            attributes |= parse_hashes(request.headers.get("X-Goog-Hash", ""))
            stored = self._store.create(
                bucket, name, body, attributes=attributes, if_generation_match=if_generation_match
            )
            return _object(request, stored)
        upload_id = self._uploads.start(bucket, name, attributes=attributes, if_generation_match=if_generation_match)
        path = f"/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={upload_id}"
        return Response(headers={"Location": _base_url(request) + path, "X-GUploader-UploadID": upload_id})

    def continue_upload(self, request: Request, bucket: str) -> Response:  # noqa: ARG002 - the session knows its bucket
        """``PUT`` to what a resumable upload's start answered: a chunk, or a question how many bytes have come."""
        result = self._uploads.receive(
            request.args.get("upload_id", ""),
            request.get_data(),
            content_range=request.headers.get("Content-Range"),
            checksums=parse_hashes(request.headers.get("X-Goog-Hash", "")),
        )
        if isinstance(result, StoredObject):
            return _object(request, result)
        return Response(status=308, headers={"Range": f"bytes=0-{result - 1}"} if result else {})

    def get_by_url(self, request: Request, bucket: str, name: str) -> Response:
        """``GET /{bucket}/{name}`` with a signature."""
        if request.method == "OPTIONS":
            return Response()
        if self._signing_key is None or "X-Goog-Signature" not in request.args:
            raise Forbidden("Anonymous caller does not have access, and only a key that is given can sign.")
        verify_signed_url(request, self._signing_key, now=datetime.now(UTC))
        stored, file = self._store.open(bucket, name, generation=_integer(request, "generation"))
        asked = {"contentDisposition": "response-content-disposition", "contentType": "response-content-type"}
        overrides = {attribute: request.args[each] for attribute, each in asked.items() if each in request.args}
        return media_response(request, stored, file, overrides)


def _check_acceptable(request: Request) -> None:
    if "Origin" in request.headers:
        # The JSON API asks nobody who they are: no page of the open web may use it through a visitor's browser.
        raise Forbidden("The JSON API of the storage emulator is not for browsers.")
    if unknown := _UNSUPPORTED & request.args.keys():
        abort(501, f"The storage emulator has no {', '.join(sorted(unknown))}.")
    if request.args.get("versions", "false") != "false":
        abort(501, "The storage emulator keeps no versions.")


def _base_url(request: Request) -> str:
    return request.host_url.rstrip("/")


def _conditions(request: Request) -> dict[str, int | None]:
    return {
        "generation": _integer(request, "generation"),
        "if_generation_match": _integer(request, "ifGenerationMatch"),
    }


def _integer(request: Request, parameter: str) -> int | None:
    text = request.args.get(parameter, "")
    if text and not (text.isascii() and text.isdigit()):
        raise BadRequest(f"Invalid value for {parameter}: {text[:40]!r}")
    return int(text) if text else None


def _object(request: Request, stored: StoredObject) -> Response:
    return _json(stored.resource(_base_url(request)))


def _json(content: dict[str, Any]) -> Response:
    return Response(json.dumps(content), content_type="application/json; charset=UTF-8")


def _error(exc: HTTPException, environ: "WSGIEnvironment", *, xml: bool) -> Response:
    """The answer in Google's form; headers such as the Content-Range of a 416 stay."""
    response = Response(status=exc.code, headers=exc.get_headers(environ))
    status, message = response.status_code, exc.description or ""
    if xml:
        code = exc.xml_code if isinstance(exc, SignedUrlError) else _XML_CODES.get(status, "InternalError")
        inner = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        response.set_data(f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}</Error>")
        response.content_type = "application/xml; charset=UTF-8"
    else:
        reason = _REASONS.get(status, "backendError")
        errors = [{"message": message, "domain": "global", "reason": reason}]
        response.set_data(json.dumps({"error": {"code": status, "message": message, "errors": errors}}))
        response.content_type = "application/json; charset=UTF-8"
    return response
