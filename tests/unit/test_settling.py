"""Settling: a final render reaches every job that waits for it, once, whatever happens in between."""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from shared.artifact_paths import video_path
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, JobError, Render, State, Status
from shared.errors import ErrorCode, Permanent, Retryable
from shared.job_store import Create, Delete, Replace, Stored
from shared.jobs import Ending, claim_render, fail_render, release_render, revive_render, touch
from shared.messages import JOB_EVENTS, JobEvent, decode
from shared.outbox import empty_outbox
from shared.requests import Priority
from shared.settling import BATCH_JOBS, complete_from_object, look, settle
from shared.testing import Clock, FlakyPublisher, MeddledJobStore, a_job, a_render, put_video

ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")


@dataclass
class World:
    """A store with one render, an empty bucket, and a publisher."""

    clock: Clock = field(default_factory=Clock)
    artifacts: InMemoryArtifactStore = field(default_factory=InMemoryArtifactStore)
    publisher: FlakyPublisher = field(default_factory=FlakyPublisher)

    def __post_init__(self) -> None:
        self.store = MeddledJobStore(now=self.clock.now)
        self.example = a_render(now=self.clock.now())
        self.key = self.example.render_key
        self.store.commit(Create(value=self.example))

    @property
    def render(self) -> Stored[Render]:
        found = self.store.render(self.key)
        assert found
        return found

    def replace_render(self, value: Render) -> None:
        self.store.commit(Replace(stored=self.render, value=value))

    def claim(self) -> None:
        self.replace_render(claim_render(self.render.value, holder="a", lease_s=60, now=self.clock.now()))

    def fail(self) -> None:
        self.replace_render(fail_render(self.render.value, error=ERROR, now=self.clock.now()))

    def revive(self) -> None:
        revived = revive_render(self.render.value, priority=Priority.INTERACTIVE, now=self.clock.now())
        self.replace_render(revived)

    def attach(self, *job_ids: str, status: Status = Status.QUEUED) -> None:
        for job_id in job_ids:
            job = a_job(self.example, job_id=job_id, now=self.clock.now())
            self.store.commit(Create(value=job.model_copy(update={"status": status})))

    def job(self, job_id: str) -> Job:
        found = self.store.job(job_id)
        assert found
        return found.value

    def complete(self) -> Stored[Render] | None:
        return complete_from_object(self.key, store=self.store, artifacts=self.artifacts, now=self.clock.now)

    def look(self) -> Stored[Render] | None:
        return look(self.key, store=self.store, artifacts=self.artifacts, now=self.clock.now)

    def put_rubbish(self) -> None:
        self.artifacts.create(video_path(self.key), b"cat.jpg", content_type="image/jpeg")

    def settle(self) -> None:
        settle(self.render, store=self.store, publisher=self.publisher, now=self.clock.now)

    @property
    def events(self) -> list[JobEvent]:
        return [decode(JobEvent, message.data) for message in self.publisher.published[JOB_EVENTS]]

    def everything(self) -> dict[object, object]:
        return dict(self.store._documents)


@pytest.fixture
def world() -> World:
    return World()


# --- complete_from_object ---


@pytest.mark.parametrize("prepare", [lambda _: None, World.claim, World.fail], ids=["idle", "leased", "failed"])
def test_an_object_completes_its_render_whatever_state_it_is_in(world: World, prepare: object) -> None:
    assert callable(prepare)
    prepare(world)
    artifact = put_video(world.artifacts, world.key)
    world.clock.pass_s(5)
    done = world.complete()
    assert done == world.render
    render = world.render.value
    assert (render.state, render.progress, render.error) == (State.COMPLETED, 100, None)
    assert render.video
    assert (render.video.path, render.video.generation) == (video_path(world.key), artifact.generation)
    assert render.usage
    assert render.usage.device == "cpu"
    assert render.finished_at == world.clock.now()


def test_without_an_object_nothing_is_completed(world: World) -> None:
    world.claim()
    before = world.everything()
    found = world.complete()
    assert found
    assert found.value.state is State.LEASED
    assert world.everything() == before


def test_an_object_without_a_render_completes_nothing(world: World) -> None:
    put_video(world.artifacts, "cd" * 20)
    before = world.everything()
    assert complete_from_object("cd" * 20, store=world.store, artifacts=world.artifacts, now=world.clock.now) is None
    assert world.everything() == before


def test_completing_twice_writes_once(world: World) -> None:
    put_video(world.artifacts, world.key)
    world.complete()
    before = world.everything()
    world.clock.pass_s(60)
    world.complete()
    assert world.everything() == before


def test_a_lease_that_is_renewed_in_the_same_moment_does_not_lose_the_completion(world: World) -> None:
    world.claim()
    put_video(world.artifacts, world.key)
    world.store.meddling.extend([lambda: world.replace_render(touch(world.render.value, now=world.clock.now()))] * 3)
    world.complete()
    assert world.render.value.state is State.COMPLETED


def test_who_is_overtaken_by_another_completion_finds_it_done(world: World) -> None:
    put_video(world.artifacts, world.key)
    world.store.meddling.append(world.complete)
    done = world.complete()
    assert done
    assert done.value.state is State.COMPLETED


def test_an_object_that_no_worker_made_completes_nothing(world: World) -> None:
    world.artifacts.create(video_path(world.key), b"cat.jpg", content_type="image/jpeg")
    with pytest.raises(Permanent):
        world.complete()
    assert world.render.value.state is State.IDLE


# --- look ---


@pytest.mark.parametrize("prepare", [lambda _: None, World.claim, World.fail], ids=["idle", "leased", "failed"])
def test_who_looks_at_a_render_whose_video_is_there_finds_it_completed(world: World, prepare: object) -> None:
    assert callable(prepare)
    prepare(world)
    put_video(world.artifacts, world.key)
    found = world.look()
    assert found == world.render
    assert found.value.state is State.COMPLETED


@pytest.mark.parametrize("prepare", [lambda _: None, World.claim, World.fail], ids=["idle", "leased", "failed"])
def test_who_looks_at_a_render_without_a_video_finds_it_as_it_is(world: World, prepare: object) -> None:
    assert callable(prepare)
    prepare(world)
    before = world.everything()
    assert world.look() == world.render
    assert world.everything() == before


@pytest.mark.parametrize("prepare", [lambda _: None, World.claim], ids=["idle", "leased"])
def test_what_blocks_the_name_of_the_video_fails_the_render_with_a_reason(world: World, prepare: object) -> None:
    assert callable(prepare)
    prepare(world)
    world.put_rubbish()
    found = world.look()
    assert found == world.render
    assert found.value.state is State.FAILED
    assert found.value.error
    assert "no worker made it" in found.value.error.message


def test_what_blocks_the_name_of_a_failed_render_leaves_its_error(world: World) -> None:
    world.fail()
    world.put_rubbish()
    before = world.everything()
    found = world.look()
    assert found
    assert found.value.error == ERROR
    assert world.everything() == before


def test_what_took_the_place_of_a_video_later_does_not_undo_its_completion(world: World) -> None:
    put_video(world.artifacts, world.key)
    world.look()
    world.artifacts.delete_folder("renders/")
    world.put_rubbish()
    found = world.look()
    assert found
    assert found.value.state is State.COMPLETED


def test_a_render_that_changes_in_the_same_moment_is_failed_all_the_same(world: World) -> None:
    world.put_rubbish()
    world.store.meddling.extend([world.claim, lambda: None])
    found = world.look()
    assert found
    assert (found.value.state, found.value.token) == (State.FAILED, 1)


def test_who_looks_at_a_render_that_is_not_there_finds_none(world: World) -> None:
    world.put_rubbish()
    world.store.commit(Delete(stored=world.render))
    assert world.look() is None


# --- settle ---


def test_every_waiting_job_is_completed_with_the_video_and_told_of_once(world: World) -> None:
    world.claim()
    world.attach("job-0001", "job-0002")
    world.attach("job-0003", status=Status.IN_PROGRESS)
    put_video(world.artifacts, world.key)
    world.complete()
    world.settle()
    for job_id in ("job-0001", "job-0002", "job-0003"):
        job = world.job(job_id)
        assert (job.status, job.video, job.event_pending) == (Status.COMPLETED, world.render.value.video, False)
    assert sorted(event.job_id for event in world.events) == ["job-0001", "job-0002", "job-0003"]
    assert {(event.status, event.video) for event in world.events} == {
        (Status.COMPLETED, world.render.value.video),
    }


def test_every_waiting_job_of_a_failed_render_fails_with_its_error(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.settle()
    assert (world.job("job-0001").status, world.job("job-0001").error) == (Status.FAILED, ERROR)
    assert [(event.status, event.error) for event in world.events] == [(Status.FAILED, ERROR)]


def test_an_event_can_be_filtered_without_reading_it(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.settle()
    [message] = world.publisher.published[JOB_EVENTS]
    assert message.attributes == {
        "schema_version": "1",
        "render_key": world.key,
        "job_id": "job-0001",
        "status": "failed",
    }
    assert json.loads(message.data)["event_id"] == "job-0001"


def test_settling_again_changes_nothing_and_says_nothing(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.settle()
    before = world.everything()
    world.clock.pass_s(60)
    world.settle()
    assert world.everything() == before
    assert len(world.events) == 1


def test_a_job_that_was_final_before_is_left_as_it_is(world: World) -> None:
    world.attach("job-0001", status=Status.CANCELED)
    world.fail()
    world.settle()
    assert world.job("job-0001").status is Status.CANCELED
    assert world.events == []


@pytest.mark.parametrize("prepare", [lambda _: None, World.claim], ids=["idle", "leased"])
def test_a_render_that_is_not_final_settles_nothing(world: World, prepare: object) -> None:
    assert callable(prepare)
    world.attach("job-0001")
    prepare(world)
    before = world.everything()
    world.settle()
    assert world.everything() == before
    assert world.events == []


def test_jobs_of_another_render_are_not_touched(world: World) -> None:
    other = a_render(now=world.clock.now(), seed=2)
    world.store.commit(Create(value=other), Create(value=a_job(other, job_id="job-0009", now=world.clock.now())))
    world.fail()
    world.settle()
    assert world.job("job-0009").status is Status.QUEUED


def test_more_jobs_than_fit_into_a_batch_are_all_settled(world: World) -> None:
    job_ids = [f"job-{each:05}" for each in range(2 * BATCH_JOBS + 1)]
    world.attach(*job_ids)
    world.fail()
    world.settle()
    assert {world.job(job_id).status for job_id in job_ids} == {Status.FAILED}
    assert not any(world.job(job_id).event_pending for job_id in job_ids)
    assert sorted(event.job_id for event in world.events) == job_ids


def test_a_settled_render_is_not_due_any_more(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    assert world.render.value.check_at
    world.settle()
    assert world.render.value.check_at is None


def test_a_render_without_jobs_is_settled_at_once(world: World) -> None:
    world.fail()
    world.settle()
    assert world.render.value.check_at is None


def test_a_render_stays_due_until_every_event_is_out(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.settle()
    assert world.render.value.check_at
    world.publisher.is_down = False
    world.settle()
    assert world.render.value.check_at is None


def test_exactly_a_batch_of_jobs_is_settled_and_nothing_stays_due(world: World) -> None:
    world.attach(*[f"job-{each:05}" for each in range(BATCH_JOBS)])
    world.fail()
    world.settle()
    assert world.render.value.check_at is None
    assert len(world.events) == BATCH_JOBS


def test_a_late_job_of_a_settled_render_is_settled_and_told_of_too(world: World) -> None:
    world.fail()
    world.settle()
    world.attach("job-0001")
    world.settle()
    assert (world.job("job-0001").status, world.job("job-0001").event_pending) == (Status.FAILED, False)
    assert world.render.value.check_at is None


# --- in between ---


def test_a_job_that_attaches_in_the_middle_is_settled_too(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.store.meddling.append(lambda: world.attach("job-0002"))
    world.settle()
    assert world.job("job-0002").status is Status.FAILED
    assert Counter(event.job_id for event in world.events) == {"job-0001": 1, "job-0002": 1}


def test_a_job_that_is_canceled_in_the_middle_stays_canceled_and_holds_nobody_up(world: World) -> None:
    def cancel() -> None:
        stored = world.store.job("job-0001")
        assert stored
        canceled = stored.value.model_copy(update={"status": Status.CANCELED})
        world.store.commit(Replace(stored=stored, value=canceled))

    world.attach("job-0001", "job-0002")
    world.fail()
    world.store.meddling.append(cancel)
    world.settle()
    assert world.job("job-0001").status is Status.CANCELED
    assert world.job("job-0002").status is Status.FAILED
    assert [event.job_id for event in world.events] == ["job-0002"]


def test_two_who_settle_at_once_leave_every_job_final_and_no_event_pending(world: World) -> None:
    world.attach("job-0001", "job-0002")
    world.fail()
    world.store.meddling.append(world.settle)
    world.settle()
    assert Counter(event.job_id for event in world.events) == {"job-0001": 1, "job-0002": 1}
    assert not world.job("job-0001").event_pending


def test_who_is_overtaken_between_publishing_and_clearing_repeats_an_event_and_loses_none(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.store.meddling.extend([lambda: None, world.settle])
    world.settle()
    assert {event.job_id for event in world.events} == {"job-0001"}
    assert len({event.event_id for event in world.events}) == 1
    assert not world.job("job-0001").event_pending


def test_a_render_that_is_revived_in_the_middle_keeps_its_jobs_waiting(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.store.meddling.append(world.revive)
    world.settle()
    assert world.render.value.state is State.IDLE
    assert world.job("job-0001").status is Status.QUEUED
    assert world.events == []


def test_who_lost_the_render_writes_nothing_to_its_jobs(world: World) -> None:
    world.attach("job-0001", status=Status.IN_PROGRESS)
    world.fail()
    stale = world.render
    world.revive()
    world.claim()
    settle(stale, store=world.store, publisher=world.publisher, now=world.clock.now)
    assert world.job("job-0001").status is Status.IN_PROGRESS
    assert world.events == []


def test_a_released_render_is_not_settled_by_who_still_thinks_it_failed(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    stale = world.render
    world.revive()
    world.claim()
    world.replace_render(release_render(world.render.value, now=world.clock.now(), ending=Ending.BROKEN))
    settle(stale, store=world.store, publisher=world.publisher, now=world.clock.now)
    assert world.job("job-0001").status is Status.QUEUED


def no_answer() -> None:
    raise Retryable("no answer")


def test_while_the_publisher_is_down_jobs_are_final_and_their_events_wait(world: World) -> None:
    world.attach("job-0001", "job-0002")
    world.fail()
    world.publisher.is_down = True
    with pytest.raises(Retryable, match="nobody takes messages"):
        world.settle()
    assert [(world.job(each).status, world.job(each).event_pending) for each in ("job-0001", "job-0002")] == [
        (Status.FAILED, True),
        (Status.FAILED, True),
    ]
    assert world.events == []
    world.publisher.is_down = False
    world.settle()
    assert sorted(event.job_id for event in world.events) == ["job-0001", "job-0002"]
    assert not world.job("job-0001").event_pending


@pytest.mark.parametrize("commits_before", [0, 1])
def test_what_a_silent_store_left_undone_is_done_by_the_next_call(world: World, commits_before: int) -> None:
    world.attach("job-0001")
    world.fail()
    world.store.meddling.extend([*[lambda: None] * commits_before, no_answer])
    with pytest.raises(Retryable, match="no answer"):
        world.settle()
    world.settle()
    assert world.job("job-0001").status is Status.FAILED
    assert not world.job("job-0001").event_pending
    assert {event.job_id for event in world.events} == {"job-0001"}


def test_a_job_knows_when_it_was_settled(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.clock.pass_s(7)
    world.settle()
    assert world.job("job-0001").finished_at == world.example.created_at + timedelta(seconds=7)


# --- the outbox of one job ---


def test_an_outbox_that_another_emptied_in_the_same_moment_is_no_failure(world: World) -> None:
    world.attach("job-0001")
    world.fail()
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.settle()
    world.publisher.is_down = False
    stored = world.store.job("job-0001")
    assert stored
    world.store.meddling.append(world.settle)
    empty_outbox(stored, store=world.store, publisher=world.publisher)
    assert not world.job("job-0001").event_pending
    assert {event.event_id for event in world.events} == {"job-0001"}
