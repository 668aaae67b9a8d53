"""The API over the in-memory doubles: every address, every way to be refused, and that a refusal writes nothing."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from flask import Request
from http_api import RETRY_AFTER_S, ROUTES, Api
from submit_settings import SubmitSettings
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from shared.artifact_store import SignedUrl
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, JobError, Render, Status
from shared.errors import HTTP_STATUS, ErrorCode, Retryable
from shared.job_store import Create, Replace, Stored
from shared.jobs import claim_render, fail_render
from shared.messages import JOB_EVENTS, RENDER_REQUESTS
from shared.models import models
from shared.perspectives import perspectives
from shared.requests import MAX_BODY_BYTES, Priority
from shared.settings import read_settings
from shared.settling import complete_from_object, settle
from shared.testing import TRACEPARENT, Clock, FlakyPublisher, MeddledJobStore, a_job, a_render, put_video
from shared.themes import themes
from tests.unit.batch_world import a_desk

ORIGIN = "https://app.example"
TOKEN = "0123456789abcdef"
ENVIRON = {
    "GOOGLE_CLOUD_PROJECT": "life-as-not-me",
    "ARTIFACT_BUCKET": "videos",
    "CORS_ORIGINS": f"{ORIGIN},https://other.example",
    "SIGNED_URL_LIFETIME_S": "600",
    "QUEUE_TOKEN": TOKEN,
}
WISH = {"perspective": "curious-cat", "seed": 1}
CATALOGUES = ["/perspectives", "/themes", "/models"]


class BrokenJobStore(MeddledJobStore):
    """Fails every reading the way it is told to."""

    failure: Exception | None = None

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
        settings = read_settings(SubmitSettings, {**ENVIRON, **environ})
        self.desk = a_desk(
            settings.offer,
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
            now=self.clock.now,
        )

    def call(self, method: str, path: str, **build: Any) -> Answer:
        return self.send(EnvironBuilder(path=path, method=method, **build).get_environ())

    def send(self, environ: dict[str, Any]) -> Answer:
        parts, status, headers = run_wsgi_app(self.api.answer(Request(environ)), environ)
        return Answer(status=int(status.split()[0]), headers=headers, data=b"".join(parts))

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    def post(self, body: object = WISH, *, content_type: str = "application/json", **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.call("POST", "/jobs", data=data, content_type=content_type, headers=named)

    def claim(self, render_key: str) -> None:
        self._change(render_key, lambda render: claim_render(render, holder="a", lease_s=60, now=self.clock.now()))

    def fail(self, render_key: str) -> None:
        error = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")
        self._change(render_key, lambda render: fail_render(render, error=error, now=self.clock.now()))
        self._settle(self.store.render(render_key))

    def finish(self, render_key: str) -> None:
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
        return bool(self.store._documents or self.publisher.published)


@pytest.fixture
def world() -> World:
    return World()


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


# --- POST /jobs ---


def test_a_wish_is_accepted_stored_and_on_its_way(world: World) -> None:
    answer = world.post()
    assert answer.status == 202
    stored = world.store.job(answer.body["job_id"])
    assert stored
    assert answer.headers["Location"] == f"/jobs/{stored.value.job_id}"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.body == {
        **stored.value.model_dump(mode="json"),
        "links": {"self": f"/jobs/{stored.value.job_id}", "firestore": f"jobs/{stored.value.job_id}"},
    }
    assert stored.value.status is Status.QUEUED
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_a_wish_that_is_there_already_is_answered_with_its_video(world: World) -> None:
    world.finish(world.post().body["render_key"])
    answer = world.post()
    assert (answer.status, answer.body["status"]) == (200, "completed")
    assert answer.body["links"] == {
        "self": f"/jobs/{answer.body['job_id']}",
        "firestore": f"jobs/{answer.body['job_id']}",
        "video": f"/jobs/{answer.body['job_id']}/video",
        "poster": f"/jobs/{answer.body['job_id']}/poster",
        "receipt": f"/jobs/{answer.body['job_id']}/receipt",
    }


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_may_be_called_by_its_full_name(world: World, content_type: str) -> None:
    assert world.post(content_type=content_type).status == 202


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonl"])
def test_any_other_content_type_is_unsupported(world: World, content_type: str) -> None:
    assert is_problem(world.post(content_type=content_type), ErrorCode.UNSUPPORTED_MEDIA_TYPE)
    assert not world.has_written_anything


def test_the_largest_body_is_read(world: World) -> None:
    body = json.dumps(WISH).encode()
    assert world.post(body.ljust(MAX_BODY_BYTES)).status == 202


@pytest.mark.parametrize("size_bytes", [MAX_BODY_BYTES + 1, 10 * MAX_BODY_BYTES])
def test_a_larger_body_is_not_read(world: World, size_bytes: int) -> None:
    assert is_problem(world.post(json.dumps(WISH).encode().ljust(size_bytes)), ErrorCode.PAYLOAD_TOO_LARGE)
    assert not world.has_written_anything


def test_a_larger_body_that_hides_its_length_is_not_read_either(world: World) -> None:
    builder = EnvironBuilder(path="/jobs", method="POST", content_type="application/json")
    environ = builder.get_environ()
    environ.pop("CONTENT_LENGTH", None)
    environ |= {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(json.dumps(WISH).encode().ljust(MAX_BODY_BYTES + 1)),
    }
    assert is_problem(world.send(environ), ErrorCode.PAYLOAD_TOO_LARGE)
    assert not world.has_written_anything


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"perspective=curious-cat"])
def test_a_body_that_is_no_json_is_malformed(world: World, body: bytes) -> None:
    answer = world.post(body)
    assert is_problem(answer, ErrorCode.MALFORMED_REQUEST)
    assert "errors" not in answer.body
    assert not world.has_written_anything


def test_every_fault_of_a_wish_is_told_at_once(world: World) -> None:
    answer = world.post({"perspective": "stone", "seed": "1", "size": "1x1", "fps": 24})
    assert is_problem(answer, ErrorCode.INVALID_REQUEST)
    assert [(error["field"], error["code"]) for error in answer.body["errors"]] == [
        ("perspective", "unknown_perspective"),
        ("seed", "int_type"),
        ("size", "unsupported_size"),
        ("fps", "extra_forbidden"),
    ]
    assert all(set(error) == {"field", "code", "message"} and error["message"] for error in answer.body["errors"])
    assert not world.has_written_anything


def test_an_endless_prompt_is_refused(world: World) -> None:
    answer = world.post({**WISH, "prompt": "x" * 10_000})
    assert is_problem(answer, ErrorCode.INVALID_REQUEST)
    assert "xxx" not in json.dumps(answer.body)
    assert not world.has_written_anything


def test_the_callers_trace_goes_on_into_job_and_message(world: World) -> None:
    assert world.post(traceparent=TRACEPARENT).body["traceparent"] == TRACEPARENT
    assert json.loads(world.publisher.published[RENDER_REQUESTS][0].data)["traceparent"] == TRACEPARENT


# --- Idempotency-Key ---


def test_the_same_key_and_body_are_the_same_job(world: World) -> None:
    first, second = world.post(Idempotency_Key="k1"), world.post(Idempotency_Key="k1")
    assert (first.status, second.status) == (202, 202)
    assert first.body == second.body
    assert first.headers["Location"] == second.headers["Location"]
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_the_same_key_later_shows_how_far_the_job_is(world: World) -> None:
    world.finish(world.post(Idempotency_Key="k1").body["render_key"])
    answer = world.post(Idempotency_Key="k1")
    assert (answer.status, answer.body["status"]) == (200, "completed")


def test_the_same_key_with_another_body_is_refused_and_changes_nothing(world: World) -> None:
    world.post(Idempotency_Key="k1")
    before = dict(world.store._documents)
    assert is_problem(world.post({**WISH, "seed": 2}, Idempotency_Key="k1"), ErrorCode.IDEMPOTENCY_CONFLICT)
    assert {key for kind, key in world.store._documents if kind is Job} == {key for kind, key in before if kind is Job}
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_another_key_is_another_job_of_the_same_render(world: World) -> None:
    first, second = world.post(Idempotency_Key="k1").body, world.post(Idempotency_Key="k2").body
    assert first["job_id"] != second["job_id"]
    assert first["render_key"] == second["render_key"]


def test_without_a_key_every_call_is_a_job_of_its_own(world: World) -> None:
    assert len({world.post().body["job_id"] for _ in range(3)}) == 3


@pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ümlaut"])
def test_a_key_that_is_no_key_is_refused(world: World, key: str) -> None:
    answer = world.post(Idempotency_Key=key)
    assert is_problem(answer, ErrorCode.INVALID_REQUEST)
    assert [(error["field"], error["code"]) for error in answer.body["errors"]] == [
        ("Idempotency-Key", "bad_idempotency_key")
    ]
    assert not world.has_written_anything


@pytest.mark.parametrize("key", ["k", "x" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "a b"])
def test_any_other_key_is_a_key(world: World, key: str) -> None:
    assert world.post(Idempotency_Key=key).status == 202


# --- GET /jobs/{id} ---


def test_a_job_is_shown_as_it_is_stored_with_its_place_in_the_queue(world: World) -> None:
    first = world.post().body
    world.clock.pass_s(1)
    second = world.post({**WISH, "seed": 2}).body
    world.clock.pass_s(1)
    bulk = world.post({**WISH, "seed": 3, "priority": "bulk"}).body
    assert [world.get(f"/jobs/{job['job_id']}").body["queue_position"] for job in (first, second, bulk)] == [0, 1, 0]
    shown = world.get(f"/jobs/{second['job_id']}").body
    assert shown == {**second, "queue_position": 1}


def test_a_job_that_waits_no_more_has_no_place_in_the_queue(world: World) -> None:
    job = world.post().body
    world.fail(job["render_key"])
    shown = world.get(f"/jobs/{job['job_id']}").body
    assert (shown["status"], shown["error"]["code"]) == ("failed", "render_failed")
    assert "queue_position" not in shown


def test_a_job_is_never_kept_by_a_cache(world: World) -> None:
    assert world.get(f"/jobs/{world.post().body['job_id']}").headers["Cache-Control"] == "no-store"


def test_a_job_without_its_render_is_shown_all_the_same(world: World) -> None:
    job = a_job(a_render(now=world.clock.now()), now=world.clock.now())
    world.store.commit(Create(value=job))
    assert world.get(f"/jobs/{job.job_id}").body["queue_position"] == 0


@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/video", "/jobs/{}/poster", "/jobs/{}/receipt"])
@pytest.mark.parametrize("job_id", ["unknown-job", "x", "x" * 65, "__reserved__", "%2e%2e", "jobs%00", "ümlauted"])
def test_there_is_no_such_job(world: World, path: str, job_id: str) -> None:
    assert is_problem(world.get(path.format(job_id)), ErrorCode.NOT_FOUND)


@pytest.mark.parametrize("path", ["/jobs/{}", "/jobs/{}/video", "/jobs/{}/poster", "/jobs/{}/receipt"])
def test_anothers_job_does_not_exist_not_even_by_a_different_text(world: World, path: str) -> None:
    render = a_render(now=world.clock.now())
    job = a_job(render, job_id="anothers-job", now=world.clock.now(), owner="ada")
    world.store.commit(Create(value=render), Create(value=job))
    world.finish(render.render_key)
    anothers, nobodys = world.get(path.format("anothers-job")), world.get(path.format("nobodys-job"))
    assert is_problem(anothers, ErrorCode.NOT_FOUND)
    assert anothers.body == nobodys.body
    assert world.artifacts.signed == []


# --- links ---


@pytest.mark.parametrize(
    ("artifact", "path", "ending"),
    [
        ("video", "renders/{key}/video.mp4", "mp4"),
        ("poster", "renders/{key}/attempts/1-worker-a/poster.jpg", "jpg"),
        ("receipt", "renders/{key}/attempts/1-worker-a/receipt.json", "json"),
    ],
)
def test_a_link_is_signed_for_a_short_time_under_a_name_that_people_like(
    world: World, artifact: str, path: str, ending: str
) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    answer = world.get(f"/jobs/{job['job_id']}/{artifact}")
    name = path.format(key=job["render_key"])
    assert answer.status == 200
    assert answer.body == {"url": f"https://storage.example/{name}?n=1", "expires_at": "2026-01-01T00:10:00+00:00"}
    assert world.artifacts.signed == [(name, 600, f"curious-cat-{job['job_id'][:8]}.{ending}")]


def test_a_link_is_signed_anew_each_time_never_stored_and_never_cached(world: World) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    answers = [world.get(f"/jobs/{job['job_id']}/video") for _ in range(2)]
    assert answers[0].body["url"] != answers[1].body["url"]
    assert answers[0].headers["Cache-Control"] == "no-store"
    stored = world.store.job(job["job_id"])
    assert stored
    assert "https://" not in stored.value.model_dump_json()


@pytest.mark.parametrize("artifact", ["video", "poster", "receipt"])
def test_a_video_that_is_not_made_yet_can_be_asked_for_again(world: World, artifact: str) -> None:
    job = world.post().body
    answer = world.get(f"/jobs/{job['job_id']}/{artifact}")
    assert is_problem(answer, ErrorCode.NOT_READY)
    assert "queued" in answer.body["detail"]


@pytest.mark.parametrize("artifact", ["video", "poster", "receipt"])
def test_a_job_that_ended_without_a_video_says_so(world: World, artifact: str) -> None:
    job = world.post().body
    world.fail(job["render_key"])
    answer = world.get(f"/jobs/{job['job_id']}/{artifact}")
    assert is_problem(answer, ErrorCode.NO_VIDEO)
    assert "failed" in answer.body["detail"]


# --- cancel and delete ---


def test_a_canceled_job_is_shown_as_it_is_stored(world: World) -> None:
    job = world.post().body
    answer = world.call("POST", f"/jobs/{job['job_id']}:cancel")
    assert (answer.status, answer.body["status"]) == (200, "canceled")
    assert answer.body == world.get(f"/jobs/{job['job_id']}").body
    assert answer.headers["Cache-Control"] == "no-store"
    assert len(world.publisher.published[JOB_EVENTS]) == 1


def test_a_completed_job_that_is_canceled_is_shown_with_its_video(world: World) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    answer = world.call("POST", f"/jobs/{job['job_id']}:cancel")
    assert (answer.status, answer.body["status"]) == (200, "completed")
    assert answer.body["links"]["video"] == f"/jobs/{job['job_id']}/video"


def test_canceling_again_is_no_fault(world: World) -> None:
    job = world.post().body
    answers = [world.call("POST", f"/jobs/{job['job_id']}:cancel") for _ in range(2)]
    assert answers[0].body == answers[1].body
    assert len(world.publisher.published[JOB_EVENTS]) == 1


def test_a_cancel_is_answered_while_nobody_takes_events(world: World) -> None:
    job = world.post().body
    world.publisher.is_down = True
    assert world.call("POST", f"/jobs/{job['job_id']}:cancel").body["status"] == "canceled"


def test_a_deleted_job_is_gone_and_a_public_video_is_not(world: World) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    answer = world.call("DELETE", f"/jobs/{job['job_id']}")
    assert (answer.status, answer.data) == (204, b"")
    assert is_problem(world.get(f"/jobs/{job['job_id']}"), ErrorCode.NOT_FOUND)
    assert is_problem(world.call("DELETE", f"/jobs/{job['job_id']}"), ErrorCode.NOT_FOUND)
    assert world.post().status == 200


def test_a_video_of_ones_own_words_is_deleted_with_its_job(world: World) -> None:
    wish = {**WISH, "prompt": "a moth at the lamp"}
    job = world.post(wish).body
    world.finish(job["render_key"])
    assert world.call("DELETE", f"/jobs/{job['job_id']}").status == 204
    assert world.artifacts.get(job_video(world, job)) is None
    assert world.store.render(job["render_key"]) is None
    assert world.post(wish).status == 202


def job_video(world: World, job: dict[str, Any]) -> str:
    assert world.store.job(job["job_id"]) is None
    return f"renders/{job['render_key']}/video.mp4"


@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs/{}:cancel"), ("DELETE", "/jobs/{}")])
@pytest.mark.parametrize("job_id", ["unknown-job", "x", "__reserved__", "ümlauted"])
def test_what_is_not_there_is_neither_canceled_nor_deleted(world: World, method: str, path: str, job_id: str) -> None:
    assert is_problem(world.call(method, path.format(job_id)), ErrorCode.NOT_FOUND)
    assert not world.has_written_anything


@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs/{}:cancel"), ("DELETE", "/jobs/{}")])
def test_anothers_job_is_neither_canceled_nor_deleted(world: World, method: str, path: str) -> None:
    render = a_render(now=world.clock.now())
    job = a_job(render, job_id="anothers-job", now=world.clock.now(), owner="ada")
    world.store.commit(Create(value=render), Create(value=job))
    before = dict(world.store._documents)
    anothers, nobodys = world.call(method, path.format("anothers-job")), world.call(method, path.format("nobodys-job"))
    assert is_problem(anothers, ErrorCode.NOT_FOUND)
    assert anothers.body == nobodys.body
    assert world.store._documents == before


def test_a_job_that_is_deleted_while_it_is_canceled_is_not_found(world: World) -> None:
    job = world.post().body
    world.store.meddling.append(lambda: world.call("DELETE", f"/jobs/{job['job_id']}"))
    assert is_problem(world.call("POST", f"/jobs/{job['job_id']}:cancel"), ErrorCode.NOT_FOUND)


@pytest.mark.parametrize(("method", "path"), [("POST", "/jobs/{}:cancel"), ("DELETE", "/jobs/{}")])
def test_a_store_that_does_not_take_it_is_a_503_and_it_works_afterwards(world: World, method: str, path: str) -> None:
    def no_answer() -> None:
        raise Retryable("no answer")

    job = world.post().body
    world.store.meddling.append(no_answer)
    assert is_problem(world.call(method, path.format(job["job_id"])), ErrorCode.UNAVAILABLE)
    assert world.get(f"/jobs/{job['job_id']}").body["status"] == "queued"
    assert world.call(method, path.format(job["job_id"])).status < 300


# --- catalogues ---


def test_the_perspectives_are_shown_without_their_prompts(world: World) -> None:
    shown = world.get("/perspectives").body["perspectives"]
    assert [each["id"] for each in shown] == list(perspectives())
    assert {key for each in shown for key in each} == {"id", "version", "name", "kind", "summary", "sight", "scenes"}


def test_the_themes_are_shown(world: World) -> None:
    assert world.get("/themes").body == {"themes": [each.model_dump() for each in themes().values()]}


def test_only_models_that_are_served_are_shown_the_default_first() -> None:
    world = World(SERVED_MODELS="wan2.1-t2v-1.3b,untrained-tiny-wan")
    shown = world.get("/models").body["models"]
    assert [each["id"] for each in shown] == ["wan2.1-t2v-1.3b", "untrained-tiny-wan"]
    assert [each["id"] for each in World().get("/models").body["models"]] == ["untrained-tiny-wan"]
    assert shown[0]["sizes"] == [str(size) for size in models()["wan2.1-t2v-1.3b"].sizes] == ["832x480", "480x832"]
    assert shown[0]["lengths"][0] == {"seconds": 5, "frames": 81}


def test_every_size_and_length_that_is_shown_can_be_asked_for(world: World) -> None:
    for model in world.get("/models").body["models"]:
        for size in model["sizes"]:
            for length in model["lengths"]:
                wish = {**WISH, "model": model["id"], "size": size, "seconds": length["seconds"]}
                assert world.post(wish).status == 202


@pytest.mark.parametrize("path", CATALOGUES)
def test_a_catalogue_may_be_cached_and_is_not_sent_twice(world: World, path: str) -> None:
    first = world.get(path)
    assert (first.status, first.headers["Cache-Control"]) == (200, "public, max-age=300")
    again = world.get(path, If_None_Match=first.headers["ETag"])
    assert (again.status, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert world.get(path, If_None_Match='"another"').status == 200


def test_every_catalogue_has_an_etag_of_its_own_that_stays(world: World) -> None:
    etags = {path: world.get(path).headers["ETag"] for path in CATALOGUES}
    assert len(set(etags.values())) == len(CATALOGUES)
    assert {path: World().get(path).headers["ETag"] for path in CATALOGUES} == etags


@pytest.mark.parametrize("path", CATALOGUES)
def test_other_scripts_are_sent_as_they_are(world: World, path: str) -> None:
    assert b"\\u" not in world.get(path).data


# --- GET /queue ---


def test_the_autoscaler_sees_what_there_is_to_do_by_priority(world: World) -> None:
    finished = world.post({**WISH, "seed": 9}).body
    world.finish(finished["render_key"])
    failed = world.post({**WISH, "seed": 8}).body
    world.fail(failed["render_key"])
    world.claim(world.post({**WISH, "seed": 1}).body["render_key"])
    world.post({**WISH, "seed": 1})
    world.post({**WISH, "seed": 2})
    world.post({**WISH, "seed": 3, "priority": "bulk"})
    answer = world.get("/queue", Authorization=f"Bearer {TOKEN}")
    assert answer.body == {"renders": 3, "interactive": 2, "bulk": 1}
    assert set(answer.body) == {"renders", *Priority}
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "authorization",
    ["", TOKEN, "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"bearer {TOKEN}", f"Basic {TOKEN}", "Bearer ä"],
)
def test_nobody_else_sees_the_queue(world: World, authorization: str) -> None:
    assert is_problem(world.get("/queue", Authorization=authorization), ErrorCode.NOT_FOUND)
    assert is_problem(world.get("/queue"), ErrorCode.NOT_FOUND)


@pytest.mark.parametrize("authorization", ["", "Bearer ", "Bearer None", f"Bearer {TOKEN}"])
def test_without_a_token_of_the_deployment_there_is_no_queue_at_all(authorization: str) -> None:
    assert is_problem(World(QUEUE_TOKEN="").get("/queue", Authorization=authorization), ErrorCode.NOT_FOUND)


# --- addresses and methods ---

ADDRESSES = {
    "/jobs": {"POST"},
    "/jobs/some-job": {"GET", "DELETE"},
    "/jobs/some-job:cancel": {"POST", "GET", "DELETE"},  # the last two as if the whole were an id
    "/jobs/some-job/video": {"GET"},
    "/jobs/some-job/poster": {"GET"},
    "/jobs/some-job/receipt": {"GET"},
    "/batches": {"POST"},
    "/batches/some-batch": {"GET"},
    "/batches/some-batch:cancel": {"GET", "POST"},
    "/perspectives": {"GET"},
    "/themes": {"GET"},
    "/models": {"GET"},
    "/queue": {"GET"},
}


def test_every_rule_has_an_address_here_and_a_method_of_the_api() -> None:
    adapter = ROUTES.bind("")
    reached = {adapter.match(path, method=method)[0] for path, methods in ADDRESSES.items() for method in methods}
    assert reached == {rule.endpoint for rule in ROUTES.iter_rules()}
    assert all(callable(getattr(Api, rule.endpoint)) for rule in ROUTES.iter_rules())


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_an_address_takes_its_methods_and_no_other(world: World, path: str, method: str) -> None:
    answer = world.call(method, path)
    if method in ADDRESSES[path]:
        assert answer.status != 405
    else:
        assert is_problem(answer, ErrorCode.METHOD_NOT_ALLOWED)
        assert ADDRESSES[path] <= set(answer.headers["Allow"].split(", "))
        assert not world.has_written_anything


@pytest.mark.parametrize(
    "path", ["/", "/job", "/jobs/a/b", "/jobs/a/sound", "/jobs/a/video/b", "//jobs", "/jobs//video", "/favicon.ico"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_there_is_nothing_at_any_other_address(world: World, path: str, method: str) -> None:
    assert is_problem(world.call(method, path), ErrorCode.NOT_FOUND)


def test_a_slash_at_the_end_is_the_same_address(world: World) -> None:
    assert world.get("/themes/").status == 200


def test_head_is_get_without_a_body(world: World) -> None:
    head, get = world.call("HEAD", "/themes"), world.get("/themes")
    assert (head.status, head.data, head.headers["ETag"]) == (200, b"", get.headers["ETag"])


# --- when something is broken ---


def test_a_store_that_does_not_answer_is_a_503_with_a_time_to_try_again(world: World) -> None:
    world.store.failure = Retryable("firestore at 10.0.0.1 does not answer")
    answer = world.get("/jobs/some-job")
    assert is_problem(answer, ErrorCode.UNAVAILABLE)
    assert answer.headers["Retry-After"] == str(RETRY_AFTER_S)
    assert "10.0.0.1" not in json.dumps(answer.body)


def test_a_store_that_does_not_take_the_job_is_a_503_and_the_key_works_afterwards(world: World) -> None:
    def no_answer() -> None:
        raise Retryable("no answer")

    world.store.meddling.append(no_answer)
    assert is_problem(world.post(Idempotency_Key="k1"), ErrorCode.UNAVAILABLE)
    assert not world.has_written_anything
    assert world.post(Idempotency_Key="k1").status == 202


def test_a_fault_of_ours_is_a_500_that_tells_nothing(world: World) -> None:
    world.store.failure = RuntimeError("secret detail")
    answer = world.get("/jobs/some-job")
    assert is_problem(answer, ErrorCode.INTERNAL)
    assert "secret" not in json.dumps(answer.body)


def test_a_publisher_that_is_down_is_no_reason_to_refuse(world: World) -> None:
    world.publisher.is_down = True
    assert world.post().status == 202


def test_every_code_of_the_api_was_given_in_some_test_or_belongs_to_a_job() -> None:
    only_in_jobs = {
        ErrorCode.MODEL_UNAVAILABLE,
        ErrorCode.RENDER_FAILED,
        ErrorCode.DEADLINE_EXCEEDED,
        ErrorCode.RENDER_GONE,
        ErrorCode.MANIFEST_GONE,
    }
    assert set(HTTP_STATUS) == set(ErrorCode) - only_in_jobs
    assert all(400 <= status < 600 for status, _ in HTTP_STATUS.values())


# --- CORS ---


def test_a_page_that_may_call_is_told_so_before_it_does(world: World) -> None:
    answer = world.call("OPTIONS", "/jobs", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    assert (answer.status, answer.data) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "POST" in answer.headers["Access-Control-Allow-Methods"].split(", ")
    allowed = answer.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"Content-Type", "Idempotency-Key", "Authorization", "traceparent"} <= set(allowed)
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://app.example", f"{ORIGIN}.evil.example", f"{ORIGIN}:8443", "null", "*", ""],
)
def test_any_other_page_is_told_nothing(world: World, origin: str) -> None:
    for answer in (
        world.call("OPTIONS", "/jobs", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}),
        world.get("/themes", Origin=origin),
    ):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]
        assert answer.headers["Vary"] == "Origin"


def test_where_no_page_may_call_no_header_says_so() -> None:
    answer = World(CORS_ORIGINS="").get("/themes", Origin=ORIGIN)
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("origin", [ORIGIN, "https://other.example"])
@pytest.mark.parametrize("path", ["/themes", "/jobs/unknown-job", "/nowhere", "/queue"])
def test_a_page_that_may_call_can_read_answers_and_problems_alike(world: World, origin: str, path: str) -> None:
    answer = world.get(path, Origin=origin)
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert {"Location", "Retry-After", "ETag"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))


def test_credentials_are_never_asked_for(world: World) -> None:
    answer = world.call("OPTIONS", "/jobs", headers={"Origin": ORIGIN})
    assert "Access-Control-Allow-Credentials" not in answer.headers
