"""``GET /jobs``: one's own, the newest first, page by page."""

import pytest

from shared.errors import ErrorCode
from shared.job_store import Replace
from tests.unit.http_world import WISH, World, is_problem


@pytest.fixture
def world() -> World:
    return World()


def wished(world: World, number: int) -> list[str]:
    """So many jobs, a second apart, the newest first."""
    ids = []
    for seed in range(number):
        ids.append(world.post({**WISH, "seed": seed}).body["job_id"])
        world.clock.pass_s(1)
    return ids[::-1]


def test_who_has_wished_for_nothing_has_no_jobs(world: World) -> None:
    answer = world.get("/jobs")
    assert (answer.status, answer.body) == (200, {"jobs": [], "next": None})
    assert answer.headers["Cache-Control"] == "no-store"


def test_own_jobs_come_the_newest_first_as_each_is_shown_alone(world: World) -> None:
    [newest, *_] = ids = wished(world, 3)
    world.finish(world.get(f"/jobs/{newest}").body["render_key"])

    jobs = world.get("/jobs").body["jobs"]

    assert [job["job_id"] for job in jobs] == ids
    assert jobs[0] == world.get(f"/jobs/{newest}").body
    assert jobs[0]["links"]["video"] == f"/jobs/{newest}/video"


def test_the_address_of_the_next_page_leads_on_to_the_end(world: World) -> None:
    ids = wished(world, 5)
    seen: list[str] = []
    path: str | None = "/jobs?limit=2"
    while path:
        body = world.get(path).body
        assert len(body["jobs"]) <= 2
        seen += [job["job_id"] for job in body["jobs"]]
        path = body["next"]

    assert seen == ids


def test_a_job_that_was_deleted_meanwhile_does_not_end_the_list(world: World) -> None:
    ids = wished(world, 4)
    following = world.get("/jobs?limit=2").body["next"]
    world.call("DELETE", f"/jobs/{ids[1]}")

    assert [job["job_id"] for job in world.get(following).body["jobs"]] == ids[2:]


def test_what_is_anothers_is_not_listed(world: World) -> None:
    [mine, theirs] = wished(world, 2)
    stored = world.store.job(theirs)
    assert stored
    world.store.commit(Replace(stored=stored, value=stored.value.model_copy(update={"owner": "grace"})))

    assert [job["job_id"] for job in world.get("/jobs").body["jobs"]] == [mine]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "ten", "1000", "", "1.5"])
def test_a_page_has_from_1_to_100_jobs(world: World, limit: str) -> None:
    answer = world.get(f"/jobs?limit={limit}")
    assert is_problem(answer, ErrorCode.INVALID_REQUEST)
    assert [fault["field"] for fault in answer.body["errors"]] == ["limit"]


@pytest.mark.parametrize(
    "before",
    [
        "",
        "yesterday",
        "2026-01-01T00:00:00~some-job-id",
        "2026-01-01T00:00:00Z~a/b",
        "0001-01-01T00:00:00%2B23:59~some-job-id",
        "9999-12-31T23:59:59-23:59~some-job-id",
    ],
)
def test_a_place_that_nobody_gave_out_is_refused_with_every_other_fault(world: World, before: str) -> None:
    answer = world.get(f"/jobs?limit=0&before={before}")
    assert is_problem(answer, ErrorCode.INVALID_REQUEST)
    assert [fault["field"] for fault in answer.body["errors"]] == ["limit", "before"]
