"""Every address of the API with its methods, and nothing at any other."""

import pytest
from http_api import ROUTES, Api

from shared.errors import ErrorCode
from tests.unit.http_world import World, is_problem


@pytest.fixture
def world() -> World:
    return World()


ADDRESSES = {
    "/usage": {"GET"},
    "/jobs": {"GET", "POST"},
    "/jobs/some-job": {"GET", "DELETE"},
    "/jobs/some-job:cancel": {"POST", "GET", "DELETE"},  # the last two as if the whole were an id
    "/jobs/some-job:share": {"POST", "GET", "DELETE"},
    "/jobs/some-job:unshare": {"POST", "GET", "DELETE"},
    "/jobs/some-job/video": {"GET"},
    "/jobs/some-job/poster": {"GET"},
    "/jobs/some-job/human-view": {"GET"},
    "/jobs/some-job/receipt": {"GET"},
    "/jobs/some-job/preview": {"GET"},
    "/batches": {"POST"},
    "/batches/some-batch": {"GET"},
    "/batches/some-batch:cancel": {"GET", "POST"},
    "/perspectives": {"GET"},
    "/themes": {"GET", "POST"},
    "/themes/some-theme": {"DELETE"},
    "/models": {"GET"},
    "/gallery": {"GET"},
    "/gallery/some-render/video": {"GET"},
    "/gallery/some-render/poster": {"GET"},
    "/gallery/some-render/human-view": {"GET"},
    "/queue": {"GET"},
    "/shared/some-token": {"GET"},
    "/shared/some-token/video": {"GET"},
    "/shared/some-token/poster": {"GET"},
    "/shared/some-token/human-view": {"GET"},
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
    head, get = world.call("HEAD", "/models"), world.get("/models")
    assert (head.status, head.data, head.headers["ETag"]) == (200, b"", get.headers["ETag"])
