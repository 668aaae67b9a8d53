"""The storage trigger: the event is a hint, the object is the truth."""

from dataclasses import dataclass, field

import pytest
from notifier import object_finalized
from repairing import Repairer

from shared.artifact_paths import human_view_path, poster_path, receipt_path, video_path
from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, JobError, Render, State, Status
from shared.errors import ErrorCode, Retryable
from shared.job_store import Create, Replace
from shared.jobs import claim_render, fail_render, revive_render
from shared.messages import JOB_EVENTS, JobEvent, decode
from shared.requests import Priority
from shared.testing import Clock, FlakyPublisher, MeddledJobStore, a_job, a_render, put_video

ERROR = JobError(code=ErrorCode.RENDER_FAILED, message="out of memory")


@dataclass
class World:
    """One render that a worker has, and one job that waits for it."""

    clock: Clock = field(default_factory=Clock)
    artifacts: InMemoryArtifactStore = field(default_factory=InMemoryArtifactStore)
    publisher: FlakyPublisher = field(default_factory=FlakyPublisher)

    def __post_init__(self) -> None:
        self.store = MeddledJobStore(now=self.clock.now)
        render = a_render(now=self.clock.now())
        job = a_job(render, job_id="job-0001", now=self.clock.now())
        self.key = render.render_key
        self.store.commit(Create(value=render), Create(value=job))
        self.replace(claim_render(render, holder="a", lease_s=60, now=self.clock.now()))
        self.repairer = Repairer(
            store=self.store, publisher=self.publisher, artifacts=self.artifacts, now=self.clock.now
        )

    def replace(self, value: Render) -> None:
        stored = self.store.render(self.key)
        assert stored
        self.store.commit(Replace(stored=stored, value=value))

    def hear(self, name: object = None, *, bucket: object = "videos") -> None:
        name = video_path(self.key) if name is None else name
        object_finalized(bucket, name, ours="videos", repairer=self.repairer)

    @property
    def render(self) -> Render:
        stored = self.store.render(self.key)
        assert stored
        return stored.value

    @property
    def job(self) -> Job:
        stored = self.store.job("job-0001")
        assert stored
        return stored.value

    @property
    def events(self) -> list[JobEvent]:
        return [decode(JobEvent, each.data) for each in self.publisher.published[JOB_EVENTS]]


@pytest.fixture
def world() -> World:
    return World()


def test_a_finalized_video_completes_render_and_jobs_and_tells_the_world(world: World) -> None:
    put_video(world.artifacts, world.key)
    world.hear()
    assert world.render.state is State.COMPLETED
    assert (world.job.status, world.job.video) == (Status.COMPLETED, world.render.video)
    assert [(event.job_id, event.status) for event in world.events] == [("job-0001", Status.COMPLETED)]


def test_an_event_that_comes_twice_changes_nothing_and_says_nothing(world: World) -> None:
    put_video(world.artifacts, world.key)
    world.hear()
    before = dict(world.store._documents)
    world.clock.pass_s(60)
    world.hear()
    assert world.store._documents == before
    assert len(world.events) == 1


def test_an_event_that_comes_twice_at_once_completes_each_job_once(world: World) -> None:
    put_video(world.artifacts, world.key)
    world.store.meddling.append(world.hear)
    world.hear()
    assert world.job.status is Status.COMPLETED
    assert len(world.events) == 1


@pytest.mark.parametrize(
    "name",
    [
        lambda key: poster_path(key, "1-a"),
        lambda key: receipt_path(key, "1-a"),
        lambda key: human_view_path(key, "1-a"),
        lambda key: f"renders/{key}/video.mp4.tmp",
        lambda _: "readme.txt",
        lambda _: "",
        lambda _: 5,
        lambda _: ["renders"],
    ],
)
def test_other_objects_are_ignored_even_when_the_video_is_there(world: World, name: object) -> None:
    assert callable(name)
    put_video(world.artifacts, world.key)
    before = dict(world.store._documents)
    world.hear(name(world.key))
    assert world.store._documents == before
    assert world.events == []


def test_an_event_without_a_name_is_ignored(world: World) -> None:
    put_video(world.artifacts, world.key)
    object_finalized("videos", None, ours="videos", repairer=world.repairer)
    assert world.render.state is State.LEASED


@pytest.mark.parametrize("bucket", ["other", "", None, 5, "videos2"])
def test_objects_of_another_bucket_are_ignored(world: World, bucket: object) -> None:
    put_video(world.artifacts, world.key)
    world.hear(bucket=bucket)
    assert world.render.state is State.LEASED
    assert world.events == []


def test_an_event_that_comes_after_its_object_was_deleted_is_ignored(world: World) -> None:
    world.hear()
    assert world.render.state is State.LEASED
    assert world.job.status is Status.QUEUED
    assert world.events == []


def test_a_late_event_does_not_complete_what_was_deleted_and_wished_for_again(world: World) -> None:
    world.replace(fail_render(world.render, error=ERROR, now=world.clock.now()))
    world.replace(revive_render(world.render, priority=Priority.INTERACTIVE, now=world.clock.now()))
    world.hear()
    assert world.render.state is State.IDLE
    assert world.job.status is Status.QUEUED


def test_an_event_that_comes_before_anything_else_about_the_render_was_written_completes_it(world: World) -> None:
    world = World()
    idle = a_render(now=world.clock.now(), seed=2)
    job = a_job(idle, job_id="job-0002", now=world.clock.now())
    world.store.commit(Create(value=idle), Create(value=job))
    put_video(world.artifacts, idle.render_key)
    world.hear(video_path(idle.render_key))
    stored = world.store.job("job-0002")
    assert stored
    assert (stored.value.status, stored.value.progress) == (Status.COMPLETED, 100)


def test_a_video_that_comes_after_its_render_was_given_up_completes_it_but_no_job_that_failed(world: World) -> None:
    world.replace(fail_render(world.render, error=ERROR, now=world.clock.now()))
    world.hear()  # settles the failure
    assert world.job.status is Status.FAILED
    put_video(world.artifacts, world.key)
    world.hear()
    assert world.render.state is State.COMPLETED
    assert world.job.status is Status.FAILED
    assert [event.status for event in world.events] == [Status.FAILED]


def test_an_object_without_a_render_brings_none_into_being_and_is_deleted(world: World) -> None:
    put_video(world.artifacts, "cd" * 20)
    world.hear(video_path("cd" * 20))
    assert world.store.render("cd" * 20) is None
    assert world.artifacts.get(video_path("cd" * 20)) is None


def test_an_object_that_no_worker_made_is_not_delivered_again_and_fails_the_render_that_it_blocks(world: World) -> None:
    world.artifacts.create(video_path(world.key), b"cat.jpg", content_type="image/jpeg")
    world.hear()
    assert world.render.state is State.FAILED
    assert (world.job.status, world.job.error) == (Status.FAILED, world.render.error)
    assert world.job.error
    assert "no worker made it" in world.job.error.message
    assert [event.status for event in world.events] == [Status.FAILED]


def test_while_nobody_takes_events_the_trigger_is_delivered_again_until_somebody_does(world: World) -> None:
    put_video(world.artifacts, world.key)
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        world.hear()
    assert (world.job.status, world.job.event_pending) == (Status.COMPLETED, True)
    world.publisher.is_down = False
    world.hear()
    assert not world.job.event_pending
    assert len(world.events) == 1


@pytest.mark.parametrize("commits_before", [0, 1, 2])
def test_a_store_that_falls_silent_at_any_write_is_made_up_for_by_the_next_delivery(
    world: World, commits_before: int
) -> None:
    def no_answer() -> None:
        raise Retryable("no answer")

    put_video(world.artifacts, world.key)
    world.store.meddling.extend([*[lambda: None] * commits_before, no_answer])
    with pytest.raises(Retryable, match="no answer"):
        world.hear()
    world.hear()
    assert (world.job.status, world.job.event_pending) == (Status.COMPLETED, False)
    assert {event.event_id for event in world.events} == {"job-0001"}
