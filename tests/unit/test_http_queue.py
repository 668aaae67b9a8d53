"""What the autoscaler sees of the queue, and nobody else."""

import pytest
from http_api import QUEUE_ALONE, ROUTES
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from shared.errors import ErrorCode
from shared.requests import Priority
from tests.unit.http_world import TOKEN, WISH, Answer, World, is_problem


@pytest.fixture
def world() -> World:
    return World()


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


def test_where_the_queue_stands_alone_the_autoscaler_sees_it_and_nobody_sees_anything_else(world: World) -> None:
    world.post(WISH)
    bearer = {"Authorization": f"Bearer {TOKEN}"}

    def ask(path: str, method: str = "GET", **headers: str) -> Answer:
        environ = EnvironBuilder(path=path, method=method, headers=Headers(headers)).get_environ()
        return world.send(environ, routes=QUEUE_ALONE)

    assert ask("/queue", **bearer).body == {"renders": 1, "interactive": 1, "bulk": 0}
    assert is_problem(ask("/queue"), ErrorCode.NOT_FOUND)
    others = [rule.rule.replace("<job_id>", "job-0001") for rule in ROUTES.iter_rules() if rule.rule != "/queue"]
    assert "/jobs" in others
    for path in others:
        assert is_problem(ask(path, **bearer), ErrorCode.NOT_FOUND)
        assert is_problem(ask(path, "POST", **bearer), ErrorCode.NOT_FOUND)
