"""Which pages may call the API from a browser."""

import pytest

from tests.unit.http_world import ORIGIN, World


@pytest.fixture
def world() -> World:
    return World()


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
        assert "Origin" in answer.headers["Vary"].split(", ")


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
