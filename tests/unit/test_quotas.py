"""What callers may have: slots for active jobs, GPU seconds a day, and places of an address."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from callers import Caller
from delete_job import delete_job
from flask import Request
from placing import place
from quotas import Quota, Quotas, check_day, network_of
from werkzeug.test import EnvironBuilder

from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, JobError, Slot, State, Status, Usage
from shared.errors import ErrorCode, Rejected
from shared.job_store import Replace
from shared.jobs import cancel_job, claim_render, fail_job, follow
from shared.publisher.memory import InMemoryPublisher
from shared.settling import complete_from_object, settle
from shared.slots import gpu_s_of
from shared.testing import Clock, MeddledJobStore, a_job, a_render, put_video

if TYPE_CHECKING:
    from shared.documents import Render

QUOTAS = Quotas(jobs=2, jobs_of_system=3, gpu_s=10, gpu_s_of_system=100, jobs_per_address=2)
ADA = QUOTAS.of(Caller(owner="ada"))
#: What `put_video` says that the render took.
RENDER_S = 4.5


class World:
    """Jobs that take slots."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.pass_s(3600)
        self.store = MeddledJobStore(now=self.clock.now)
        self.services = {"store": self.store, "publisher": InMemoryPublisher(), "artifacts": InMemoryArtifactStore()}
        self.number = 0

    def wish(self, quota: Quota = ADA, *, job_id: str | None = None) -> Job:
        self.number += 1
        render = a_render(now=self.clock.now(), seed=self.number)
        job = a_job(render, job_id=job_id or f"job-{self.number:05}", now=self.clock.now(), owner=quota.owner)
        return place(job, render.spec, **self.services, now=self.clock.now, quota=quota)  # type: ignore[arg-type]

    def refusal(self, quota: Quota = ADA) -> Rejected:
        with pytest.raises(Rejected) as refused:
            self.wish(quota)
        return refused.value

    def cancel(self, job: Job) -> None:
        self._change(job, cancel_job(self.stored(job), now=self.clock.now()))

    def claim(self, job: Job) -> None:
        stored = self.store.render(job.render_key or "")
        assert stored
        leased = claim_render(stored.value, holder="a", lease_s=60, now=self.clock.now())
        self.store.commit(Replace(stored=stored, value=leased))
        self._change(job, follow(self.stored(job), leased, now=self.clock.now()))

    def finish(self, job: Job) -> None:
        key, artifacts = job.render_key or "", self.services["artifacts"]
        assert isinstance(artifacts, InMemoryArtifactStore)
        put_video(artifacts, key)
        render = complete_from_object(key, store=self.store, artifacts=artifacts, now=self.clock.now)
        assert render
        settle(render, store=self.store, publisher=InMemoryPublisher(), now=self.clock.now)

    def make(self, quota: Quota = ADA) -> Job:
        job = self.wish(quota)
        self.claim(job)
        self.clock.pass_s(6)
        self.finish(job)
        return job

    def stored(self, job: Job) -> Job:
        found = self.store.job(job.job_id)
        assert found
        return found.value

    def slots(self, owner: str = "ada") -> list[Slot]:
        return [each.value for each in self.store.slots(owner, at_most=100)]

    def delete(self, job: Job) -> None:
        found = self.store.job(job.job_id)
        assert found
        delete_job(found, **self.services, now=self.clock.now)  # type: ignore[arg-type]

    def _change(self, job: Job, after: Job) -> None:
        stored = self.store.job(job.job_id)
        assert stored
        self.store.commit(Replace(stored=stored, value=after))


@pytest.fixture
def world() -> World:
    return World()


def test_one_job_more_than_the_quota_is_refused_and_nothing_of_it_is_written(world: World) -> None:
    world.wish()
    world.wish()
    before = dict(world.store._documents)

    refusal = world.refusal()

    assert (refusal.code, refusal.retry_after_s) == (ErrorCode.QUOTA_EXCEEDED, 30)
    assert world.store._documents == before


@pytest.mark.parametrize("ends", ["cancel", "delete", "finish"])
def test_a_job_that_ended_leaves_its_slot_to_the_next(world: World, ends: str) -> None:
    first, _ = world.wish(), world.wish()
    getattr(world, ends)(first)

    third = world.wish()

    assert third.job_id in {slot.job_id for slot in world.slots()}
    assert len(world.slots()) == 2
    assert world.refusal().code is ErrorCode.QUOTA_EXCEEDED


def test_a_job_that_was_accepted_before_is_no_new_one_when_the_quota_is_used_up(world: World) -> None:
    from placing import JobExistsError  # noqa: PLC0415

    first, _ = world.wish(), world.wish()

    with pytest.raises(JobExistsError):
        world.wish(job_id=first.job_id)


def test_who_loses_a_slot_to_another_takes_the_next_one(world: World) -> None:
    def another() -> None:
        world.wish(job_id="job-99999")

    world.store.meddling.append(another)
    world.wish(job_id="job-99998")

    assert {slot.job_id for slot in world.slots()} == {"job-99999", "job-99998"}


def test_the_last_slot_goes_to_one_of_two(world: World) -> None:
    world.wish()
    world.store.meddling.append(world.wish)

    assert world.refusal().code is ErrorCode.QUOTA_EXCEEDED
    assert len(world.slots()) == 2


def test_owners_have_slots_of_their_own_and_systems_have_others_than_people(world: World) -> None:
    crew = QUOTAS.of(Caller(owner="system:crew", is_system=True))
    for _ in range(2):
        world.wish()
    for _ in range(3):
        world.wish(crew)

    assert world.refusal(crew).code is ErrorCode.QUOTA_EXCEEDED


# --- GPU seconds ---


def test_the_gpu_seconds_of_a_day_are_those_that_the_renders_took(world: World) -> None:
    world.make()
    world.make()
    check_day(ADA, store=world.store, now=world.clock.now())

    world.make()

    refusal = world.refusal()
    assert refusal.code is ErrorCode.QUOTA_EXCEEDED
    assert "10 GPU seconds" in refusal.detail
    midnight = world.clock.now().replace(hour=0, minute=0, second=0) + timedelta(days=1)
    assert refusal.retry_after_s == 1 + (midnight - world.clock.now()).total_seconds()
    with pytest.raises(Rejected):
        check_day(ADA, store=world.store, now=world.clock.now())


def test_a_new_day_has_new_seconds(world: World) -> None:
    for _ in range(3):
        world.make()
    assert world.refusal().code is ErrorCode.QUOTA_EXCEEDED

    world.clock.pass_s(24 * 3600)

    check_day(ADA, store=world.store, now=world.clock.now())
    world.wish()


def test_deleting_jobs_gives_no_seconds_back(world: World) -> None:
    for _ in range(3):
        world.delete(world.make())

    assert world.refusal().code is ErrorCode.QUOTA_EXCEEDED
    assert {slot.job_id for slot in world.slots()} == {None}


def test_a_render_that_goes_on_counts_and_one_that_was_canceled_does_too(world: World) -> None:
    first = world.wish()
    world.claim(first)
    world.clock.pass_s(9)
    world.wish()
    world.cancel(first)
    world.clock.pass_s(3600)
    third = world.wish()
    world.claim(third)
    world.clock.pass_s(1)

    assert world.refusal().detail.startswith("Your 10 GPU seconds")


def _costs(world: World, **changes: object) -> float:
    render = a_render(now=world.clock.now())
    job = a_job(render, now=world.clock.now()).model_copy(update=changes)
    return gpu_s_of(job, None, now=world.clock.now())


def test_what_was_never_claimed_costs_nothing(world: World) -> None:
    error = JobError(code=ErrorCode.RENDER_FAILED, message="")
    job = a_job(a_render(now=world.clock.now()), now=world.clock.now())

    assert gpu_s_of(job, None, now=world.clock.now()) == 0
    assert gpu_s_of(fail_job(job, error=error, now=world.clock.now()), None, now=world.clock.now()) == 0
    assert gpu_s_of(None, None, now=world.clock.now()) == 0


def test_a_video_that_was_there_costs_nothing_and_what_ended_yesterday_counts_for_yesterday(world: World) -> None:
    now = world.clock.now()
    usage = Usage(load_s=1, render_s=RENDER_S, encode_s=0, device="cpu")
    render: Render = a_render(now=now, changes={"state": State.COMPLETED, "usage": usage})
    done = a_job(render, now=now).model_copy(update={"status": Status.COMPLETED, "started_at": now, "finished_at": now})

    assert gpu_s_of(done, render, now=now) == 0
    longer = done.model_copy(update={"finished_at": now + timedelta(seconds=60)})
    assert gpu_s_of(longer, render, now=now) == 1 + RENDER_S
    assert gpu_s_of(longer, None, now=now) == 60, "its render is gone: as long as it took by the clock"
    assert gpu_s_of(longer, render, now=now + timedelta(days=1)) == 0
    assert _costs(world, started_at=now - timedelta(seconds=7)) == 7


# --- addresses ---


def _anonymous(number: int, address: str = "192.0.2.1") -> Quota:
    return QUOTAS.of(Caller(owner=f"anonymous-{number}", is_anonymous=True), address=address)


def test_anonymous_accounts_of_one_address_share_what_it_may_wish_in_an_hour(world: World) -> None:
    world.wish(_anonymous(1))
    world.wish(_anonymous(2))

    refusal = world.refusal(_anonymous(3))

    assert (refusal.code, refusal.retry_after_s) == (ErrorCode.TOO_MANY_REQUESTS, 3601)
    assert world.slots("anonymous-3") == [], "nothing was written"
    world.wish(_anonymous(3, address="192.0.2.2"))
    world.wish(QUOTAS.of(Caller(owner="ada"), address="192.0.2.1"))
    world.clock.pass_s(3600)
    world.wish(_anonymous(3))


def test_a_job_that_ended_gives_no_place_of_its_address_back(world: World) -> None:
    for number in range(2):
        world.cancel(world.wish(_anonymous(number)))

    assert world.refusal(_anonymous(3)).code is ErrorCode.TOO_MANY_REQUESTS


def test_no_address_is_written_down(world: World) -> None:
    world.wish(_anonymous(1, address="203.0.113.77"))

    assert "203.0.113.77" not in str(world.store._documents)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", "unknown"),
        ("../../x", "unknown"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_an_address_is_what_one_subscriber_has(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("forwarded", "proxies", "seen"),
    [
        (None, 1, "198.51.100.9"),
        ("192.0.2.1", 1, "192.0.2.1"),
        ("10.0.0.1, 192.0.2.1", 1, "192.0.2.1"),
        ("10.0.0.1, 192.0.2.1, 192.0.2.99", 2, "192.0.2.1"),
        ("192.0.2.1", 2, "198.51.100.9"),
        ("192.0.2.1", 0, "198.51.100.9"),
        ("10.0.0.1, rubbish", 1, "unknown"),
        (" , ", 1, "198.51.100.9"),
    ],
)
def test_a_caller_can_not_choose_its_address(forwarded: str | None, proxies: int, seen: str) -> None:
    headers = [("X-Forwarded-For", forwarded)] if forwarded else []
    builder = EnvironBuilder(headers=headers, environ_base={"REMOTE_ADDR": "198.51.100.9"})
    quotas = Quotas(jobs=1, jobs_of_system=1, gpu_s=1, gpu_s_of_system=1, jobs_per_address=1, trusted_proxies=proxies)

    assert quotas.address_of(Request(builder.get_environ())) == seen
