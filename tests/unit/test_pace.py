"""How often one network may open what anyone may open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pace import WINDOW_S, Pace

from shared.errors import ErrorCode, Rejected
from tests.unit.http_world import WISH, World, is_problem


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_network_has_so_many_calls_a_minute_and_is_told_when_there_are_more() -> None:
    time = Time()
    pace = Pace(2, monotonic=time)
    for time.now in (10.0, 20.0):
        pace.check("192.0.2.1")

    time.now = 30.0
    with pytest.raises(Rejected) as caught:
        pace.check("192.0.2.1")

    assert (caught.value.code, caught.value.retry_after_s) == (ErrorCode.TOO_MANY_REQUESTS, 41)
    pace.check("192.0.2.2")
    time.now = 10.0 + WINDOW_S
    pace.check("192.0.2.1")


def test_a_minute_that_is_over_is_forgotten_with_all_who_called_in_it() -> None:
    time = Time()
    pace = Pace(1, monotonic=time)
    for number in range(1000):
        pace.check(str(number))

    time.now = WINDOW_S
    pace.check("1")

    assert pace._calls == {"1": 1}


def test_many_who_call_at_once_are_counted_exactly() -> None:
    pace = Pace(100, monotonic=Time())

    def is_let_through(_number: int) -> bool:
        try:
            pace.check("192.0.2.1")
        except Rejected:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        assert sum(threads.map(is_let_through, range(400))) == 100


def anyone(world: World, path: str, *, address: str, forged: str = "") -> int:
    headers = {"Authorization": "", "X-Forwarded-For": f"{forged}, {address}".lstrip(", ")}
    answer = world.call("GET", path, headers=headers)
    assert answer.status != 429 or is_problem(answer, ErrorCode.TOO_MANY_REQUESTS)
    assert answer.status != 429 or 0 < int(answer.headers["Retry-After"]) <= 61
    return answer.status


def test_links_that_anyone_may_open_are_opened_so_often_from_one_network_whatever_they_lead_to() -> None:
    world = World(QUOTA_OPENS_PER_ADDRESS="4")
    job = world.post(WISH).body
    world.finish(job["render_key"])
    shared = world.call("POST", f"/jobs/{job['job_id']}:share").body["links"]["shared"]
    film = f"/gallery/{job['render_key']}/video"
    paths = [shared, f"{shared}/video", film, "/shared/" + "a" * 43]

    first = [anyone(world, path, address="192.0.2.1", forged=f"10.0.0.{at}") for at, path in enumerate(paths)]
    then = [anyone(world, path, address="192.0.2.1", forged=f"10.1.0.{at}") for at, path in enumerate(paths)]

    assert first == [200, 200, 200, 404]
    assert then == [429] * 4
    assert anyone(world, shared, address="192.0.2.2") == 200


def test_who_opens_too_much_has_no_document_read_for_it() -> None:
    world = World(QUOTA_OPENS_PER_ADDRESS="1")
    anyone(world, "/shared/" + "a" * 43, address="2001:db8::1")
    world.store.shared_job = None  # type: ignore[assignment,method-assign]

    assert anyone(world, "/shared/" + "b" * 43, address="2001:db8::2") == 429


def test_what_costs_nothing_is_not_counted() -> None:
    world = World(QUOTA_OPENS_PER_ADDRESS="1")
    paths = ["/perspectives", "/themes", "/models", "/gallery"] * 3
    assert {anyone(world, path, address="192.0.2.1") for path in paths} == {200}
