"""Jobs over HTTP: how they are accepted, shown and linked, and that a refusal writes nothing."""

import io
import json

import pytest
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from shared.artifact_paths import preview_path, render_folder
from shared.documents import Job, Status
from shared.errors import ErrorCode
from shared.job_store import Create, Replace
from shared.messages import RENDER_REQUESTS
from shared.requests import MAX_BODY_BYTES
from shared.testing import TRACEPARENT, a_job, a_render
from tests.unit.http_world import ADA, WISH, World, is_problem

PATHS = ["/jobs/{}", "/jobs/{}/preview", "/jobs/{}/video", "/jobs/{}/poster", "/jobs/{}/human-view", "/jobs/{}/receipt"]


@pytest.fixture
def world() -> World:
    return World()


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
        "human-view": f"/jobs/{answer.body['job_id']}/human-view",
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
    named = Headers({"Authorization": world.bearer(ADA)})
    environ = EnvironBuilder(path="/jobs", method="POST", content_type="application/json", headers=named).get_environ()
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


def test_a_bad_key_is_told_together_with_every_fault_of_the_body(world: World) -> None:
    answer = world.post({"perspective": "stone", "seed": "1"}, Idempotency_Key="ü")
    assert is_problem(answer, ErrorCode.INVALID_REQUEST)
    assert [error["field"] for error in answer.body["errors"]] == ["Idempotency-Key", "perspective", "seed"]
    malformed = world.post(b"{", Idempotency_Key="ü")
    assert is_problem(malformed, ErrorCode.MALFORMED_REQUEST)
    assert [error["field"] for error in malformed.body["errors"]] == ["Idempotency-Key"]
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
    job = a_job(a_render(now=world.clock.now()), now=world.clock.now(), owner=ADA)
    world.store.commit(Create(value=job))
    assert world.get(f"/jobs/{job.job_id}").body["queue_position"] == 0


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("job_id", ["unknown-job", "x", "x" * 65, "__reserved__", "%2e%2e", "jobs%00", "ümlauted"])
def test_there_is_no_such_job(world: World, path: str, job_id: str) -> None:
    assert is_problem(world.get(path.format(job_id)), ErrorCode.NOT_FOUND)


@pytest.mark.parametrize("path", PATHS)
def test_anothers_job_does_not_exist_not_even_by_a_different_text(world: World, path: str) -> None:
    render = a_render(now=world.clock.now())
    job = a_job(render, job_id="anothers-job", now=world.clock.now(), owner="bob")
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
        ("video", "renders/{key}/video.mp4", ".mp4"),
        ("poster", "renders/{key}/attempts/1-worker-a/poster.jpg", ".jpg"),
        ("human-view", "renders/{key}/attempts/1-worker-a/human-view.mp4", "-human-view.mp4"),
        ("receipt", "renders/{key}/attempts/1-worker-a/receipt.json", ".json"),
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
    assert world.artifacts.signed == [(name, 600, f"curious-cat-{job['job_id'][:8]}{ending}")]


@pytest.mark.parametrize("artifact", ["video", "poster", "human-view", "receipt"])
def test_what_the_bucket_keeps_no_more_is_not_linked(world: World, artifact: str) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    world.artifacts.delete_folder(render_folder(job["render_key"]))
    answer = world.get(f"/jobs/{job['job_id']}/{artifact}")
    assert is_problem(answer, ErrorCode.NO_VIDEO)
    assert "not kept any more" in answer.body["detail"]
    assert world.artifacts.signed == []


def test_where_no_eye_changed_the_video_it_is_the_human_view_too(world: World) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    stored = world.store.job(job["job_id"])
    assert stored
    assert stored.value.video
    video = stored.value.video.model_copy(update={"human_view_path": None})
    world.store.commit(Replace(stored=stored, value=stored.value.model_copy(update={"video": video})))
    assert world.get(f"/jobs/{job['job_id']}/human-view").status == 200
    assert [name for name, _, _ in world.artifacts.signed] == [video.path]


def test_a_link_is_signed_anew_each_time_never_stored_and_never_cached(world: World) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    answers = [world.get(f"/jobs/{job['job_id']}/video") for _ in range(2)]
    assert answers[0].body["url"] != answers[1].body["url"]
    assert answers[0].headers["Cache-Control"] == "no-store"
    stored = world.store.job(job["job_id"])
    assert stored
    assert "https://" not in stored.value.model_dump_json()


@pytest.mark.parametrize("artifact", ["video", "poster", "human-view", "receipt"])
def test_a_video_that_is_not_made_yet_can_be_asked_for_again(world: World, artifact: str) -> None:
    job = world.post().body
    answer = world.get(f"/jobs/{job['job_id']}/{artifact}")
    assert is_problem(answer, ErrorCode.NOT_READY)
    assert "queued" in answer.body["detail"]


@pytest.mark.parametrize("artifact", ["video", "poster", "human-view", "receipt"])
def test_a_job_that_ended_without_a_video_says_so(world: World, artifact: str) -> None:
    job = world.post().body
    world.fail(job["render_key"])
    answer = world.get(f"/jobs/{job['job_id']}/{artifact}")
    assert is_problem(answer, ErrorCode.NO_VIDEO)
    assert "failed" in answer.body["detail"]


# --- preview ---


def previewed(world: World, job_id: str) -> str:
    """Have a worker upload a preview and tell the job."""
    stored = world.store.job(job_id)
    assert stored
    assert stored.value.render_key
    name = preview_path(stored.value.render_key, "1-worker-a")
    world.artifacts.create(name, b"jpeg", content_type="image/jpeg")
    world.store.commit(Replace(stored=stored, value=stored.value.model_copy(update={"preview_path": name})))
    return name


def test_a_preview_is_linked_as_soon_as_it_is_there_long_before_the_video(world: World) -> None:
    job = world.post().body
    assert "preview" not in job["links"]
    name = previewed(world, job["job_id"])
    shown = world.get(f"/jobs/{job['job_id']}").body
    assert (shown["preview_path"], shown["links"]["preview"]) == (name, f"/jobs/{job['job_id']}/preview")
    assert world.get(shown["links"]["preview"]).status == 200
    assert world.artifacts.signed == [(name, 600, f"curious-cat-{job['job_id'][:8]}-preview.jpg")]


def test_a_preview_that_is_not_there_yet_can_be_asked_for_again(world: World) -> None:
    job = world.post().body
    assert is_problem(world.get(f"/jobs/{job['job_id']}/preview"), ErrorCode.NOT_READY)


def test_a_job_that_ended_without_a_preview_says_so(world: World) -> None:
    job = world.post().body
    world.finish(job["render_key"])
    assert is_problem(world.get(f"/jobs/{job['job_id']}/preview"), ErrorCode.NO_VIDEO)
