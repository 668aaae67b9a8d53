"""Deleting: a job goes, a public video lives on, a private one goes with its last job, and others lose nothing."""

from collections.abc import Callable

import pytest
from delete_job import delete_job

from gpu_job.lease import Lease, LeaseLostError, NoLease
from shared.artifact_paths import poster_path, receipt_path, render_folder, video_path
from shared.documents import Job, Render, Stage, State, Status
from shared.errors import Retryable
from shared.jobs import touch
from shared.settling import complete_from_object
from shared.testing import a_job, a_render, put_video
from tests.unit.notify_world import World

OWNER = "person:7"
#: Nobody comes before the two writes that are made of a waiting job before it is deleted.
CANCELED_AND_TOLD = [lambda: None, lambda: None]


class PrivateWorld(World):
    """A render that belongs to one person: it was wished for in her own words."""

    def __init__(self) -> None:
        super().__init__()
        self.example = a_render(now=self.clock.now(), owner=OWNER, prompt="a moth at the lamp")
        self.key = self.example.render_key
        assert self.example.spec.scope == OWNER

    def put_attempt(self) -> None:
        """What a worker uploads before its commit."""
        for name in (poster_path(self.key, "1-a"), receipt_path(self.key, "1-a")):
            self.artifacts.create(name, b"x", content_type="image/jpeg")

    @property
    def objects(self) -> set[str]:
        return set(self.artifacts._objects)


@pytest.fixture
def world() -> PrivateWorld:
    return PrivateWorld()


def delete(world: World, job_id: str = "job-0001") -> None:
    delete_job(
        world.stored_job(job_id),
        store=world.store,
        artifacts=world.artifacts,
        publisher=world.publisher,
        now=world.clock.now,
    )


def no_answer(*_: object) -> None:
    raise Retryable("no answer")


def finish(world: PrivateWorld) -> None:
    world.put_attempt()
    world.work()
    assert world.render.state is State.COMPLETED
    assert len(world.objects) == 3


# --- a public video ---


def test_a_public_video_lives_on_without_any_job() -> None:
    world = World()
    world.wish("job-0001")
    world.work()
    delete(world)
    assert world.store.job("job-0001") is None
    assert world.render.state is State.COMPLETED
    assert world.artifacts.get(video_path(world.key))


def test_deleting_a_waiting_job_stops_a_public_render_as_canceling_does() -> None:
    world = World()
    world.wish("job-0001")
    delete(world)
    assert world.claimant("a").claim(world.key) is NoLease.NOBODY_WAITS
    assert world.render.state is State.IDLE


def test_others_who_wait_for_the_same_video_get_it() -> None:
    world = World()
    world.wish("job-0001", "job-0002")
    delete(world)
    world.work()
    assert world.job("job-0002").status is Status.COMPLETED
    assert [(event.job_id, event.status) for event in world.events] == [
        ("job-0001", Status.CANCELED),
        ("job-0002", Status.COMPLETED),
    ]


# --- what listeners hear ---


def test_who_listens_hears_of_a_job_that_is_deleted_before_it_is_final() -> None:
    world = World()
    world.wish("job-0001")
    delete(world)
    assert [(event.job_id, event.status) for event in world.events] == [("job-0001", Status.CANCELED)]
    assert world.store.job("job-0001") is None


@pytest.mark.parametrize("is_out", [False, True])
def test_who_listens_hears_once_how_a_job_ended_that_is_deleted(is_out: bool) -> None:  # noqa: FBT001
    world = World()
    world.wish("job-0001")
    world.work()
    world.publisher.published.clear()
    world.change_job("job-0001", lambda job: job.model_copy(update={"event_pending": not is_out}))
    delete(world)
    assert [event.status for event in world.events] == [] if is_out else [Status.COMPLETED]
    assert world.store.job("job-0001") is None


def test_while_nobody_takes_events_a_job_is_canceled_and_not_deleted_yet() -> None:
    world = World()
    world.wish("job-0001")
    world.publisher.is_down = True
    with pytest.raises(Retryable):
        delete(world)
    assert (world.job("job-0001").status, world.job("job-0001").event_pending) == (Status.CANCELED, True)
    world.publisher.is_down = False
    delete(world)
    assert [event.status for event in world.events] == [Status.CANCELED]
    assert world.store.job("job-0001") is None


def test_a_job_that_is_completed_while_it_is_deleted_is_told_of_as_completed() -> None:
    world = World()
    world.wish("job-0001")
    world.store.meddling.append(world.work)
    delete(world)
    assert [event.status for event in world.events] == [Status.COMPLETED]
    assert world.store.job("job-0001") is None


# --- a private one ---


def test_with_the_last_job_go_video_poster_receipt_and_the_document_with_the_prompt(world: PrivateWorld) -> None:
    world.wish("job-0001")
    finish(world)
    delete(world)
    assert world.everything() == {}
    assert world.objects == set()


def test_while_another_job_shows_it_a_private_video_stays(world: PrivateWorld) -> None:
    world.wish("job-0001", "job-0002")
    finish(world)
    before = world.render
    delete(world)
    assert (world.render, len(world.objects)) == (before, 3)
    delete(world, "job-0002")
    assert (world.everything(), world.objects) == ({}, set())


def test_objects_of_other_renders_stay(world: PrivateWorld) -> None:
    world.artifacts.create(video_path("cd" * 20), b"x", content_type="video/mp4")
    world.wish("job-0001")
    finish_and_delete = (world.put_attempt, world.work, lambda: delete(world))
    for act in finish_and_delete:
        act()
    assert world.objects == {video_path("cd" * 20)}


@pytest.mark.parametrize("end", [World.fail, lambda _: None], ids=["failed", "idle"])
def test_a_prompt_does_not_stay_behind_with_a_render_that_has_no_video(
    world: PrivateWorld, end: Callable[[World], None]
) -> None:
    world.wish("job-0001")
    end(world)
    delete(world)
    assert world.everything() == {}
    world.work()  # its message comes, and there is nothing to do
    assert world.everything() == {}
    assert [event.status for event in world.events] == [Status.CANCELED]


def test_a_worker_in_the_middle_of_a_deleted_private_render_stops_at_its_next_step(world: PrivateWorld) -> None:
    world.wish("job-0001")
    lease = world.claimant("worker-a").claim(world.key)
    world.put_attempt()
    delete(world)
    assert world.objects == set()
    with pytest.raises(LeaseLostError):
        lease.renew(Stage.RENDERING, 50)  # type: ignore[union-attr]
    assert world.everything() == {}


# --- others at the same time ---


def test_who_wishes_for_a_completed_one_in_the_same_moment_has_it_made_anew(world: PrivateWorld) -> None:
    world.wish("job-0001")
    finish(world)
    world.store.meddling.append(lambda: world.wish("job-0002"))
    delete(world)
    assert world.store.job("job-0001") is None
    world.work()
    assert world.job("job-0002").status is Status.COMPLETED
    assert video_path(world.key) in world.objects


def test_who_wishes_for_a_waiting_one_before_it_is_deleted_is_not_forgotten(world: PrivateWorld) -> None:
    world.wish("job-0001")
    world.change(lambda render: render.model_copy(update={"published_at": None}))
    world.store.meddling.extend([*CANCELED_AND_TOLD, lambda: world.wish("job-0002")])
    delete(world)
    assert world.store.job("job-0001") is None
    world.work()
    assert world.job("job-0002").status is Status.COMPLETED


def test_who_wishes_after_it_was_deleted_gets_a_video_of_his_own(world: PrivateWorld) -> None:
    world.wish("job-0001")
    finish(world)
    delete(world)
    world.wish("job-0002")
    world.work()
    assert world.job("job-0002").status is Status.COMPLETED


def test_progress_in_the_same_moment_does_not_save_a_job(world: PrivateWorld) -> None:
    world.wish("job-0001")
    world.store.meddling.extend(
        [
            lambda: world.change_job("job-0001", lambda job: touch(job, now=world.clock.now())),
            *CANCELED_AND_TOLD,
            lambda: world.change(touch_render(world)),
        ]
    )
    delete(world)
    assert world.everything() == {}


def touch_render(world: World) -> Callable[[Render], Render]:
    return lambda render: touch(render, now=world.clock.now())


def test_two_who_delete_at_once_delete_once(world: PrivateWorld) -> None:
    world.wish("job-0001")
    finish(world)
    world.store.meddling.append(lambda: delete(world))
    delete(world)
    assert (world.everything(), world.objects) == ({}, set())


def test_two_last_jobs_that_are_deleted_at_once_leave_nothing(world: PrivateWorld) -> None:
    world.wish("job-0001", "job-0002")
    finish(world)
    world.store.meddling.append(lambda: delete(world, "job-0002"))
    delete(world)
    assert (world.everything(), world.objects) == ({}, set())


# --- when something is broken ---


def test_a_bucket_that_does_not_answer_keeps_the_job_so_that_it_can_be_deleted_again(
    world: PrivateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.wish("job-0001")
    finish(world)
    monkeypatch.setattr(world.artifacts, "delete_folder", no_answer)
    with pytest.raises(Retryable):
        delete(world)
    assert world.store.job("job-0001")
    monkeypatch.undo()
    delete(world)
    assert (world.everything(), world.objects) == ({}, set())


def test_a_store_that_does_not_take_it_keeps_the_job_so_that_it_can_be_deleted_again(world: PrivateWorld) -> None:
    world.wish("job-0001")
    finish(world)
    world.store.meddling.append(no_answer)
    with pytest.raises(Retryable):
        delete(world)
    delete(world)
    assert (world.everything(), world.objects) == ({}, set())


def test_a_job_that_never_had_a_render_is_deleted(world: PrivateWorld) -> None:
    world.put(a_job(world.example, job_id="job-0001", now=world.clock.now()).model_copy(update={"render_key": None}))
    delete(world)
    assert world.everything() == {}


def test_a_job_whose_render_is_gone_is_deleted(world: PrivateWorld) -> None:
    world.put_job("job-0001")
    delete(world)
    assert world.everything() == {}


def private_job_without_its_render(world: PrivateWorld, *job_ids: str) -> None:
    """Its render's time was up; the bucket keeps the objects for a day more."""
    world.wish(*job_ids)
    finish(world)
    for job_id in job_ids:
        world.change_job(job_id, in_her_own_words)
    world.delete_render()


def in_her_own_words(job: Job) -> Job:
    assert job.request
    return job.model_copy(update={"request": job.request.model_copy(update={"prompt": "a moth at the lamp"})})


def test_the_objects_of_a_private_job_go_with_it_although_its_render_is_gone(world: PrivateWorld) -> None:
    private_job_without_its_render(world, "job-0001")
    delete(world)
    assert (world.everything(), world.objects) == ({}, set())


def test_while_another_job_shows_it_a_private_video_stays_although_its_render_is_gone(world: PrivateWorld) -> None:
    private_job_without_its_render(world, "job-0001", "job-0002")
    delete(world)
    assert len(world.objects) == 3
    delete(world, "job-0002")
    assert (world.everything(), world.objects) == ({}, set())


def test_a_public_video_stays_although_its_render_is_gone(world: PrivateWorld) -> None:
    world.wish("job-0001")
    finish(world)
    world.delete_render()
    delete(world)
    assert (world.everything(), len(world.objects)) == ({}, 3)


# --- while its video is being uploaded ---


def worker_of(world: PrivateWorld) -> Lease:
    lease = world.claimant("worker-a").claim(world.key)
    assert isinstance(lease, Lease)
    return lease


def upload(world: PrivateWorld, lease: Lease) -> None:
    """All that an attempt puts into the bucket."""
    for name in (poster_path(world.key, lease.attempt), receipt_path(world.key, lease.attempt)):
        world.artifacts.create(name, b"x", content_type="image/jpeg")
    put_video(world.artifacts, world.key, attempt=lease.attempt)


def deleted_during_its_upload(world: PrivateWorld) -> Lease:
    """The worker looked the last time before the job was deleted, and uploads what nobody owns."""
    world.wish("job-0001")
    lease = worker_of(world)
    delete(world)
    upload(world, lease)
    assert len(world.objects) >= 3
    return lease


def test_a_video_that_was_uploaded_after_its_private_render_was_deleted_goes_when_it_is_heard_of(
    world: PrivateWorld,
) -> None:
    deleted_during_its_upload(world)
    world.hear()
    assert (world.everything(), world.objects) == ({}, set())


def test_the_worker_that_uploaded_it_deletes_it_too_in_case_nobody_hears_of_it(world: PrivateWorld) -> None:
    deleted_during_its_upload(world).complete()
    assert (world.everything(), world.objects) == ({}, set())
    world.hear()  # late, of what is gone
    assert (world.everything(), world.objects) == ({}, set())


def test_objects_of_others_are_not_swept_away_with_it(world: PrivateWorld) -> None:
    world.artifacts.create(video_path("cd" * 20), b"x", content_type="video/mp4")
    deleted_during_its_upload(world)
    world.hear()
    assert world.objects == {video_path("cd" * 20)}


def test_a_bucket_that_does_not_delete_it_has_the_event_delivered_again(
    world: PrivateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted_during_its_upload(world)
    monkeypatch.setattr(world.artifacts, "delete", no_answer)
    with pytest.raises(Retryable):
        world.hear()
    monkeypatch.undo()
    world.hear()
    assert world.objects == set()


def test_who_wishes_for_it_again_before_it_is_heard_of_gets_it(world: PrivateWorld) -> None:
    deleted_during_its_upload(world)
    world.wish("job-0002")
    world.hear()
    assert world.job("job-0002").status is Status.COMPLETED
    assert len(world.objects) == 3


def before_call(world: PrivateWorld, monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Somebody comes right before the next call of a method of the bucket."""
    method = getattr(world.artifacts, name)

    def meddled(*args: object) -> object:
        monkeypatch.setattr(world.artifacts, name, method)
        act()
        return method(*args)

    monkeypatch.setattr(world.artifacts, name, meddled)


def test_who_wishes_for_it_again_while_it_is_deleted_has_it_made_anew(
    world: PrivateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    deleted_during_its_upload(world)
    before_call(world, monkeypatch, "delete", lambda: world.wish("job-0002"))
    world.hear()
    assert world.objects == set()
    world.work()
    assert world.job("job-0002").status is Status.COMPLETED
    assert video_path(world.key) in world.objects


def test_nobody_waits_forever_for_a_video_that_was_taken_over_and_deleted_in_the_same_moment(
    world: PrivateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new render of the same key is completed from the object, which is deleted before its jobs are told."""

    def taken_over() -> None:
        world.wish("job-0002")
        assert complete_from_object(world.key, store=world.store, artifacts=world.artifacts, now=world.clock.now)
        assert world.render.state is State.COMPLETED

    deleted_during_its_upload(world)
    before_call(world, monkeypatch, "delete", taken_over)
    world.hear()
    assert (world.render.state, world.job("job-0002").status) == (State.IDLE, Status.QUEUED)
    world.work()
    assert world.job("job-0002").status is Status.COMPLETED
    assert video_path(world.key) in world.objects


def test_what_a_new_attempt_has_put_in_place_of_it_stays(world: PrivateWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def replaced() -> None:
        world.artifacts.delete_folder(render_folder(world.key))
        world.wish("job-0002")
        upload(world, worker_of(world))

    deleted_during_its_upload(world)
    before_call(world, monkeypatch, "delete", replaced)
    world.hear()
    assert world.job("job-0002").status is Status.COMPLETED
    assert len(world.objects) == 3


def test_what_no_worker_made_is_not_ours_to_delete(world: PrivateWorld) -> None:
    world.artifacts.create(video_path(world.key), b"holiday", content_type="video/mp4")
    world.hear()
    assert world.objects == {video_path(world.key)}
