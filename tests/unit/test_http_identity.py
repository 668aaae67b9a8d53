"""Who gets in over HTTP: every address that is somebody's asks who calls, and nobody sees what is another's."""

from typing import Any

import pytest
from http_api import ROUTES

from shared.errors import ErrorCode
from shared.job_store import Replace
from shared.requests import PUBLIC
from tests.unit.http_world import ADA, WISH, Answer, World, is_problem

#: What anybody may ask, and `GET /queue`, which has a bearer of its own.
OPEN = {
    "list_perspectives",
    "list_themes",
    "list_models",
    "list_gallery",
    "link_film",
    "show_queue",
    "show_shared",
    "link_shared",
}
ADDRESSES = {
    "create_job": ("POST", "/jobs"),
    "show_job": ("GET", "/jobs/some-job"),
    "delete_job": ("DELETE", "/jobs/some-job"),
    "cancel_job": ("POST", "/jobs/some-job:cancel"),
    "share_job": ("POST", "/jobs/some-job:share"),
    "unshare_job": ("POST", "/jobs/some-job:unshare"),
    "link_artifact": ("GET", "/jobs/some-job/video"),
    "create_batch": ("POST", "/batches"),
    "show_batch": ("GET", "/batches/some-batch"),
    "cancel_batch": ("POST", "/batches/some-batch:cancel"),
    "list_jobs": ("GET", "/jobs"),
    "show_usage": ("GET", "/usage"),
    "save_theme": ("POST", "/themes"),
    "delete_theme": ("DELETE", "/themes/own-0000000000000000"),
}


@pytest.fixture
def world() -> World:
    return World()


def call_without(world: World, method: str, path: str, **build: Any) -> Answer:
    return world.call(method, path, headers={"Authorization": ""}, **build)


def test_every_address_is_open_on_purpose_or_asks_who_calls() -> None:
    assert {rule.endpoint for rule in ROUTES.iter_rules()} == OPEN | set(ADDRESSES)


@pytest.mark.parametrize("endpoint", ADDRESSES)
def test_who_does_not_say_who_they_are_is_asked_to_before_anything_is_read(world: World, endpoint: str) -> None:
    method, path = ADDRESSES[endpoint]
    answer = call_without(world, method, path, data=b"{")
    assert is_problem(answer, ErrorCode.UNAUTHENTICATED)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="life-as-not-me"'
    assert not world.has_written_anything


@pytest.mark.parametrize("endpoint", ADDRESSES)
def test_a_bad_token_is_told_apart_from_none(world: World, endpoint: str) -> None:
    method, path = ADDRESSES[endpoint]
    answer = world.call(method, path, headers={"Authorization": "Bearer x"})
    assert is_problem(answer, ErrorCode.UNAUTHENTICATED)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="life-as-not-me", error="invalid_token"'


@pytest.mark.parametrize("path", ["/perspectives", "/themes", "/models"])
def test_catalogues_are_everybodys(world: World, path: str) -> None:
    assert call_without(world, "GET", path).status == 200


def test_two_people_with_the_same_key_have_two_jobs_of_one_render(world: World) -> None:
    adas = world.post(WISH, Idempotency_Key="1").body
    world.caller = "bob"
    bobs = world.post(WISH, Idempotency_Key="1").body
    assert (adas["owner"], bobs["owner"]) == (ADA, "bob")
    assert adas["job_id"] != bobs["job_id"]
    assert adas["render_key"] == bobs["render_key"]


@pytest.mark.parametrize("endpoint", [each for each in ADDRESSES if "some-job" in ADDRESSES[each][1]])
def test_anothers_job_answers_exactly_as_one_that_does_not_exist(world: World, endpoint: str) -> None:
    method, path = ADDRESSES[endpoint]
    job = world.post().body
    world.finish(job["render_key"])
    before = dict(world.store._documents)
    world.caller = "bob"
    anothers = world.call(method, path.replace("some-job", job["job_id"]))
    nobodys = world.call(method, path)
    assert is_problem(anothers, ErrorCode.NOT_FOUND)
    assert (anothers.status, anothers.data) == (nobodys.status, nobodys.data)
    assert world.store._documents == before


def test_a_private_wish_does_not_tell_that_another_has_wished_the_same(world: World) -> None:
    wish = {**WISH, "prompt": "my secret garden"}
    adas = world.post(wish).body
    world.finish(adas["render_key"])
    world.caller = "bob"
    bobs = world.post(wish)
    assert (bobs.status, bobs.body["status"]) == (202, "queued"), "as if nobody had ever"
    assert bobs.body["render_key"] != adas["render_key"]


def test_nobody_is_named_like_the_scope_of_what_is_everybodys(world: World) -> None:
    """Their own words would lie in the gallery."""
    world.caller = PUBLIC
    assert is_problem(world.post({**WISH, "prompt": "my secret garden"}), ErrorCode.UNAUTHENTICATED)


def test_a_job_of_anothers_that_has_ones_own_id_is_not_shown(world: World) -> None:
    """A message may name any id, though nobody can know which a key will give."""
    job = world.post(WISH, Idempotency_Key="1").body
    stored = world.store.job(job["job_id"])
    assert stored
    world.store.commit(Replace(stored=stored, value=stored.value.model_copy(update={"owner": "system:kiosk"})))
    assert is_problem(world.post(WISH, Idempotency_Key="1"), ErrorCode.IDEMPOTENCY_CONFLICT)
