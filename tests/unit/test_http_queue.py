"""What the autoscaler sees of the queue, and nobody else."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from http_api import QUEUE_ALONE, ROUTES
from queue_depth import KEPT_S, Queue
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from shared.crew import Orders
from shared.crew_store import StoredOrders
from shared.crew_store.memory import InMemoryCrewStore
from shared.errors import ErrorCode, Retryable
from shared.job_store.memory import InMemoryJobStore
from shared.requests import Priority
from shared.testing import Clock
from tests.unit.admission_world import a_budget
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


def queue(world: World, query: str = "") -> dict[str, int]:
    answer = world.get(f"/queue{query}", Authorization=f"Bearer {TOKEN}")
    assert answer.status == 200
    return dict(answer.body)


def test_a_long_queue_of_bulk_counts_for_no_more_workers_than_the_autoscaler_has_for_it() -> None:
    world = World(QUOTA_JOBS="6")
    for seed in range(5):
        world.post({**WISH, "seed": seed, "priority": "bulk"})
    world.post({**WISH, "seed": 9})

    assert queue(world, "?bulk_at_most=3") == {"renders": 4, "interactive": 1, "bulk": 3}
    assert queue(world) == {"renders": 6, "interactive": 1, "bulk": 5}, "and without a limit, all of it"


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "many", "1000000", "01", "٣"])
def test_a_limit_that_is_no_number_is_refused(world: World, text: str) -> None:
    answer = world.get(f"/queue?bulk_at_most={text}", Authorization=f"Bearer {TOKEN}")

    assert is_problem(answer, ErrorCode.INVALID_REQUEST)
    assert [each["field"] for each in answer.body["errors"]] == ["bulk_at_most"]


def test_orders_that_can_not_be_read_keep_no_worker_from_being_started(world: World) -> None:
    world.post({**WISH, "seed": 1})

    def unreadable() -> StoredOrders | None:
        raise Retryable("control/workers can't be read by this release")

    world.crew.orders = unreadable  # type: ignore[method-assign]
    assert queue(world)["renders"] == 1


def test_a_new_wish_is_seen_after_a_second_at_the_latest(world: World) -> None:
    world.post({**WISH, "seed": 1})
    assert queue(world)["renders"] == 1
    world.post({**WISH, "seed": 2})

    world.clock.pass_s(0.5)
    assert queue(world)["renders"] == 1, "the answer is kept: asking often costs the database nothing"
    world.clock.pass_s(0.5)
    assert queue(world)["renders"] == 2


def test_an_answer_is_kept_for_its_own_limit_only(world: World) -> None:
    for seed in range(3):
        world.post({**WISH, "seed": seed, "priority": "bulk"})

    assert [queue(world, query)["bulk"] for query in ("?bulk_at_most=2", "", "?bulk_at_most=1")] == [2, 3, 1]


def test_a_wish_that_was_canceled_before_it_began_keeps_no_worker_busy(world: World) -> None:
    job = world.post(WISH).body
    world.call("POST", f"/jobs/{job['job_id']}:cancel")
    world.retire(job["render_key"])

    assert queue(world) == {"renders": 0, "interactive": 0, "bulk": 0}


def test_while_workers_are_drained_there_is_nothing_to_start_one_for(world: World) -> None:
    world.post(WISH)
    drained = world.crew.create_orders(Orders(is_draining=True, reason="a new model", changed_at=world.clock.now()))
    assert queue(world) == {"renders": 0, "interactive": 0, "bulk": 0}

    world.crew.replace_orders(drained, Orders(is_draining=False, reason="", changed_at=world.clock.now()))
    world.clock.pass_s(KEPT_S)

    assert queue(world) == {"renders": 1, "interactive": 1, "bulk": 0}


class CountingJobStore(InMemoryJobStore):
    """Counts how often it is counted in."""

    counted = 0

    def renders_to_do(self, priority: Priority, *, at_most: int | None = None) -> int:
        self.counted += 1
        return super().renders_to_do(priority, at_most=at_most)


def test_many_who_ask_at_once_cost_one_count_of_each_priority() -> None:
    store, clock = CountingJobStore(), Clock()
    depth = Queue(store, crew=InMemoryCrewStore(), budget=a_budget(store, clock), monotonic=clock.monotonic)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: depth.depth(), range(40)))

    assert answers == [{"interactive": 0, "bulk": 0}] * 40
    assert store.counted == len(Priority)


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
