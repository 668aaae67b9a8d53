"""A private job is deleted while its video is being uploaded: nothing of it stays, and nothing of others goes."""

from collections.abc import Callable

import pytest

from gpu_job.lease import Lease
from shared.artifact_paths import human_view_path, poster_path, preview_path, receipt_path, render_folder, video_path
from shared.documents import State, Status
from shared.errors import Retryable
from shared.settling import complete_from_object
from shared.testing import put_video
from tests.unit.deletion_world import PrivateWorld, delete, no_answer


@pytest.fixture
def world() -> PrivateWorld:
    return PrivateWorld()


def worker_of(world: PrivateWorld) -> Lease:
    lease = world.claimant("worker-a").claim(world.key)
    assert isinstance(lease, Lease)
    return lease


def upload(world: PrivateWorld, lease: Lease) -> None:
    """All that an attempt puts into the bucket."""
    for path in (preview_path, poster_path, human_view_path, receipt_path):
        world.artifacts.create(path(world.key, lease.attempt), b"x", content_type="image/jpeg")
    put_video(world.artifacts, world.key, attempt=lease.attempt)


def deleted_during_its_upload(world: PrivateWorld) -> Lease:
    """The worker looked the last time before the job was deleted, and uploads what nobody owns."""
    world.wish("job-0001")
    lease = worker_of(world)
    delete(world)
    upload(world, lease)
    assert len(world.objects) >= 4
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
    assert len(world.objects) == 5


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
    assert len(world.objects) == 5


def test_what_no_worker_made_is_not_ours_to_delete(world: PrivateWorld) -> None:
    world.artifacts.create(video_path(world.key), b"holiday", content_type="video/mp4")
    world.hear()
    assert world.objects == {video_path(world.key)}
