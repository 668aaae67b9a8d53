"""The HTTP face of the storage emulator: Google's JSON API, and the XML paths that signed URLs use.

Enters: HTTP requests. Leaves: answers in Google's shapes, JSON under ``/storage``, ``/upload`` and ``/download``, XML
errors under ``/{bucket}/{object}``.

Keeps of Google Cloud Storage: what google-cloud-storage 3.17 sends for buckets, objects, the three kinds of upload,
downloads, lists, preconditions and public buckets (IAM); access to objects by signed URL, or without when public.
Keeps not: authentication of the JSON API (anyone on this machine may use it), copy, rewrite, compose, batch, ACLs, HMAC
keys, notifications, ``fields``; writing by signed URL; CORS by bucket (one allowlist serves all). What is not kept is
answered with 501, never ignored, where ignoring it would lose or show data.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import unquote
from xml.sax.saxutils import escape

from werkzeug.exceptions import ClientDisconnected
from werkzeug.wrappers import Request, Response

from local.signed_urls import SignedUrlError, UrlVerifier
from local.storage_downloads import header_text, is_unchanged, media_response
from local.storage_listing import PAGE_ITEMS, ListQuery, list_page
from local.storage_objects import ObjectStore
from local.storage_uploads import (
    Progress,
    ResumableUploads,
    parse_content_range,
    parse_json,
    parse_multipart_related,
    write_body,
)
from local.storage_values import InvalidError, NotFoundError, PreconditionError, Preconditions, StorageError, StoredObject

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: An origin may end in ``:*`` for any port.
LOCAL_ORIGINS = ("http://localhost:*", "http://127.0.0.1:*")
_EXPOSED_HEADERS = (
    "Accept-Ranges, Cache-Control, Content-Disposition, Content-Encoding, Content-Length, Content-Range, Content-Type, "
    "ETag, Last-Modified, X-Goog-Generation, X-Goog-Hash, X-Goog-Metageneration, X-Goog-Stored-Content-Length"
)
_PREFLIGHT_MAX_AGE_S = 3600
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_PUBLIC_ROLES = frozenset({"roles/storage.objectViewer", "roles/storage.legacyObjectReader"})
_UNSUPPORTED_IN_LIST = ("versions", "matchGlob", "softDeleted", "includeTrailingDelimiter")
#: Settings of a bucket that are not part of its resource begin with this.
_HIDDEN = "_"

_log = logging.getLogger(__name__)


class UnsupportedError(StorageError):
    """Google Cloud Storage can do this; the emulator can't."""

    status, reason = 501, "notImplemented"


class StorageApi:
    """A WSGI application. ``clock`` returns the aware time by which signed URLs expire."""

    def __init__(
        self,
        store: ObjectStore,
        uploads: ResumableUploads,
        *,
        verifier: UrlVerifier | None,
        cors_origins: Sequence[str],
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._uploads = uploads
        self._verifier = verifier
        self._clock = clock
        origins = "|".join(re.escape(origin).replace(r":\*", r"(:\d{1,5})?") for origin in cors_origins)
        self._origins = re.compile(origins or r"(?!)")
        bucket, name = r"/storage/v1/b/([^/]+)", r"([^/]+)"
        # In the encoded path a slash of an object's name is %2F, so what stands between two slashes is one name.
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Response]]] = [
            (methods, re.compile(pattern), handler)
            for methods, pattern, handler in (
                ("GET HEAD", r"/|/_health", _health),
                ("GET", r"/storage/v1/b", self._list_buckets),
                ("POST", r"/storage/v1/b", self._create_bucket),
                ("GET", bucket, self._get_bucket),
                ("PATCH", bucket, self._patch_bucket),
                ("DELETE", bucket, self._delete_bucket),
                ("GET", f"{bucket}/iam", self._get_policy),
                ("PUT", f"{bucket}/iam", self._set_policy),
                ("GET", f"{bucket}/o", self._list_objects),
                ("GET", f"(?:/download)?{bucket}/o/{name}", self._get_object),
                ("PATCH PUT", f"{bucket}/o/{name}", self._update_object),
                ("DELETE", f"{bucket}/o/{name}", self._delete_object),
                ("POST", f"(?:/resumable)?/upload{bucket}/o", self._start_upload),
                ("PUT", f"(?:/resumable)?/upload{bucket}/o", self._continue_upload),
                ("DELETE", f"(?:/resumable)?/upload{bucket}/o", self._cancel_upload),
            )
        ]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request; nothing but a broken connection gets past it."""
        request = Request(environ)
        path = re.sub(r"^https?://[^/]+", "", str(environ["RAW_URI"])).partition("?")[0] or "/"
        origin = request.headers.get("Origin", "")
        allowed = self._origins.fullmatch(origin) is not None
        if origin and not allowed and request.method not in _READING:
            # The JSON API asks nobody who they are: no page of the open web may write through a visitor's browser.
            response = _json_error(403, "forbidden", "This origin may not write to the storage emulator.")
        elif request.method == "OPTIONS":
            response = _preflight(allowed=allowed)
        else:
            response = self._dispatch(request, path)
        if origin:
            response.headers.add("Vary", "Origin")
        if allowed:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
        return response(environ, start_response)

    def _dispatch(self, request: Request, path: str) -> Response:
        try:
            for methods, pattern, handler in self._routes:
                if request.method in methods.split() and (match := pattern.fullmatch(path)):
                    return handler(request, *(unquote(group) for group in match.groups()))
            if re.match(r"/(storage|upload|download|resumable|batch)(/|$)", path):
                _refuse(f"The storage emulator has no {request.method} of this path.")
            return self._get_by_url(request, path)
        except SignedUrlError as exc:
            return _xml_error(exc.status, exc.code, str(exc), **exc.extra)
        except PreconditionError as exc:
            if exc.unchanged and request.method in _READING:
                return Response(status=304)
            return _json_error(exc.status, exc.reason, str(exc), locationType="header", location="If-Match")
        except StorageError as exc:
            return _json_error(exc.status, exc.reason, str(exc))
        except ClientDisconnected:
            return _json_error(400, "badRequest", "The request ended before its body did.")
        except Exception as exc:
            _log.exception("storage emulator failed", extra={"action": "answer_storage_request"})
            return _json_error(500, "backendError", f"The storage emulator failed: {type(exc).__name__}")

    # Buckets

    def _list_buckets(self, request: Request) -> Response:
        prefix = request.args.get("prefix", "")
        items = [_bucket_resource(request, each) for each in self._store.buckets() if each["name"].startswith(prefix)]
        return _json({"kind": "storage#buckets", "items": items})

    def _create_bucket(self, request: Request) -> Response:
        settings = _settings(request)
        return _json(_bucket_resource(request, self._store.create_bucket(str(settings.get("name", "")), settings)))

    def _get_bucket(self, request: Request, bucket: str) -> Response:
        return _json(_bucket_resource(request, self._store.bucket(bucket)))

    def _patch_bucket(self, request: Request, bucket: str) -> Response:
        return _json(_bucket_resource(request, self._store.update_bucket(bucket, _settings(request))))

    def _delete_bucket(self, _request: Request, bucket: str) -> Response:
        self._store.delete_bucket(bucket)
        return Response(status=204)

    def _get_policy(self, _request: Request, bucket: str) -> Response:
        policy = self._store.bucket(bucket).get("_iam", {"bindings": []})
        return _json({"kind": "storage#policy", "version": 1, "etag": "CAE=", **policy})

    def _set_policy(self, request: Request, bucket: str) -> Response:
        self._store.update_bucket(bucket, {"_iam": {"bindings": parse_json(request.get_data()).get("bindings") or []}})
        return self._get_policy(request, bucket)

    # Objects

    def _list_objects(self, request: Request, bucket: str) -> Response:
        for parameter in _UNSUPPORTED_IN_LIST:
            if request.args.get(parameter, "false") != "false":
                _refuse(f"The storage emulator cannot list with {parameter}.")
        asked_items = _integer(request, "maxResults")
        page = list_page(
            self._store.list(bucket),
            ListQuery(
                prefix=request.args.get("prefix", ""),
                delimiter=request.args.get("delimiter", ""),
                start_offset=request.args.get("startOffset", ""),
                end_offset=request.args.get("endOffset") or None,
                max_items=min(asked_items or PAGE_ITEMS, PAGE_ITEMS),
                page_token=request.args.get("pageToken") or None,
            ),
        )
        answer: dict[str, Any] = {"kind": "storage#objects"}
        if page.objects:
            answer["items"] = [stored.resource(_base_url(request)) for stored in page.objects]
        if page.prefixes:
            answer["prefixes"] = page.prefixes
        if page.next_page_token:
            answer["nextPageToken"] = page.next_page_token
        return _json(answer)

    def _get_object(self, request: Request, bucket: str, name: str) -> Response:
        generation, when = _integer(request, "generation"), _preconditions(request)
        if request.args.get("alt") == "media":
            stored, file = self._store.open(bucket, name, generation=generation, when=when)
            return media_response(request, stored, file, etag=stored.etag, overrides={})
        stored = self._store.get(bucket, name, generation=generation, when=when)
        unchanged = is_unchanged(request, stored.etag)
        if unchanged is not None:
            raise PreconditionError(unchanged=unchanged == Response(status=304).status_code)
        return _object_answer(request, stored)

    def _update_object(self, request: Request, bucket: str, name: str) -> Response:
        stored = self._store.update(
            bucket,
            name,
            parse_json(request.get_data()),
            replace=request.method == "PUT",
            generation=_integer(request, "generation"),
            when=_preconditions(request),
        )
        return _object_answer(request, stored)

    def _delete_object(self, request: Request, bucket: str, name: str) -> Response:
        self._store.delete(bucket, name, generation=_integer(request, "generation"), when=_preconditions(request))
        return Response(status=204)

    # Uploads

    def _start_upload(self, request: Request, bucket: str) -> Response:
        kind, when = request.args.get("uploadType"), _preconditions(request)
        attributes: dict[str, Any] = {}
        if kind == "media":
            attributes["contentType"] = request.headers.get("Content-Type")
            name = request.args.get("name", "")
            self._store.check(bucket, name, when)
            with self._store.staged() as path:
                write_body(path, _body(request))
                stored = self._store.finalize(bucket, name, path, attributes=attributes, when=when)
            return _object_answer(request, stored)
        if kind == "multipart":
            content_type = request.headers.get("Content-Type", "")
            attributes, media_type, media = parse_multipart_related(content_type, request.get_data(cache=False))
            name = str(request.args.get("name") or attributes.get("name") or "")
            with self._store.staged() as path:
                path.write_bytes(media)
                attributes = {"contentType": media_type, **attributes}
                stored = self._store.finalize(bucket, name, path, attributes=attributes, when=when)
            return _object_answer(request, stored)
        if kind == "resumable":
            media_type = request.headers.get("X-Upload-Content-Type")
            attributes = {"contentType": media_type, **parse_json(request.get_data())}
            name = str(request.args.get("name") or attributes.get("name") or "")
            upload_id = self._uploads.start(bucket, name, attributes=attributes, when=when)
            answer = Response(status=200)
            answer.headers["Location"] = (
                f"{_base_url(request)}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={upload_id}"
            )
            answer.headers["X-GUploader-UploadID"] = upload_id
            return answer
        msg = "uploadType must be media, multipart or resumable."
        raise InvalidError(msg)

    def _continue_upload(self, request: Request, _bucket: str) -> Response:
        chunk = parse_content_range(request.headers.get("Content-Range"), length_bytes=request.content_length)
        result = self._uploads.receive(request.args.get("upload_id", ""), chunk, _body(request))
        if not isinstance(result, Progress):
            return _object_answer(request, result)
        answer = Response(status=308)
        if result.persisted_bytes:
            answer.headers["Range"] = f"bytes=0-{result.persisted_bytes - 1}"
        return answer

    def _cancel_upload(self, request: Request, _bucket: str) -> Response:
        self._uploads.cancel(request.args.get("upload_id", ""))
        # Not a mistake: https://cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload
        return Response(status="499 Client Closed Request")

    # Signed URLs and public objects

    def _get_by_url(self, request: Request, path: str) -> Response:
        if request.method not in _READING:
            _refuse("The storage emulator takes objects by the JSON API only.")
        bucket, _, name = (unquote(part) for part in path.removeprefix("/").partition("/"))
        signed = "X-Goog-Signature" in request.args or "X-Goog-Algorithm" in request.args
        if signed and self._verifier is not None:
            self._verifier.verify(
                method=request.method,
                path=path,
                parameters=list(request.args.items(multi=True)),
                headers={key.lower(): value for key, value in request.headers.items()},
                now=self._clock(),
            )
        elif signed or not self._is_public(bucket):
            details = "The storage emulator was given no key." if signed else "Anonymous caller does not have access."
            raise SignedUrlError(403, "AccessDenied", "Access denied.", Details=details)
        try:
            stored, file = self._store.open(bucket, name, generation=_integer(request, "generation"))
        except NotFoundError as exc:
            raise SignedUrlError(404, "NoSuchKey", "The specified key does not exist.", Details=str(exc)) from exc
        overrides = {} if signed else {"Cache-Control": stored.attributes.get("cacheControl", "public, max-age=3600")}
        for header in ("Content-Disposition", "Content-Type"):
            asked = request.args.get(f"response-{header.lower()}")
            if signed and asked:
                overrides[header] = header_text(asked)
        md5_hex = _md5_hex(stored)
        return media_response(request, stored, file, etag=f'"{md5_hex}"', overrides=overrides)

    def _is_public(self, bucket: str) -> bool:
        try:
            bindings = self._store.bucket(bucket).get("_iam", {}).get("bindings", [])
        except NotFoundError:
            return False
        return any(each.get("role") in _PUBLIC_ROLES and "allUsers" in each.get("members", []) for each in bindings)


def public_policy() -> dict[str, Any]:
    """The bucket setting that lets everyone read its objects."""
    return {"_iam": {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}}


def _health(_request: Request) -> Response:
    return Response("Ok", content_type="text/plain")


def _preflight(*, allowed: bool) -> Response:
    response = Response(status=200)
    if allowed:
        response.headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, If-Match, If-None-Match, If-Range, Range"
        response.headers["Access-Control-Max-Age"] = str(_PREFLIGHT_MAX_AGE_S)
    return response


def _body(request: Request) -> BinaryIO:
    return cast("BinaryIO", request.stream)


def _base_url(request: Request) -> str:
    return request.host_url.rstrip("/")


def _settings(request: Request) -> dict[str, Any]:
    return {key: value for key, value in parse_json(request.get_data()).items() if not key.startswith(_HIDDEN)}


def _bucket_resource(request: Request, bucket: dict[str, Any]) -> dict[str, Any]:
    name = bucket["name"]
    shown = {key: value for key, value in bucket.items() if not key.startswith(_HIDDEN)}
    link = f"{_base_url(request)}/storage/v1/b/{name}"
    return {"kind": "storage#bucket", "id": name, "selfLink": link, "projectNumber": "0", "etag": "CAE=", **shown}


def _object_answer(request: Request, stored: StoredObject) -> Response:
    response = _json(stored.resource(_base_url(request)))
    response.headers["ETag"] = stored.etag
    return response


def _md5_hex(stored: StoredObject) -> str:
    import base64

    return base64.b64decode(stored.md5_hash).hex()


def _preconditions(request: Request) -> Preconditions:
    return Preconditions(
        generation_match=_integer(request, "ifGenerationMatch"),
        generation_not_match=_integer(request, "ifGenerationNotMatch"),
        metageneration_match=_integer(request, "ifMetagenerationMatch"),
        metageneration_not_match=_integer(request, "ifMetagenerationNotMatch"),
    )


def _integer(request: Request, parameter: str) -> int | None:
    text = request.args.get(parameter)
    if text is None or text == "":
        return None
    if not re.fullmatch(r"[0-9]{1,19}", text):
        msg = f"Invalid value for {parameter}: '{text[:40]}'"
        raise InvalidError(msg)
    return int(text)


def _refuse(message: str) -> None:
    raise UnsupportedError(message)


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(content), status=status, content_type="application/json; charset=UTF-8")


def _json_error(status: int, reason: str, message: str, **details: str) -> Response:
    errors = [{"message": message, "domain": "global", "reason": reason, **details}]
    return _json({"error": {"code": status, "message": message, "errors": errors}}, status)


def _xml_error(status: int, code: str, message: str, **extra: str) -> Response:
    elements = {"Code": code, "Message": message, **extra}
    inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
    xml = f"<?xml version='1.0' encoding='UTF-8'?><Error>{inner}</Error>"
    return Response(xml, status=status, content_type="application/xml; charset=UTF-8")
