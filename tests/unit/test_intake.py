"""Wishes that come as messages: taken in once, and answered even when they can't be granted."""

from dataclasses import replace
from typing import Any

import pytest
from intake import job_id_of_message
from placing import NotSeenToError
from submit_job import job_id_of

from shared.documents import Cost, State, Status
from shared.errors import ErrorCode, Retryable
from shared.job_store import Create
from shared.messages import RENDER_REQUESTS, RENDER_REQUESTS_BULK
from shared.outbox import OLD_EVENT
from shared.requests import MAX_BODY_BYTES
from shared.settling import complete_from_object
from shared.testing import TRACEPARENT, a_job, a_render, put_video
from tests.unit.admission_world import QUOTAS, a_budget, an_admission
from tests.unit.intake_world import KEY, WISH, World


@pytest.fixture
def world() -> World:
    return World()


def no_answer() -> None:
    raise Retryable("no answer")


# --- granted ---


def test_a_wish_becomes_a_job_of_its_source_and_goes_to_the_workers(world: World) -> None:
    world.deliver({"schema_version": 1, "request": WISH}, source="newsletter")
    job = world.only_job
    assert (job.status, job.owner, job.render_key) == (Status.QUEUED, "system:newsletter", KEY)
    assert job.request
    assert job.request.model == "pocket"
    assert [render.state for render in world.renders] == [State.IDLE]
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1
    assert world.events == []


def test_a_bulk_wish_goes_to_the_bulk_topic(world: World) -> None:
    world.deliver({"request": WISH | {"priority": "bulk"}})
    assert len(world.publisher.published[RENDER_REQUESTS_BULK]) == 1


@pytest.mark.parametrize(
    ("source", "owner"),
    [
        ("a", "system:a"),
        ("batch.nightly_2-x", "system:batch.nightly_2-x"),
        ("", "system:unknown"),
        ("schedule", "system:unknown"),
        ("schedule-2", "system:schedule-2"),
        ("kiosk@museum.example", "system:unknown"),
        ("Upper", "system:unknown"),
        ("a b", "system:unknown"),
        ("a\n", "system:unknown"),
        ("../x", "system:unknown"),
        ("x" * 64, "system:unknown"),
    ],
)
def test_the_owner_is_the_source_where_it_has_a_decent_name(world: World, source: str, owner: str) -> None:
    world.deliver({"request": WISH}, source=source)
    assert world.only_job.owner == owner


def test_a_prompt_from_a_system_is_that_systems_alone(world: World) -> None:
    world.deliver({"request": WISH | {"prompt": "a moth"}}, source="a")
    assert world.renders[0].spec.scope == "system:a"


def test_the_id_is_the_senders_where_there_is_one(world: World) -> None:
    world.deliver({"job_id": "order-0001", "request": WISH})
    assert world.only_job.job_id == "order-0001"


def test_the_id_comes_from_the_messages_id_where_there_is_none(world: World) -> None:
    world.deliver({"request": WISH}, message_id="17", source="a")
    assert world.only_job.job_id == job_id_of_message("system:a", "17")
    assert world.only_job.job_id != job_id_of("system:a", "17"), "nobody's Idempotency-Key gives the same"


def test_two_messages_are_two_jobs_of_one_render(world: World) -> None:
    world.deliver({"request": WISH}, message_id="17")
    world.deliver({"request": WISH}, message_id="18")
    assert len(world.jobs) == 2
    assert len(world.renders) == 1
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_the_trace_goes_on_from_body_or_attribute() -> None:
    inside, outside, neither = World(), World(), World()
    inside.deliver({"request": WISH, "traceparent": TRACEPARENT}, traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    outside.deliver({"request": WISH}, traceparent=TRACEPARENT)
    neither.deliver({"request": WISH})
    assert inside.only_job.traceparent == outside.only_job.traceparent == TRACEPARENT
    assert neither.only_job.traceparent


def test_what_is_ready_is_completed_at_once_and_told_of(world: World) -> None:
    world.deliver({"request": WISH}, message_id="1")
    put_video(world.artifacts, KEY)
    complete_from_object(KEY, store=world.store, artifacts=world.artifacts, now=world.clock.now)
    world.deliver({"request": WISH}, message_id="2")
    second = job_id_of_message("system:unknown", "2")
    assert [job.status for job in world.jobs if job.job_id == second] == [Status.COMPLETED]
    assert [event.job_id for event in world.events] == [second]


# --- delivered again ---


def test_a_message_that_is_delivered_twice_is_one_job(world: World) -> None:
    for _ in range(2):
        world.deliver({"request": WISH})
    assert world.only_job.status is Status.QUEUED
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_a_message_that_is_delivered_twice_at_once_is_one_job(world: World) -> None:
    world.store.meddling.append(lambda: world.deliver({"request": WISH}))
    world.deliver({"request": WISH})
    assert world.only_job.status is Status.QUEUED
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_a_redelivery_draws_the_same_seed(world: World) -> None:
    world.deliver({"request": {"perspective": "curious-cat"}})
    other = World()
    other.deliver({"request": {"perspective": "curious-cat"}})
    assert world.only_job == other.only_job.model_copy(update={"traceparent": world.only_job.traceparent})


@pytest.mark.parametrize("request_", [WISH | {"seed": 2}, {"perspective": "stone"}])
def test_an_existing_job_outranks_the_message_good_or_bad(world: World, request_: dict[str, Any]) -> None:
    render = a_render(now=world.clock.now())
    job = a_job(render, job_id="order-0001", now=world.clock.now(), owner="ada")
    world.store.commit(Create(value=render), Create(value=job))
    world.deliver({"job_id": "order-0001", "request": request_})
    assert world.only_job == job
    assert world.events == []


def test_what_could_not_be_stored_is_delivered_again(world: World) -> None:
    world.store.meddling.append(no_answer)
    with pytest.raises(Retryable, match="no answer"):
        world.deliver({"request": WISH})
    assert world.jobs == []
    world.deliver({"request": WISH})
    assert world.only_job.status is Status.QUEUED


def test_workers_that_cannot_be_told_have_the_message_delivered_again_until_they_are(world: World) -> None:
    world.publisher.is_down = True
    for _ in range(2):
        with pytest.raises(NotSeenToError) as caught:
            world.deliver({"request": WISH})
        assert caught.value.job == world.only_job
    assert world.only_job.status is Status.QUEUED
    assert world.renders[0].published_at is None
    world.publisher.is_down = False

    world.deliver({"request": WISH})

    assert world.only_job.status is Status.QUEUED
    assert world.renders[0].published_at == world.clock.now()
    assert len(world.publisher.published[RENDER_REQUESTS]) == 1


def test_what_is_ready_and_could_not_be_told_of_is_told_of_at_the_next_delivery(world: World) -> None:
    world.deliver({"request": WISH}, message_id="1")
    put_video(world.artifacts, KEY)
    complete_from_object(KEY, store=world.store, artifacts=world.artifacts, now=world.clock.now)
    world.publisher.is_down = True
    with pytest.raises(NotSeenToError) as caught:
        world.deliver({"request": WISH}, message_id="2")
    assert (caught.value.job.status, caught.value.job.event_pending) == (Status.COMPLETED, True)
    world.publisher.is_down = False
    world.clock.pass_s(OLD_EVENT.total_seconds())

    for _ in range(2):
        world.deliver({"request": WISH}, message_id="2")

    assert [event.job_id for event in world.events] == [caught.value.job.job_id]


def test_what_is_ready_and_could_not_be_copied_is_copied_at_the_next_delivery(world: World) -> None:
    world.deliver({"request": WISH}, message_id="1")
    put_video(world.artifacts, KEY)
    complete_from_object(KEY, store=world.store, artifacts=world.artifacts, now=world.clock.now)
    world.store.meddling.extend([lambda: None, no_answer])
    with pytest.raises(NotSeenToError) as caught:
        world.deliver({"request": WISH}, message_id="2")
    assert caught.value.job.status is Status.QUEUED

    world.deliver({"request": WISH}, message_id="2")

    assert [event.job_id for event in world.events] == [caught.value.job.job_id]


@pytest.mark.parametrize(
    ("message", "readings"),
    [({"job_id": "order-0001", "request": WISH}, 1), ({"job_id": "order-0001", "request": {}}, 0)],
)
def test_a_message_whose_job_appeared_and_went_away_is_delivered_again(
    world: World, message: dict[str, Any], readings: int
) -> None:
    """Good or bad: acknowledged, its sender would never hear of it."""
    world.deliver(message)
    world.store.job_vanishes, world.store.readings = True, readings
    with pytest.raises(Retryable, match="went away"):
        world.deliver(message)
    assert world.jobs == []

    world.deliver(message)

    assert world.only_job.job_id == "order-0001"


# --- rejected ---


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x01",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"request": null}',
        b'{"request": []}',
        b'{"schema_version": 2, "request": {"perspective": "curious-cat"}}',
        b'{"job_id": "x", "request": {"perspective": "curious-cat"}}',
        b'{"job_id": "__reserved__", "request": {"perspective": "curious-cat"}}',
        b'{"request": {"perspective": "curious-cat"}, "more": 1}',
        b'{"request": {"seed": ' + b"9" * 5_000 + b"}}",
        b'{"request": {"prompt": "\\ud800"}}',
        b"[" * 10_000,
    ],
)
def test_a_message_that_cannot_be_read_becomes_a_failed_job_with_the_reason_and_an_event(
    world: World, data: bytes
) -> None:
    world.deliver(data)
    job = world.only_job
    assert (job.status, job.request, job.render_key) == (Status.FAILED, None, None)
    assert job.error
    assert job.error.code is ErrorCode.MALFORMED_REQUEST
    assert job.error.message.startswith("The message is no JobRequested.; ")
    assert job.job_id == job_id_of_message("system:unknown", "17")
    assert [(event.job_id, event.status, event.error) for event in world.events] == [
        (job.job_id, Status.FAILED, job.error)
    ]
    assert not job.event_pending
    assert world.renders == []


def test_a_wish_with_faults_becomes_a_failed_job_that_names_them_all(world: World) -> None:
    world.deliver({"job_id": "order-0001", "request": {"perspective": "stone", "seed": "1", "fps": 24}}, source="a")
    job = world.only_job
    assert (job.job_id, job.owner, job.status) == ("order-0001", "system:a", Status.FAILED)
    assert job.error
    assert job.error.code is ErrorCode.INVALID_REQUEST
    assert all(f"; {field}: " in job.error.message for field in ("perspective", "seed", "fps"))
    assert [event.job_id for event in world.events] == ["order-0001"]
    assert world.publisher.published[RENDER_REQUESTS] == []


@pytest.mark.parametrize(
    "request_",
    [
        b'{"perspective": "curious-cat", "seconds": NaN}',
        b'{"perspective": "curious-cat", "seconds": 1.0000001}',
        b'{"perspective": "curious-cat", "seed": 1.0}',
        b'{"perspective": "curious-cat", "seed": ' + b"9" * 4_300 + b"}",
        b'{"perspective": "curious-cat", "seed": -' + b"9" * 4_300 + b"}",
        b'{"perspective": "curious-cat", "prompt": "' + b"x" * 10_000 + b'"}',
        b'{"perspective": "curious-cat", "prompt": "\\u0000"}',
    ],
    ids=["NaN", "nearly one", "fraction", "endless seed", "endless negative seed", "endless prompt", "zero byte"],
)
def test_odd_values_are_refused_as_they_are_over_http(world: World, request_: bytes) -> None:
    world.deliver(b'{"request": ' + request_ + b"}")
    assert world.only_job.error
    assert world.only_job.error.code in {ErrorCode.INVALID_REQUEST, ErrorCode.MALFORMED_REQUEST}
    assert len(world.events) == 1


def test_a_message_that_is_too_large_is_refused_with_a_reason_that_is_not(world: World) -> None:
    world.deliver({"request": {"x" * MAX_BODY_BYTES: 1}})
    assert world.only_job.error
    assert world.only_job.error.code is ErrorCode.PAYLOAD_TOO_LARGE
    assert len(world.only_job.error.message) < 100


def test_a_rejected_message_that_is_delivered_twice_is_one_job_and_one_event(world: World) -> None:
    for _ in range(2):
        world.deliver(b"{")
    assert world.only_job.status is Status.FAILED
    assert len(world.events) == 1


def test_a_rejection_whose_event_could_not_be_sent_sends_it_at_the_next_delivery(world: World) -> None:
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.deliver(b"{")
    assert world.only_job.event_pending
    world.publisher.is_down = False
    world.deliver(b"{")
    assert not world.only_job.event_pending
    assert len(world.events) == 1


def test_a_rejection_that_could_not_be_stored_is_delivered_again(world: World) -> None:
    world.store.meddling.append(no_answer)
    with pytest.raises(Retryable, match="no answer"):
        world.deliver(b"{")
    assert world.jobs == []
    assert world.events == []


# --- limits ---


def test_a_wish_beyond_its_systems_quota_is_a_failed_job_that_says_so(world: World) -> None:
    world.admission = an_admission(
        world.store, monotonic=world.clock.monotonic, quotas=replace(QUOTAS, jobs_of_system=1)
    )
    world.deliver({"request": WISH}, message_id="1", source="crew")
    world.deliver({"request": WISH | {"seed": 2}}, message_id="2", source="crew")
    world.deliver({"request": WISH | {"seed": 2}}, message_id="2", source="crew")

    accepted, refused = sorted(world.jobs, key=lambda job: job.status is Status.FAILED)
    assert (accepted.status, refused.status) == (Status.QUEUED, Status.FAILED)
    assert refused.error
    assert refused.error.code is ErrorCode.QUOTA_EXCEEDED
    assert [event.job_id for event in world.events] == [refused.job_id], "once, however often it is delivered"
    world.deliver({"request": WISH}, message_id="1", source="crew")
    assert len(world.jobs) == 2, "and one that was accepted before is still the same"


def test_a_message_waits_where_it_is_while_too_much_waits_already(world: World) -> None:
    world.admission = an_admission(world.store, monotonic=world.clock.monotonic, most=1)
    world.deliver({"request": WISH}, message_id="1")
    world.clock.pass_s(1)

    with pytest.raises(Retryable, match="too much waits"):
        world.deliver({"request": WISH | {"seed": 2}}, message_id="2")

    assert len(world.jobs) == 1


def test_a_wish_is_not_held_back_until_midnight_by_a_spent_budget_but_answered_once(world: World) -> None:
    budget = a_budget(world.store, world.clock, budget_gpu_s=1)
    world.admission = replace(world.admission, budget=budget)
    cost = Cost(gpu_s=1, amount=None, currency=None)
    changes = {"state": State.COMPLETED, "finished_at": world.clock.now(), "cost": cost}
    world.store.commit(Create(value=a_render(now=world.clock.now(), seed=9, changes=changes)))

    for _ in range(2):
        world.deliver({"job_id": "order-0001", "request": WISH})
    job = world.only_job
    assert job.error
    assert (job.job_id, job.status, job.error.code) == ("order-0001", Status.FAILED, ErrorCode.BUDGET_SPENT)
    assert "midnight UTC" in job.error.message
    assert [event.job_id for event in world.events] == ["order-0001"]
    assert [render.spec.seed for render in world.renders] == [9]

    world.deliver({"job_id": "order-0002", "request": WISH | {"priority": "bulk"}})
    assert [job.status for job in world.jobs] == [Status.FAILED, Status.QUEUED], "bulk is taken, and waits"


def test_a_refused_prompt_is_a_failed_job_with_the_category_and_without_the_prompt(world: World) -> None:
    world.deliver({"request": WISH | {"prompt": "porn with xyzzy"}})

    job = world.only_job
    assert job.error
    assert (job.status, job.error.code, job.request) == (Status.FAILED, ErrorCode.PROMPT_REFUSED, None)
    assert "sexual" in job.error.message
    assert "xyzzy" not in job.model_dump_json()
    assert world.renders == []
