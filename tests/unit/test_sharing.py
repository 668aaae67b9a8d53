"""Links that anyone may open: what they show, what they never show, and that they end."""

import json
from typing import Any

import pytest

from shared.errors import ErrorCode
from shared.jobs import RETENTION
from tests.unit.http_world import WISH, Answer, World, is_problem

SECRET = "my grandmother's garden"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def job(world: World) -> dict[str, Any]:
    """A completed job of Ada's with words of her own."""
    job: dict[str, Any] = world.post({**WISH, "prompt": SECRET}).body
    world.finish(job["render_key"])
    return job


def anyone(world: World, path: str) -> Answer:
    return world.call("GET", path, headers={"Authorization": ""})


def share(world: World, job: dict[str, Any]) -> str:
    answer = world.call("POST", f"/jobs/{job['job_id']}:share")
    assert answer.status == 200
    return str(answer.body["links"]["shared"])


def test_anyone_may_see_what_is_shared_and_gets_the_files(world: World, job: dict[str, Any]) -> None:
    path = share(world, job)
    shown = anyone(world, path)
    assert (shown.status, shown.body["perspective"]) == (200, "curious-cat")
    assert shown.headers["Cache-Control"] == "no-store"
    assert set(shown.body["links"]) == {"self", "video", "poster", "human-view"}
    for name in ("video", "poster", "human-view"):
        link = anyone(world, shown.body["links"][name])
        assert (link.status, set(link.body)) == (200, {"url", "expires_at"})
    assert {name for name, _, _ in world.artifacts.signed} == {
        world.get(f"/jobs/{job['job_id']}").body["video"][field] for field in ("path", "poster_path", "human_view_path")
    }


def test_a_link_tells_neither_the_words_nor_who_wished_nor_which_job(world: World, job: dict[str, Any]) -> None:
    path = share(world, job)
    told = anyone(world, path).data + anyone(world, f"{path}/video").data
    for hidden in (SECRET, json.dumps(SECRET), job["owner"], job["job_id"], job["fingerprint"]):
        assert hidden.encode() not in told
    assert job["job_id"][:8] not in [filename for _, _, filename in world.artifacts.signed][-1]
    assert is_problem(anyone(world, f"{path}/receipt"), ErrorCode.NOT_FOUND), "which has the words"
    assert is_problem(anyone(world, f"{path}/preview"), ErrorCode.NOT_FOUND)


def test_sharing_twice_gives_one_link(world: World, job: dict[str, Any]) -> None:
    assert share(world, job) == share(world, job) == world.get(f"/jobs/{job['job_id']}").body["links"]["shared"]


def test_a_link_that_was_taken_back_never_works_again(world: World, job: dict[str, Any]) -> None:
    old = share(world, job)
    taken_back = world.call("POST", f"/jobs/{job['job_id']}:unshare")
    assert (taken_back.status, "shared" in taken_back.body["links"]) == (200, False)
    assert is_problem(anyone(world, old), ErrorCode.NOT_FOUND)
    assert is_problem(anyone(world, f"{old}/video"), ErrorCode.NOT_FOUND)
    assert share(world, job) != old
    assert is_problem(anyone(world, old), ErrorCode.NOT_FOUND)


def test_what_was_never_shared_can_be_unshared(world: World, job: dict[str, Any]) -> None:
    answer = world.call("POST", f"/jobs/{job['job_id']}:unshare")
    assert (answer.status, answer.body["share_token"]) == (200, None)


def test_a_link_ends_with_its_job(world: World, job: dict[str, Any]) -> None:
    path = share(world, job)
    assert world.call("DELETE", f"/jobs/{job['job_id']}").status == 204
    assert is_problem(anyone(world, path), ErrorCode.NOT_FOUND)


def test_a_link_ends_when_the_job_expires_deleted_or_not(world: World, job: dict[str, Any]) -> None:
    path = share(world, job)
    world.clock.pass_s(RETENTION.total_seconds() - 1)
    assert anyone(world, path).status == 200
    world.clock.pass_s(1)
    assert is_problem(anyone(world, path), ErrorCode.NOT_FOUND)


def test_a_job_without_a_video_is_not_shared(world: World) -> None:
    waits, fails, ends = (world.post({**WISH, "seed": seed}).body for seed in (1, 2, 3))
    world.fail(fails["render_key"])
    world.call("POST", f"/jobs/{ends['job_id']}:cancel")
    for job, code in ((waits, ErrorCode.NOT_READY), (fails, ErrorCode.NO_VIDEO), (ends, ErrorCode.NO_VIDEO)):
        assert is_problem(world.call("POST", f"/jobs/{job['job_id']}:share"), code)
        assert world.get(f"/jobs/{job['job_id']}").body["share_token"] is None


@pytest.mark.parametrize(
    "token", ["x", "null", "None", "%00", "a" * 42, "a" * 43, "a" * 44, "ä" * 43, "..", "%2e%2e%2fjobs"]
)
def test_a_token_that_was_made_up_leads_nowhere(world: World, job: dict[str, Any], token: str) -> None:
    share(world, job)
    assert is_problem(anyone(world, f"/shared/{token}"), ErrorCode.NOT_FOUND)


def test_jobs_that_are_not_shared_are_not_found_by_having_no_token(world: World, job: dict[str, Any]) -> None:
    assert world.store.shared_job("") is None
    assert is_problem(anyone(world, "/shared/"), ErrorCode.NOT_FOUND)
    assert job["share_token"] is None


def test_somebody_who_writes_in_between_is_not_written_over(world: World, job: dict[str, Any]) -> None:
    shared: list[str] = []
    world.store.meddling.append(lambda: shared.append(share(world, job)))
    assert share(world, job) == shared[0]


def test_a_job_that_is_deleted_while_it_is_shared_is_not_found(world: World, job: dict[str, Any]) -> None:
    world.store.meddling.append(lambda: world.call("DELETE", f"/jobs/{job['job_id']}"))
    assert is_problem(world.call("POST", f"/jobs/{job['job_id']}:share"), ErrorCode.NOT_FOUND)
