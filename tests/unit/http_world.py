"""The API over the in-memory doubles, and what a caller gets over the wire."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from admission import Admission
from backlog import Backlog
from callers import Callers
from certificates import Certificates
from etas import Outlook
from flask import Request
from gallery import Gallery
from google.auth.exceptions import TransportError
from http_api import ROUTES, Api
from pace import Pace
from queue_depth import Queue
from submit_settings import SubmitSettings
from werkzeug.datastructures import Headers
from werkzeug.routing import Map
from werkzeug.test import EnvironBuilder, run_wsgi_app

from local.tokens import local_token
from shared.artifact_store import SignedUrl
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.budget import Budget, Spending
from shared.crew_store.memory import InMemoryCrewStore
from shared.documents import Job, JobError, Render
from shared.errors import HTTP_STATUS, ErrorCode
from shared.job_store import Replace, Stored, Sum
from shared.jobs import claim_render, fail_render, retire
from shared.safety.blocklist import blocklist
from shared.settings import read_settings
from shared.settling import complete_from_object, settle
from shared.testing import Clock, FlakyPublisher, MeddledJobStore, a_commit, put_video
from shared.theme_store.memory import InMemoryThemeStore
from tests.unit.batch_world import a_desk

ORIGIN = "https://app.example"
TOKEN = "0123456789abcdef"
ENVIRON = {
    "GOOGLE_CLOUD_PROJECT": "life-as-not-me",
    "ARTIFACT_BUCKET": "videos",
    "CORS_ORIGINS": f"{ORIGIN},https://other.example",
    "SIGNED_URL_LIFETIME_S": "600",
    "QUEUE_TOKEN": TOKEN,
    "UNSIGNED_TOKENS": "true",
    "BATCH_MAX_ROWS_OF_PERSON": "100000",
    "QUOTA_JOBS": "100",
}
#: Who calls, unless a test says otherwise.
ADA = "ada"
WISH = {"perspective": "curious-cat", "seed": 1}


class BrokenJobStore(MeddledJobStore):
    """Fails every reading of a job, and every sum, the way it is told to."""

    failure: Exception | None = None
    sum_failure: Exception | None = None

    def cost_of_renders(self, *, since: datetime, until: datetime) -> Sum:
        self._fail_to_add_up()
        return super().cost_of_renders(since=since, until=until)

    def cost_of_batch(self, batch_id: str) -> Sum:
        self._fail_to_add_up()
        return super().cost_of_batch(batch_id)

    def cost_of_owner(self, owner: str, *, since: datetime) -> Sum:
        self._fail_to_add_up()
        return super().cost_of_owner(owner, since=since)

    def _fail_to_add_up(self) -> None:
        if self.sum_failure:
            raise self.sum_failure

    def job(self, job_id: str) -> Stored[Job] | None:
        if self.failure:
            raise self.failure
        return super().job(job_id)


class RecordingArtifactStore(InMemoryArtifactStore):
    """Remembers what was signed."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.signed: list[tuple[str, int, str]] = []

    def signed_url(self, name: str, *, lifetime_s: int, filename: str) -> SignedUrl:
        self.signed.append((name, lifetime_s, filename))
        expires_at = self._clock.now() + timedelta(seconds=lifetime_s)
        return SignedUrl(url=f"https://storage.example/{name}?n={len(self.signed)}", expires_at=expires_at)


def no_network(*_: object, **__: object) -> Any:
    """What fetches Google's keys, in a test that needs none."""
    raise TransportError("a test asks no network")


@dataclass(frozen=True)
class Answer:
    """What goes over the wire."""

    status: int
    headers: Headers
    data: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.data)


class World:
    """An API over doubles that a test can reach into."""

    def __init__(self, **environ: str) -> None:
        self.clock = Clock()
        self.store = BrokenJobStore(now=self.clock.now)
        self.publisher = FlakyPublisher()
        self.artifacts = RecordingArtifactStore(self.clock)
        self.own_themes = InMemoryThemeStore()
        self.crew = InMemoryCrewStore()
        settings = read_settings(SubmitSettings, {**ENVIRON, **environ})
        spending = Spending(self.store, now=self.clock.now, monotonic=self.clock.monotonic)
        budget = Budget(settings, spending=spending, now=self.clock.now)
        self.admission = Admission(
            quotas=settings.quotas,
            budget=budget,
            backlog=Backlog(self.store, most=settings.backlog, monotonic=self.clock.monotonic),
            moderators=(blocklist(),),
        )
        self.desk = a_desk(
            settings.offer,
            admission=self.admission,
            clock=self.clock,
            store=self.store,
            publisher=self.publisher,
            artifacts=self.artifacts,
            limits=settings.batch_limits,
        )
        self.api = Api(
            settings=settings,
            store=self.store,
            publisher=self.publisher,
            artifacts=self.artifacts,
            desk=self.desk,
            queue=Queue(self.store, crew=self.crew, budget=budget, monotonic=self.clock.monotonic),
            outlook=Outlook(
                self.store,
                crew=self.crew,
                fleet=settings.fleet,
                budget=budget,
                now=self.clock.now,
                monotonic=self.clock.monotonic,
            ),
            callers=Callers(
                settings=settings,
                certificates=Certificates(no_network, monotonic=self.clock.monotonic),
                now=self.clock.now,
            ),
            admission=self.admission,
            gallery=Gallery(
                store=self.store,
                artifacts=self.artifacts,
                now=self.clock.now,
                monotonic=self.clock.monotonic,
                link_lifetime_s=settings.signed_url_lifetime_s,
            ),
            pace=Pace(settings.quota_opens_per_address, monotonic=self.clock.monotonic),
            own_themes=self.own_themes,
            now=self.clock.now,
        )
        self.caller = ADA

    def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **build: Any) -> Answer:
        """Call as ``caller``, unless the headers have another ``Authorization``."""
        named = {"Authorization": self.bearer(self.caller)} | (headers or {})
        return self.send(EnvironBuilder(path=path, method=method, headers=Headers(named), **build).get_environ())

    def bearer(self, uid: str) -> str:
        return f"Bearer {local_token(uid, issued_at_s=self.clock.now().timestamp())}"

    def send(self, environ: dict[str, Any], *, routes: Map = ROUTES) -> Answer:
        parts, status, headers = run_wsgi_app(self.api.answer(Request(environ), routes=routes), environ)
        return Answer(status=int(status.split()[0]), headers=headers, data=b"".join(parts))

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    def post(
        self, body: object = WISH, *, to: str = "/jobs", content_type: str = "application/json", **headers: str
    ) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.call("POST", to, data=data, content_type=content_type, headers=named)

    def claim(self, render_key: str) -> None:
        self._change(render_key, lambda render: claim_render(render, holder="a", lease_s=60, now=self.clock.now()))

    def retire(self, render_key: str) -> None:
        self._change(render_key, lambda render: retire(render, now=self.clock.now()))

    def fail(self, render_key: str) -> None:
        error = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")
        self._change(render_key, lambda render: fail_render(render, error=error, now=self.clock.now()))
        self._settle(self.store.render(render_key))

    def finish(self, render_key: str) -> None:
        stored = self.store.render(render_key)
        if stored and not stored.value.token:
            self.claim(render_key)
        commit = a_commit(render_key)
        for name in commit.companions:
            self.artifacts.create(name, b"x", content_type="image/jpeg")
        put_video(self.artifacts, render_key)
        self._settle(complete_from_object(render_key, store=self.store, artifacts=self.artifacts, now=self.clock.now))

    def _change(self, render_key: str, change: Callable[[Render], Render]) -> None:
        stored = self.store.render(render_key)
        assert stored
        self.store.commit(Replace(stored=stored, value=change(stored.value)))

    def _settle(self, render: Stored[Render] | None) -> None:
        assert render
        settle(render, store=self.store, publisher=self.publisher, now=self.clock.now)

    @property
    def has_written_anything(self) -> bool:
        return bool(self.store._documents or self.publisher.published or self.own_themes._documents)


def is_problem(answer: Answer, code: ErrorCode) -> bool:
    """Whether it is a complete problem document of that code (RFC 9457)."""
    status, title = HTTP_STATUS[code]
    assert answer.headers["Content-Type"].split(";")[0] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(answer.body) - {"errors"} == {"type", "title", "status", "code", "detail"}
    assert answer.body["type"] == f"urn:life-as-not-me:problem:{code.value}"
    assert (answer.status, answer.body["status"], answer.body["title"]) == (status, status, title)
    assert answer.body["detail"]
    return bool(answer.body["code"] == code.value)
