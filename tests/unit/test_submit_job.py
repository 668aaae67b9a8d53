"""The use case behind ``POST /jobs``: what is stored and published, whoever else writes in the same moment."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from callers import Caller
from placing import NotSeenToError, attach
from submit_job import job_id_of, submit_job

from shared.artifact_store import Artifact
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, JobError, Render, State, Status
from shared.errors import ErrorCode, Rejected, Retryable
from shared.job_store import Create, Replace, Stored
from shared.jobs import (
    RETENTION,
    Ending,
    claim_render,
    fail_render,
    publish,
    release_render,
    retire,
    revive_render,
    touch,
)
from shared.messages import JOB_EVENTS, RENDER_REQUESTS, RENDER_REQUESTS_BULK, JobEvent, RenderRequested, decode
from shared.outbox import OLD_EVENT
from shared.requests import PUBLIC, Priority, render_key
from shared.settling import complete_from_object, settle
from shared.testing import (
    AN_OFFER,
    TRACEPARENT,
    Clock,
    FlakyPublisher,
    MeddledJobStore,
    a_render,
    a_spec,
    put_video,
)

WISH = {"perspective": "curious-cat", "seed": 1}
KEY = render_key(a_spec())
ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")
ADA = Caller(owner="ada")


class VanishingArtifactStore(InMemoryArtifactStore):
    """Its objects can be gone, as if somebody had deleted them."""

    is_empty = False

    def get(self, name: str) -> Artifact | None:
        return None if self.is_empty else super().get(name)


class VanishingJobStore(MeddledJobStore):
    """A render or a job of it can be gone at the next reading, as if its time to live had ended."""

    vanish: type[Job | Render] | None = None

    def job(self, job_id: str) -> Stored[Job] | None:
        return None if self._vanishes(Job) else super().job(job_id)

    def render(self, render_key: str) -> Stored[Render] | None:
        return None if self._vanishes(Render) else super().render(render_key)

    def _vanishes(self, kind: type[Job | Render]) -> bool:
        if self.vanish is not kind:
            return False
        for key in [key for key in self._documents if key[0] is kind]:
            del self._documents[key]
        self.vanish = None
        return True


@dataclass
class World:
    """Everything that a submission touches."""

    clock: Clock = field(default_factory=Clock)
    artifacts: VanishingArtifactStore = field(default_factory=VanishingArtifactStore)
    publisher: FlakyPublisher = field(default_factory=FlakyPublisher)

    def __post_init__(self) -> None:
        self.store = VanishingJobStore(now=self.clock.now)

    def submit(self, *, key: str | None = None, caller: Caller = ADA, **wish: Any) -> Job:
        return submit_job(
            json.dumps(WISH | wish).encode(),
            caller=caller,
            idempotency_key=key,
            traceparent=TRACEPARENT,
            store=self.store,
            publisher=self.publisher,
            artifacts=self.artifacts,
            offer=AN_OFFER,
            now=self.clock.now,
        )

    def attach(self, job: Job) -> Job:
        return attach(
            job, a_spec(), store=self.store, publisher=self.publisher, artifacts=self.artifacts, now=self.clock.now
        )

    def render(self, render_key: str = KEY) -> Render:
        found = self.store.render(render_key)
        assert found
        return found.value

    def job(self, job: Job) -> Job:
        """The job as it is stored."""
        found = self.store.job(job.job_id)
        assert found
        return found.value

    def replace(self, value: Render) -> None:
        stored = self.store.render(value.render_key)
        assert stored
        self.store.commit(Replace(stored=stored, value=value))

    # What workers and notify do meanwhile.

    def claim(self) -> None:
        self.replace(claim_render(self.render(), holder="a", lease_s=60, now=self.clock.now()))

    def release(self) -> None:
        self.replace(release_render(self.render(), now=self.clock.now(), ending=Ending.PREEMPTED))

    def retire(self) -> None:
        self.replace(retire(self.render(), now=self.clock.now()))

    def fail(self) -> None:
        self.replace(fail_render(self.render(), error=ERROR, now=self.clock.now()))
        self.settle()

    def finish(self) -> None:
        put_video(self.artifacts, KEY)
        complete_from_object(KEY, store=self.store, artifacts=self.artifacts, now=self.clock.now)
        self.settle()

    def settle(self) -> None:
        stored = self.store.render(KEY)
        assert stored
        settle(stored, store=self.store, publisher=self.publisher, now=self.clock.now)

    @property
    def messages(self) -> list[RenderRequested]:
        return [decode(RenderRequested, each.data) for each in self.publisher.published[RENDER_REQUESTS]]

    @property
    def events(self) -> list[JobEvent]:
        return [decode(JobEvent, each.data) for each in self.publisher.published[JOB_EVENTS]]


def no_answer() -> None:
    raise Retryable("no answer")


@pytest.fixture
def world() -> World:
    return World()


# --- a new wish ---


def test_a_new_wish_stores_a_job_and_its_render_and_sends_one_message(world: World) -> None:
    job = world.submit()
    assert world.job(job) == job
    assert (job.owner, job.status, job.render_key, job.traceparent) == ("ada", Status.QUEUED, KEY, TRACEPARENT)
    assert job.request
    assert (job.request.model, job.request.size, job.request.seconds) == ("untrained-tiny-wan", "256x144", 1)
    render = world.render()
    assert (render.state, render.spec, render.published_at) == (State.IDLE, a_spec(), world.clock.now())
    assert world.messages == [RenderRequested(render_key=KEY, traceparent=TRACEPARENT)]


def test_the_message_can_be_filtered_by_its_render(world: World) -> None:
    world.submit()
    assert world.publisher.published[RENDER_REQUESTS][0].attributes == {"schema_version": "1", "render_key": KEY}


def test_a_bulk_wish_goes_to_the_bulk_topic(world: World) -> None:
    world.submit(priority="bulk")
    assert set(world.publisher.published) == {RENDER_REQUESTS_BULK}
    assert world.render().priority is Priority.BULK


def test_a_wish_without_a_seed_draws_the_same_one_for_the_same_key(world: World) -> None:
    first, other = world.submit(key="k1", seed=None), World().submit(key="k1", seed=None)
    assert first.request
    assert other.request
    assert first.request.seed == other.request.seed
    assert first.job_id == other.job_id == job_id_of("ada", "k1")


def test_two_owners_never_get_the_same_id_from_the_same_key() -> None:
    assert job_id_of("ada", "k1") != job_id_of("bob", "k1")


def test_a_rejected_wish_leaves_nothing_behind(world: World) -> None:
    with pytest.raises(Rejected):
        world.submit(theme="fog")
    assert world.store._documents == {}
    assert not world.publisher.published


# --- the same wish again ---


def test_a_second_job_on_the_same_wish_sends_no_second_message(world: World) -> None:
    first, second = world.submit(), world.submit(caller=Caller(owner="bob"))
    assert first.job_id != second.job_id
    assert first.render_key == second.render_key == KEY
    assert world.render().spec.scope == PUBLIC
    assert len(world.messages) == 1
    assert len(world.store.waiting_jobs(KEY)) == 2


def test_the_same_words_of_two_owners_are_two_renders(world: World) -> None:
    world.submit(prompt="a moth")
    world.submit(prompt="a moth", caller=Caller(owner="bob"))
    assert len({message.render_key for message in world.messages}) == 2


def test_a_wish_for_what_is_being_made_waits_for_it_without_a_message(world: World) -> None:
    world.submit()
    world.claim()
    job = world.submit()
    assert job.status is Status.QUEUED
    assert len(world.messages) == 1
    world.finish()
    assert world.job(job).status is Status.COMPLETED


def test_a_wish_for_a_render_whose_message_was_acknowledged_sends_another(world: World) -> None:
    world.submit()
    world.retire()
    world.submit()
    assert len(world.messages) == 2
    assert world.render().published_at == world.clock.now()


def test_a_repeated_key_is_the_stored_job_and_sends_nothing(world: World) -> None:
    first = world.submit(key="k1")
    world.claim()
    assert world.submit(key="k1") == first
    assert len(world.messages) == 1
    assert len(world.store.waiting_jobs(KEY)) == 1


def test_a_repeated_key_with_other_white_space_is_another_body(world: World) -> None:
    world.submit(key="k1")
    with pytest.raises(Rejected) as caught:
        world.submit(key="k1", prompt=" ")
    assert caught.value.code is ErrorCode.IDEMPOTENCY_CONFLICT


def test_a_repeated_key_whose_job_vanished_in_the_same_moment_can_be_tried_again(world: World) -> None:
    world.submit(key="k1")
    world.store.vanish = Job
    with pytest.raises(Retryable):
        world.submit(key="k1")
    assert world.submit(key="k1").status is Status.QUEUED


def test_a_repeated_key_finishes_what_the_first_time_left_in_the_middle(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.store.meddling.extend([lambda: None, no_answer])
    assert world.submit(key="k1").status is Status.QUEUED

    again = world.submit(key="k1")

    assert again.status is Status.COMPLETED
    assert again.job_id in {event.job_id for event in world.events}


def test_a_repeated_key_sends_the_message_that_its_first_time_could_not_send(world: World) -> None:
    world.publisher.is_down = True
    first = world.submit(key="k1")
    assert world.messages == []
    world.publisher.is_down = False

    assert world.submit(key="k1") == first

    assert world.messages == [RenderRequested(render_key=KEY, traceparent=TRACEPARENT)]
    assert world.render().published_at == world.clock.now()


def test_a_repeated_key_is_answered_with_its_job_while_nobody_takes_messages_still(world: World) -> None:
    world.publisher.is_down = True
    first = world.submit(key="k1")

    assert world.submit(key="k1") == first
    assert world.render().published_at is None


def test_a_repeated_key_tells_the_world_of_its_final_job_that_it_was_not_told_of(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.publisher.is_down = True
    first = world.submit(key="k1")
    assert first.event_pending
    world.publisher.is_down = False
    assert world.submit(key="k1").event_pending, "at first it is left to whoever made the job final"
    world.clock.pass_s(OLD_EVENT.total_seconds())

    again = world.submit(key="k1")

    assert (again.status, again.event_pending) == (Status.COMPLETED, False)
    assert world.job(first) == again
    assert [event.job_id for event in world.events].count(first.job_id) == 1
    world.submit(key="k1")
    assert [event.job_id for event in world.events].count(first.job_id) == 1


def test_a_repeated_key_of_a_final_job_is_answered_while_nobody_takes_events_still(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.publisher.is_down = True
    first = world.submit(key="k1")

    assert world.submit(key="k1") == first
    assert world.job(first).event_pending


def test_a_repeated_key_that_completes_its_job_says_so_even_when_nobody_takes_events(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.store.meddling.extend([lambda: None, no_answer])
    assert world.submit(key="k1").status is Status.QUEUED
    world.publisher.is_down = True

    again = world.submit(key="k1")

    assert (again.status, again.event_pending) == (Status.COMPLETED, True)
    assert world.job(again) == again


def test_a_repeated_key_of_a_failed_job_does_not_wish_again(world: World) -> None:
    world.submit(key="k1")
    world.claim()
    world.fail()

    assert world.submit(key="k1").status is Status.FAILED
    assert world.render().state is State.FAILED
    assert len(world.messages) == 1


# --- what is there already ---


def test_a_wish_for_a_completed_render_is_completed_at_once_and_told_of(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.clock.pass_s(60)
    job = world.submit()
    assert (job.status, job.video, job.finished_at) == (Status.COMPLETED, world.render().video, world.clock.now())
    assert world.job(job) == job
    assert [event.job_id for event in world.events].count(job.job_id) == 1
    assert not job.event_pending
    assert len(world.messages) == 1


def test_a_wish_that_is_ready_is_accepted_even_when_nobody_takes_events(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.publisher.is_down = True
    job = world.submit()
    assert (job.status, job.event_pending) == (Status.COMPLETED, True)
    world.publisher.is_down = False
    world.settle()
    assert job.job_id in {event.job_id for event in world.events}


def test_a_wish_that_is_ready_is_accepted_even_when_the_store_falls_silent_after_it(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.store.meddling.extend([lambda: None, no_answer])
    job = world.submit()
    assert job.status is Status.QUEUED
    world.settle()
    assert world.job(job).status is Status.COMPLETED


def test_a_wish_for_a_failed_render_revives_it_with_all_its_attempts(world: World) -> None:
    first = world.submit()
    world.claim()
    world.fail()
    assert world.job(first).status is Status.FAILED
    world.clock.pass_s(60)
    second = world.submit(priority="bulk")
    assert second.status is Status.QUEUED
    render = world.render()
    assert (render.state, render.attempts, render.error, render.priority) == (State.IDLE, 0, None, Priority.BULK)
    assert (render.token, render.expires_at) == (1, world.clock.now() + RETENTION)
    assert [len(world.publisher.published[topic]) for topic in (RENDER_REQUESTS, RENDER_REQUESTS_BULK)] == [1, 1]
    assert world.job(first).status is Status.FAILED


def test_a_wish_for_a_video_that_was_deleted_has_it_made_again(world: World) -> None:
    world.submit()
    world.claim()
    world.finish()
    world.artifacts.is_empty = True
    job = world.submit()
    assert job.status is Status.QUEUED
    assert (world.render().state, world.render().video) == (State.IDLE, None)
    assert len(world.messages) == 2


def test_a_bucket_that_does_not_answer_is_told_and_the_job_is_not_lost(world: World) -> None:
    class SilentArtifactStore(VanishingArtifactStore):
        def get(self, name: str) -> Artifact | None:
            raise Retryable(f"no answer for {name}")

    world.submit()
    world.claim()
    world.finish()
    world.artifacts = SilentArtifactStore()
    with pytest.raises(Retryable, match="no answer"):
        world.submit(key="k1")
    stored = world.store.job(job_id_of("ada", "k1"))
    assert stored
    world.settle()
    assert world.job(stored.value).status is Status.COMPLETED


# --- a publisher or a store that does not answer ---


def test_a_message_that_cannot_be_sent_is_no_failure_and_is_seen_to_be_missing(world: World) -> None:
    world.publisher.is_down = True
    job = world.submit()
    assert world.job(job).status is Status.QUEUED
    assert world.render().published_at is None
    assert world.messages == []


def test_the_next_wish_sends_the_message_that_was_missing(world: World) -> None:
    world.publisher.is_down = True
    world.submit()
    world.publisher.is_down = False
    world.submit()
    assert len(world.messages) == 1
    assert world.render().published_at == world.clock.now()


def test_a_message_that_was_sent_but_not_noted_is_no_failure(world: World) -> None:
    world.store.meddling.extend([lambda: None, no_answer])
    job = world.submit()
    assert world.job(job).status is Status.QUEUED
    assert len(world.messages) == 1
    assert world.render().published_at is None


def test_whoever_places_a_job_hears_that_it_is_written_though_nobody_is_told(world: World) -> None:
    job = world.submit(key="k1")
    world.retire()
    world.publisher.is_down = True

    with pytest.raises(NotSeenToError) as caught:
        world.attach(job)

    assert caught.value.job == world.job(job)
    assert isinstance(caught.value, Retryable)


def test_a_wish_that_is_not_seen_to_yet_is_told_in_the_log(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.publisher.is_down = True
    world.submit()
    assert [each.message for each in caplog.records if each.levelname == "WARNING"] == ["job accepted, not seen to yet"]


def test_a_store_that_does_not_take_the_job_leaves_nothing_behind(world: World) -> None:
    world.store.meddling.append(no_answer)
    with pytest.raises(Retryable, match="no answer"):
        world.submit()
    assert world.store._documents == {}
    assert world.messages == []


# --- somebody else writes in the same moment ---


def test_two_first_wishes_at_once_share_one_render_and_one_message(world: World) -> None:
    others: list[Job] = []
    world.store.meddling.append(lambda: others.append(world.submit(caller=Caller(owner="bob"))))
    mine = world.submit()
    assert {job.job_id for job in others} | {mine.job_id} == {
        stored.value.job_id for stored in world.store.waiting_jobs(KEY)
    }
    assert len(world.messages) == 1


def test_the_same_key_sent_twice_at_once_is_one_job(world: World) -> None:
    others: list[Job] = []
    world.store.meddling.append(lambda: others.append(world.submit(key="k1")))
    assert [world.submit(key="k1")] == others
    assert len(world.store.waiting_jobs(KEY)) == 1
    assert len(world.messages) == 1


def test_the_same_key_with_two_bodies_at_once_is_one_job_and_one_refusal(world: World) -> None:
    world.store.meddling.append(lambda: world.submit(key="k1", seed=2))
    with pytest.raises(Rejected) as caught:
        world.submit(key="k1")
    assert caught.value.code is ErrorCode.IDEMPOTENCY_CONFLICT
    assert world.store.render(KEY) is None


def test_a_worker_that_claims_between_the_message_and_its_note_goes_on_undisturbed(world: World) -> None:
    world.store.meddling.extend([lambda: None, world.claim])
    job = world.submit()
    assert (world.render().state, world.render().token) == (State.LEASED, 1)
    assert world.render().published_at is not None
    assert job.status is Status.QUEUED
    assert len(world.messages) == 1


def test_a_render_that_finishes_while_a_job_attaches_completes_that_job(world: World) -> None:
    world.submit()
    world.claim()
    world.store.meddling.append(world.finish)
    job = world.submit()
    assert job.status is Status.COMPLETED
    assert job.job_id in {event.job_id for event in world.events}


def test_a_render_that_fails_while_a_job_attaches_is_revived_for_it(world: World) -> None:
    first = world.submit()
    world.claim()
    world.store.meddling.append(world.fail)
    job = world.submit()
    assert world.job(first).status is Status.FAILED
    assert job.status is Status.QUEUED
    assert world.render().state is State.IDLE
    assert len(world.messages) == 2


def test_a_render_that_is_released_while_a_job_attaches_is_not_published_twice(world: World) -> None:
    world.submit()
    world.claim()
    world.store.meddling.append(world.release)
    assert world.submit().status is Status.QUEUED
    assert len(world.messages) == 1


def test_a_render_whose_message_is_acknowledged_while_a_job_attaches_is_published_again(world: World) -> None:
    world.submit()
    world.store.meddling.append(world.retire)
    world.submit()
    assert len(world.messages) == 2


def test_two_who_revive_the_same_render_at_once_revive_it_once(world: World) -> None:
    world.submit()
    world.claim()
    world.fail()
    world.store.meddling.extend([lambda: None, world.submit])
    world.submit()
    assert world.render().state is State.IDLE
    assert len(world.store.waiting_jobs(KEY)) == 2
    assert len(world.messages) == 2


def test_a_failed_render_that_changes_before_it_is_revived_is_read_again_and_revived(world: World) -> None:
    world.submit()
    world.claim()
    world.fail()
    world.store.meddling.extend([lambda: None, lambda: world.replace(touch(world.render(), now=world.clock.now()))])
    world.submit()
    assert world.render().state is State.IDLE
    assert len(world.messages) == 2


def test_a_failed_render_that_is_claimed_again_before_it_is_revived_is_left_to_its_worker(world: World) -> None:
    def revive_and_claim() -> None:
        world.replace(revive_render(world.render(), priority=Priority.BULK, now=world.clock.now()))
        world.claim()

    world.submit()
    world.claim()
    world.fail()
    world.store.meddling.extend([lambda: None, revive_and_claim])
    world.submit()
    assert (world.render().state, world.render().token) == (State.LEASED, 2)
    assert len(world.messages) == 1


def test_a_render_that_vanishes_while_a_job_attaches_is_created_again(world: World) -> None:
    render = a_render(now=world.clock.now())
    world.store.commit(Create(value=publish(render, now=world.clock.now())))
    world.store.meddling.append(lambda: setattr(world.store, "vanish", Render))
    job = world.submit()
    assert job.status is Status.QUEUED
    assert world.render().render_key == KEY
    assert len(world.messages) == 1


def test_every_wish_of_a_crowd_is_granted_by_one_render(world: World) -> None:
    jobs = [world.submit(caller=Caller(owner=f"person-{each}")) for each in range(50)]
    world.claim()
    world.finish()
    assert {world.job(job).status for job in jobs} == {Status.COMPLETED}
    assert len(world.messages) == 1
    assert sorted(event.job_id for event in world.events) == sorted(job.job_id for job in jobs)
