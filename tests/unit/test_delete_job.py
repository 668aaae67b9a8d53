"""Deleting: a job goes, a public video lives on, a private one goes with its last job, and others lose nothing."""

from collections.abc import Callable

import pytest

from gpu_job.lease import LeaseLostError, NoLease
from shared.artifact_paths import video_path
from shared.documents import Job, Render, Stage, State, Status
from shared.errors import Retryable
from shared.jobs import touch
from shared.testing import a_job
from tests.unit.deletion_world import PrivateWorld, delete, finish, no_answer
from tests.unit.notify_world import World

#: Nobody comes before the two writes that are made of a waiting job before it is deleted.
CANCELED_AND_TOLD = [lambda: None, lambda: None]


@pytest.fixture
def world() -> PrivateWorld:
    return PrivateWorld()


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


def test_with_the_last_job_go_all_its_objects_and_the_document_with_the_prompt(world: PrivateWorld) -> None:
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
    assert (world.render, len(world.objects)) == (before, 5)
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
    assert len(world.objects) == 5
    delete(world, "job-0002")
    assert (world.everything(), world.objects) == ({}, set())


def test_a_public_video_stays_although_its_render_is_gone(world: PrivateWorld) -> None:
    world.wish("job-0001")
    finish(world)
    world.delete_render()
    delete(world)
    assert (world.everything(), len(world.objects)) == ({}, 5)
