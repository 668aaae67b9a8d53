"""What callers are told when they may have no more: 429 and 503 with when to ask again, 403, and 422 for a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from callers import Caller, Callers

from shared.errors import ErrorCode
from tests.unit.http_world import WISH, Answer, World, is_problem

if TYPE_CHECKING:
    from flask import Request

PROMPT = "a moth at the lamp of number seven"


@pytest.fixture
def callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers are who they say they are."""

    def who(_callers: Callers, request: Request) -> Caller:
        owner = request.headers.get("X-Test-Caller", "ada")
        return Caller(owner=owner, is_anonymous="anonymous" in owner, is_system=owner.startswith("system:"))

    monkeypatch.setattr(Callers, "who_is_calling", who)


def post_batch(world: World, *seeds: int, caller: str = "ada") -> Answer:
    body = {"requests": [{**WISH, "seed": seed} for seed in seeds]}
    return world.call("POST", "/batches", json=body, headers={"X-Test-Caller": caller})


@pytest.mark.usefixtures("callers")
class TestQuotas:
    def test_too_many_active_jobs_are_answered_429_with_when_to_come_back(self) -> None:
        world = World(QUOTA_JOBS="2")
        for seed in range(2):
            assert world.post({**WISH, "seed": seed}, Idempotency_Key=f"k{seed}").status == 202

        answer = world.post({**WISH, "seed": 2})

        assert is_problem(answer, ErrorCode.QUOTA_EXCEEDED)
        assert answer.headers["Retry-After"] == "30"
        assert world.post({**WISH, "seed": 0}, Idempotency_Key="k0").status == 202, "a repetition is no new job"
        assert world.post({**WISH, "seed": 2}, X_Test_Caller="grace").status == 202

    def test_a_canceled_job_makes_room(self) -> None:
        world = World(QUOTA_JOBS="1")
        first = world.post().body
        assert world.call("POST", f"/jobs/{first['job_id']}:cancel").status == 200

        assert world.post({**WISH, "seed": 2}).status == 202

    def test_anonymous_accounts_of_one_network_are_answered_429(self) -> None:
        world = World(QUOTA_JOBS_PER_ADDRESS="1")
        first = world.post(X_Test_Caller="anonymous-1", X_Forwarded_For="10.1.1.1, 192.0.2.1")
        second = world.post(X_Test_Caller="anonymous-2", X_Forwarded_For="10.2.2.2, 192.0.2.1")
        third = world.post(X_Test_Caller="anonymous-2", X_Forwarded_For="192.0.2.1, 192.0.2.3")

        assert (first.status, third.status) == (202, 202)
        assert is_problem(second, ErrorCode.TOO_MANY_REQUESTS)
        assert 0 < int(second.headers["Retry-After"]) <= 3601

    @pytest.mark.parametrize(("caller", "rows"), [("ada", "0"), ("anonymous-1", "100")])
    def test_batches_are_for_systems_unless_a_deployment_says_otherwise(self, caller: str, rows: str) -> None:
        world = World(BATCH_MAX_ROWS_OF_PERSON=rows)

        assert is_problem(post_batch(world, 1, caller=caller), ErrorCode.NOT_ALLOWED)
        assert post_batch(world, 1, caller="system:crew").status == 202

    def test_a_batch_of_a_person_has_its_own_limit_and_no_further_one_comes_on_top_of_it(self) -> None:
        world = World(BATCH_MAX_ROWS_OF_PERSON="2", QUOTA_JOBS="9")
        too_long = post_batch(world, 1, 2, 3)
        assert is_problem(too_long, ErrorCode.INVALID_REQUEST)
        assert [fault["code"] for fault in too_long.body["errors"]] == ["too_long"]
        for seed in range(2):
            world.post({**WISH, "seed": seed})

        assert is_problem(post_batch(world, 5), ErrorCode.QUOTA_EXCEEDED)
        assert post_batch(world, 5, caller="grace").status == 202


class TestBacklog:
    def test_a_full_queue_is_answered_503_and_nothing_is_written(self) -> None:
        world = World(BACKLOG_INTERACTIVE="1")
        world.post({**WISH, "seed": 1}, Idempotency_Key="k1")
        world.clock.pass_s(1)
        before = dict(world.store._documents)

        answer = world.post({**WISH, "seed": 2})

        assert is_problem(answer, ErrorCode.OVERLOADED)
        assert answer.headers["Retry-After"] == "60"
        assert world.store._documents == before
        assert world.post({**WISH, "seed": 1}, Idempotency_Key="k1").status == 202, "a repetition is no new work"
        assert world.post({**WISH, "seed": 1}).status == 202, "nor is a wish that others wait for already"
        assert world.post({**WISH, "seed": 3, "priority": "bulk"}).status == 202, "bulk has a queue of its own"

    def test_a_full_queue_takes_nothing_out_of_that_of_bulk_and_revives_nothing(self) -> None:
        world = World(BACKLOG_INTERACTIVE="1")
        world.fail(world.post({**WISH, "seed": 1}).body["render_key"])
        world.post({**WISH, "seed": 2, "priority": "bulk"})
        world.post({**WISH, "seed": 3})
        world.clock.pass_s(1)

        for seed in (1, 2):
            assert is_problem(world.post({**WISH, "seed": seed}), ErrorCode.OVERLOADED)
        assert world.post({**WISH, "seed": 2, "priority": "bulk"}).status == 202, "it waits there already"

    def test_when_the_queue_is_shorter_wishes_are_taken_again(self) -> None:
        world = World(BACKLOG_INTERACTIVE="1")
        job = world.post({**WISH, "seed": 1}).body
        world.clock.pass_s(1)
        assert world.post({**WISH, "seed": 2}).status == 503
        world.finish(job["render_key"])
        world.clock.pass_s(1)

        assert world.post({**WISH, "seed": 2}).status == 202

    def test_no_batch_is_taken_on_top_of_a_full_queue(self) -> None:
        world = World(BACKLOG_BULK="1")
        world.post({**WISH, "priority": "bulk"})
        world.clock.pass_s(1)

        assert is_problem(post_batch(world, 5), ErrorCode.OVERLOADED)


class TestPrompts:
    def test_a_deployment_may_take_shorter_prompts_only(self) -> None:
        world = World(MAX_PROMPT_CHARS="7")

        answer = world.post({**WISH, "prompt": "a moths"})
        refused = world.post({**WISH, "prompt": "two moth"})

        assert answer.status == 202
        assert is_problem(refused, ErrorCode.INVALID_REQUEST)
        assert [(each["field"], each["message"]) for each in refused.body["errors"]] == [
            ("prompt", "must have at most 7 characters")
        ]

    def test_a_refused_prompt_is_answered_422_with_its_category_and_leaves_no_trace(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        world = World()

        answer = world.post({**WISH, "prompt": "p0rn with xyzzy"})

        assert is_problem(answer, ErrorCode.PROMPT_REFUSED)
        assert [(each["field"], each["code"]) for each in answer.body["errors"]] == [("prompt", "sexual")]
        assert not world.has_written_anything
        assert "xyzzy" not in answer.data.decode()
        assert "xyzzy" not in str([each.__dict__ for each in caplog.records])
        [decision] = [each.__dict__ for each in caplog.records if each.message == "prompt refused"]
        assert decision["category"] == "sexual"
        assert decision["moderator"] == "blocklist"
        assert len(decision["prompt_sha256"]) == 64

    def test_rows_of_a_batch_are_refused_one_by_one(self) -> None:
        world = World()
        rows = [{**WISH, "prompt": "a mouse"}, {**WISH, "prompt": "s.u.i.c.i.d.e"}]

        accepted = world.call("POST", "/batches", json={"requests": rows})
        refused = world.call("POST", "/batches", json={"requests": rows, "atomic": True})

        assert accepted.status == 202
        assert is_problem(refused, ErrorCode.INVALID_REQUEST)
        assert [(each["row"], each["field"], each["code"]) for each in refused.body["errors"]] == [
            (2, "prompt", "self_harm")
        ]


@pytest.mark.usefixtures("callers")
class TestPrivatePrompts:
    """Whether somebody wished for something in their own words can't be found out by wishing for it."""

    def test_another_owners_equal_wish_is_work_of_its_own(self) -> None:
        world = World()
        mine = world.post({**WISH, "prompt": PROMPT}).body
        world.finish(mine["render_key"])
        again = world.post({**WISH, "prompt": PROMPT})
        theirs = world.post({**WISH, "prompt": PROMPT}, X_Test_Caller="grace")

        assert (again.status, again.body["status"]) == (200, "completed"), "its owner has it at once"
        assert (theirs.status, theirs.body["status"]) == (202, "queued")
        assert theirs.body["render_key"] != mine["render_key"]
        assert theirs.body["video"] is None

    def test_a_full_queue_tells_nothing_either(self) -> None:
        world = World(BACKLOG_INTERACTIVE="1")
        world.post({**WISH, "prompt": PROMPT})
        world.clock.pass_s(1)

        assert world.post({**WISH, "prompt": PROMPT}).status == 202
        assert is_problem(world.post({**WISH, "prompt": PROMPT}, X_Test_Caller="grace"), ErrorCode.OVERLOADED)

    def test_nobody_else_is_shown_the_job_or_anything_that_belongs_to_it(self) -> None:
        world = World()
        job = world.post({**WISH, "prompt": PROMPT}).body
        world.finish(job["render_key"])

        for path in ("", "/video", "/poster", "/human-view", "/receipt", "/preview"):
            answer = world.get(f"/jobs/{job['job_id']}{path}", X_Test_Caller="grace")
            assert is_problem(answer, ErrorCode.NOT_FOUND)
        for path in ("/perspectives", "/themes", "/models"):
            assert PROMPT not in world.get(path, X_Test_Caller="grace").data.decode()
