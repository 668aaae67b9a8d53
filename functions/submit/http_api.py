"""The API: HTTP in, a use case, HTTP out. Errors are RFC 9457 problem details that name every fault at once."""

from __future__ import annotations

import hmac
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import batches_api
import sharing
import themes_api
import usage_api
from accept_batch import MAX_BATCH_BODY_BYTES
from callers import APP_CHECK_HEADER, Caller, Callers, challenge
from cancel_job import cancel_job
from delete_job import delete_job
from flask import Response
from gallery import FILM_ARTIFACTS
from http_bodies import as_catalogue, as_json, as_problem, body_of
from own_jobs import page_of_jobs
from submit_job import submit_job
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.routing import Map, Rule

from shared.documents import JOB_ID_PATTERN, Job
from shared.errors import ErrorCode, Fault, Rejected, Retryable
from shared.measures import SpanName
from shared.models import models
from shared.own_themes import MAX_THEME_BODY_BYTES
from shared.perspectives import perspectives
from shared.requests import MAX_BODY_BYTES
from shared.telemetry import at_the_door, context
from shared.themes import themes
from shared.tracing import ids_of, span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from admission import Admission
    from batch_desk import BatchDesk
    from etas import Outlook
    from flask import Request as HttpRequest
    from gallery import Gallery
    from pace import Pace
    from queue_depth import Queue
    from submit_settings import SubmitSettings

    from shared.artifact_store import ArtifactStore
    from shared.job_store import JobStore, Stored
    from shared.publisher import Publisher
    from shared.theme_store import ThemeStore

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5
#: Its links live longer.
GALLERY_AGE_S = 60

#: What a completed job has links to.
ARTIFACTS = ("video", "poster", "human-view", "receipt")
#: What a job has a link to as soon as it is there.
PREVIEW = "preview"
_ANY_ARTIFACT = ", ".join(f'"{each}"' for each in (*ARTIFACTS, PREVIEW))
_ANY_SHARED = ", ".join(f'"{each}"' for each in sharing.SHARED_ARTIFACTS)
_ANY_OF_A_FILM = ", ".join(f'"{each}"' for each in FILM_ARTIFACTS)
#: Where the page has a picture of what each perspective sees.
CARD = "cards/{}.webp"

ROUTES = Map(
    [
        Rule("/jobs", methods=["POST"], endpoint="create_job"),
        Rule("/jobs", methods=["GET"], endpoint="list_jobs"),
        Rule("/jobs/<job_id>", methods=["GET"], endpoint="show_job"),
        Rule("/jobs/<job_id>", methods=["DELETE"], endpoint="delete_job"),
        Rule("/jobs/<job_id>:cancel", methods=["POST"], endpoint="cancel_job"),
        Rule("/jobs/<job_id>:share", methods=["POST"], endpoint="share_job"),
        Rule("/jobs/<job_id>:unshare", methods=["POST"], endpoint="unshare_job"),
        Rule(f"/jobs/<job_id>/<any({_ANY_ARTIFACT}):artifact>", methods=["GET"], endpoint="link_artifact"),
        Rule("/usage", methods=["GET"], endpoint="show_usage"),
        Rule("/batches", methods=["POST"], endpoint="create_batch"),
        Rule("/batches/<batch_id>", methods=["GET"], endpoint="show_batch"),
        Rule("/batches/<batch_id>:cancel", methods=["POST"], endpoint="cancel_batch"),
        Rule("/shared/<token>", methods=["GET"], endpoint="show_shared"),
        Rule(f"/shared/<token>/<any({_ANY_SHARED}):artifact>", methods=["GET"], endpoint="link_shared"),
        Rule("/perspectives", methods=["GET"], endpoint="list_perspectives"),
        Rule("/themes", methods=["GET"], endpoint="list_themes"),
        Rule("/themes", methods=["POST"], endpoint="save_theme"),
        Rule("/themes/<theme_id>", methods=["DELETE"], endpoint="delete_theme"),
        Rule("/models", methods=["GET"], endpoint="list_models"),
        Rule("/gallery", methods=["GET"], endpoint="list_gallery"),
        Rule(f"/gallery/<render_key>/<any({_ANY_OF_A_FILM}):artifact>", methods=["GET"], endpoint="link_film"),
        Rule("/queue", methods=["GET"], endpoint="show_queue"),
    ],
    strict_slashes=False,
    merge_slashes=False,
)
#: For the autoscaler, where the API itself is not to be reached.
QUEUE_ALONE = Map([Rule("/queue", methods=["GET"], endpoint="show_queue")])


@dataclass(frozen=True, kw_only=True)
class Api:
    """The API's dependencies, and its calls by the names of their endpoints."""

    settings: SubmitSettings
    store: JobStore
    publisher: Publisher
    artifacts: ArtifactStore
    desk: BatchDesk
    queue: Queue
    outlook: Outlook
    callers: Callers
    admission: Admission
    gallery: Gallery
    #: Of what is open to anyone and reads documents.
    pace: Pace
    own_themes: ThemeStore
    now: Callable[[], datetime]

    def answer(self, request: HttpRequest, *, routes: Map = ROUTES) -> Response:
        """Answer any request; never raises. What is not in ``routes`` does not exist."""
        if request.method == "OPTIONS":
            return self._with_cors(Response(status=204), request)
        given = request.headers.get("traceparent")
        with context(traceparent=given if ids_of(given) else None):
            return self._with_cors(self._answered(request, routes), request)

    def _answered(self, request: HttpRequest, routes: Map) -> Response:
        try:
            endpoint, arguments = routes.bind("").match(request.path, method=request.method)
            response: Response = getattr(self, endpoint)(request, **arguments)
        except Rejected as exc:
            response = as_problem(exc.code, exc.detail, exc.faults)
            if exc.code is ErrorCode.UNAUTHENTICATED:
                response.headers["WWW-Authenticate"] = challenge(request)
            if exc.retry_after_s is not None:
                response.headers["Retry-After"] = str(exc.retry_after_s)
        except NotFound:
            response = as_problem(ErrorCode.NOT_FOUND, "See the documentation for the addresses there are.")
        except MethodNotAllowed as exc:
            response = as_problem(ErrorCode.METHOD_NOT_ALLOWED, "Try another method.")
            response.headers["Allow"] = ", ".join(sorted(exc.valid_methods or ()))
        except HTTPException:
            response = as_problem(ErrorCode.MALFORMED_REQUEST, "The request can't be read.")
        except Retryable:
            log.exception("dependency does not answer", extra={"action": "answer"})
            response = as_problem(ErrorCode.UNAVAILABLE, "Please try again in a moment; nothing was lost.")
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        except Exception:
            log.exception("request failed", extra={"action": "answer"})
            response = as_problem(ErrorCode.INTERNAL, "Please try again later.")
        return response

    def create_job(self, request: HttpRequest) -> Response:
        """``POST /jobs``: 202, or 200 when the video is there already."""
        with at_the_door(SpanName.SUBMIT, given=request.headers.get("traceparent")) as traceparent:
            caller = self.callers.who_is_calling(request)
            job = submit_job(
                body_of(request, most=MAX_BODY_BYTES),
                caller=caller,
                idempotency_key=request.headers.get("Idempotency-Key"),
                traceparent=traceparent,
                store=self.store,
                publisher=self.publisher,
                artifacts=self.artifacts,
                offer=self.settings.offer,
                admission=self.admission,
                now=self.now,
                address=self.admission.quotas.address_of(request),
            )
        response = as_json(_view(job), status=200 if job.is_final else 202)
        response.headers["Location"] = f"/jobs/{job.job_id}"
        return response

    def list_jobs(self, request: HttpRequest) -> Response:
        """``GET /jobs``: the caller's own, the newest first, a page at a time."""
        jobs, following = page_of_jobs(request.args, caller=self.callers.who_is_calling(request), store=self.store)
        return as_json({"jobs": [_view(job) for job in jobs], "next": following})

    def show_job(self, request: HttpRequest, job_id: str) -> Response:
        """``GET /jobs/{id}``: the job, with its place in the queue while it waits, and when it will be final."""
        job = self._own_job(request, job_id).value
        return as_json(_view(job) | self.outlook.of(job))

    def show_usage(self, request: HttpRequest) -> Response:
        """``GET /usage``: what the caller has used of its quota today, and what that has cost."""
        quota = self.admission.quotas.of(self.callers.who_is_calling(request))
        return as_json(usage_api.show(quota, store=self.store, now=self.now()))

    def cancel_job(self, request: HttpRequest, job_id: str) -> Response:
        """``POST /jobs/{id}:cancel``: the job, canceled, or as it ended before."""
        stored = self._own_job(request, job_id)
        job = cancel_job(stored, store=self.store, publisher=self.publisher, now=self.now)
        if job is None:
            raise _no_such_job()
        return as_json(_view(job))

    def delete_job(self, request: HttpRequest, job_id: str) -> Response:
        """``DELETE /jobs/{id}``: 204; with the last job of a private video goes the video."""
        stored = self._own_job(request, job_id)
        delete_job(stored, store=self.store, artifacts=self.artifacts, publisher=self.publisher, now=self.now)
        return Response(status=204)

    def link_artifact(self, request: HttpRequest, job_id: str, artifact: str) -> Response:
        """``GET /jobs/{id}/video`` and its like: a short-lived link, signed now and never stored.

        In the job's own trace, since it is what the service hears first of somebody who saw ``completed``.
        """
        job = self._own_job(request, job_id).value
        trace = job.traceparent
        with (
            context(job_id=job.job_id, traceparent=trace),
            span(SpanName.LINK, parent=trace, job_id=job.job_id, artifact=artifact),
        ):
            return self._link(job, artifact, known_as=job.job_id[:8])

    def share_job(self, request: HttpRequest, job_id: str) -> Response:
        """``POST /jobs/{id}:share``: the job, with a link that anyone may open."""
        return as_json(_view(sharing.share_job(self._own_job(request, job_id), store=self.store, now=self.now)))

    def unshare_job(self, request: HttpRequest, job_id: str) -> Response:
        """``POST /jobs/{id}:unshare``: the job, and that link never works again."""
        return as_json(_view(sharing.unshare_job(self._own_job(request, job_id), store=self.store, now=self.now)))

    def show_shared(self, request: HttpRequest, token: str) -> Response:
        """``GET /shared/{token}``: what anyone may see of a shared job."""
        self._check_pace(request)
        return as_json(sharing.view(sharing.shared_job(token, store=self.store, now=self.now)))

    def link_shared(self, request: HttpRequest, token: str, artifact: str) -> Response:
        """``GET /shared/{token}/video`` and its like: a short-lived link, as for the owner."""
        self._check_pace(request)
        return self._link(sharing.shared_job(token, store=self.store, now=self.now), artifact, known_as="shared")

    def create_batch(self, request: HttpRequest) -> Response:
        """``POST /batches``: 202; its rows are read afterwards."""
        caller = self.callers.who_is_calling(request)
        body = body_of(request, most=MAX_BATCH_BODY_BYTES)
        shown = batches_api.create(body, request, caller=caller, desk=self.desk)
        response = as_json(shown, status=202)
        response.headers["Location"] = shown["links"]["self"]
        return response

    def show_batch(self, request: HttpRequest, batch_id: str) -> Response:
        """``GET /batches/{id}``: how far it is, and what became of its jobs."""
        return as_json(batches_api.show(batch_id, caller=self.callers.who_is_calling(request), desk=self.desk))

    def cancel_batch(self, request: HttpRequest, batch_id: str) -> Response:
        """``POST /batches/{id}:cancel``: 202; its jobs are canceled afterwards."""
        caller = self.callers.who_is_calling(request)
        return as_json(batches_api.cancel(batch_id, caller=caller, desk=self.desk), status=202)

    def list_perspectives(self, request: HttpRequest) -> Response:
        """``GET /perspectives``: whose eyes there are, and how they see; each number with its source."""
        hidden = {"prompt"}
        shown = [
            {**each.model_dump(mode="json", exclude=hidden, exclude_none=True), "card": CARD.format(each.id)}
            for each in perspectives().values()
        ]
        return as_catalogue(request, "perspectives", shown)

    def list_themes(self, request: HttpRequest) -> Response:
        """``GET /themes``: light and weather; to who comes with a token also what they have saved."""
        catalogue = [each.model_dump() for each in themes().values()]
        if request.headers.get("Authorization"):
            own = themes_api.own(self.callers.who_is_calling(request), store=self.own_themes)
            response = as_json({"themes": catalogue, "own": own})
        else:
            response = as_catalogue(request, "themes", catalogue)
        response.vary.add("Authorization")
        return response

    def save_theme(self, request: HttpRequest) -> Response:
        """``POST /themes``: 201 with the theme, or 200 when one of that name was replaced."""
        caller, body = self.callers.who_is_calling(request), body_of(request, most=MAX_THEME_BODY_BYTES)
        theme, is_new = themes_api.save(body, caller=caller, store=self.own_themes, now=self.now)
        response = as_json(theme, status=201 if is_new else 200)
        response.headers["Location"] = f"/themes/{theme['id']}"
        return response

    def delete_theme(self, request: HttpRequest, theme_id: str) -> Response:
        """``DELETE /themes/{id}``: 204."""
        themes_api.forget(theme_id, caller=self.callers.who_is_calling(request), store=self.own_themes, now=self.now)
        return Response(status=204)

    def list_gallery(self, request: HttpRequest) -> Response:
        """``GET /gallery``: films that are ready and that anyone may see."""
        return as_catalogue(request, "films", self.gallery.films(), max_age_s=GALLERY_AGE_S)

    def link_film(self, request: HttpRequest, render_key: str, artifact: str) -> Response:
        """``GET /gallery/{key}/video`` and its like: a short-lived link, as for a job."""
        self._check_pace(request)
        link = self.gallery.link(render_key, artifact)
        return as_json({"url": link.url, "expires_at": link.expires_at.isoformat()})

    def list_models(self, request: HttpRequest) -> Response:
        """``GET /models``: those that this deployment serves, the default first, with what they can do."""
        served = [models()[each] for each in self.settings.served_models]
        shown = {"id", "version", "name", "summary", "licence", "trained", "lengths", "fps"}
        entries = [each.model_dump(include=shown) | {"sizes": [str(size) for size in each.sizes]} for each in served]
        return as_catalogue(request, "models", entries)

    def show_queue(self, request: HttpRequest) -> Response:
        """``GET /queue``: renders that wait or are being made, by priority; of bulk ``?bulk_at_most=`` so many.

        For the autoscaler, which can't mint tokens.
        """
        given, token = request.headers.get("Authorization", ""), self.settings.queue_token
        if token is None or not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
            raise Rejected("There is no such address.", code=ErrorCode.NOT_FOUND)
        by_priority = self.queue.depth(bulk_at_most=_bulk_at_most(request))
        return as_json({"renders": sum(by_priority.values()), **by_priority})

    def _link(self, job: Job, artifact: str, *, known_as: str) -> Response:
        path, ending = _place(job, artifact)
        if self.artifacts.get(path) is None:  # it was kept for less long than the job, or somebody deleted it
            what = artifact.replace("-", " ")
            raise Rejected(f"The {what} is not kept any more; wish for it again.", code=ErrorCode.NO_VIDEO)
        link = self.artifacts.signed_url(
            path,
            lifetime_s=self.settings.signed_url_lifetime_s,
            filename=f"{job.request.perspective if job.request else artifact}-{known_as}{ending}",
        )
        return as_json({"url": link.url, "expires_at": link.expires_at.isoformat()})

    def _check_pace(self, request: HttpRequest) -> None:
        self.pace.check(self.admission.quotas.address_of(request))

    def _own_job(self, request: HttpRequest, job_id: str) -> Stored[Job]:
        caller: Caller = self.callers.who_is_calling(request)
        found = self.store.job(job_id) if re.fullmatch(JOB_ID_PATTERN, job_id) else None
        if found is None or found.value.owner != caller.owner:  # what is another's does not exist
            raise _no_such_job()
        return found

    def _with_cors(self, response: Response, request: HttpRequest) -> Response:
        origin = request.headers.get("Origin")
        response.vary.add("Origin")
        if origin in self.settings.cors_origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Location, Retry-After, ETag, WWW-Authenticate"
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE"
                response.headers["Access-Control-Allow-Headers"] = (
                    f"Authorization, Content-Type, Idempotency-Key, traceparent, {APP_CHECK_HEADER}"
                )
                response.headers["Access-Control-Max-Age"] = "3600"
        return response


def _bulk_at_most(request: HttpRequest) -> int | None:
    text = request.args.get("bulk_at_most")
    if text is None:
        return None
    if not re.fullmatch(r"[1-9][0-9]{0,5}", text):
        fault = Fault(field="bulk_at_most", code="invalid", message="must be a whole number from 1 to 999999")
        raise Rejected("bulk_at_most can't be used.", faults=[fault])
    return int(text)


def _no_such_job() -> Rejected:
    return Rejected("There is no such job.", code=ErrorCode.NOT_FOUND)


def _place(job: Job, artifact: str) -> tuple[str, str]:
    """Where an artifact of a job lies, and how its name ends."""
    if artifact == PREVIEW:
        if job.preview_path is not None:
            return job.preview_path, "-preview.jpg"
        if job.is_final:
            raise Rejected(f"The job is {job.status.value}, without a preview.", code=ErrorCode.NO_VIDEO)
        raise Rejected("There is no preview yet; not every model draws one.", code=ErrorCode.NOT_READY)
    if job.video is None:
        if job.is_final:
            raise Rejected(f"The job is {job.status.value}.", code=ErrorCode.NO_VIDEO)
        raise Rejected(f"The job is {job.status.value}; ask again when it is completed.", code=ErrorCode.NOT_READY)
    return {
        "video": (job.video.path, ".mp4"),
        "poster": (job.video.poster_path, ".jpg"),
        "human-view": (job.video.human_view_path or job.video.path, "-human-view.mp4"),
        "receipt": (job.video.receipt_path, ".json"),
    }[artifact]


def _view(job: Job) -> dict[str, Any]:
    """The job's document as clients see it, and where to watch it."""
    links = {"self": f"/jobs/{job.job_id}", "firestore": f"jobs/{job.job_id}"}
    if job.video:
        links |= {each: f"/jobs/{job.job_id}/{each}" for each in ARTIFACTS}
    if job.preview_path:
        links[PREVIEW] = f"/jobs/{job.job_id}/{PREVIEW}"
    if job.share_token:
        links["shared"] = sharing.path_of(job)
    return {**job.model_dump(mode="json"), "links": links}
