"""Attaching and deleting in one moment, as found by `tests.simulation`: nobody waits for what is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from delete_job import delete_job
from placing import attach, place

from shared.artifact_store.memory import InMemoryArtifactStore
from shared.documents import Job, Render, State, Status
from shared.job_store import Create, Delete, Replace
from shared.jobs import RETENTION, cancel_job, retire, touch
from shared.publisher.memory import InMemoryPublisher
from shared.settling import complete_from_object
from shared.testing import Clock, MeddledJobStore, a_job, a_render, put_video
from tests.unit.batch_world import ADA, World, a_row

if TYPE_CHECKING:
    from collections.abc import Callable

PRIVATE = {"prompt": "a moth at the lamp"}


class MeddledArtifactStore(InMemoryArtifactStore):
    """Somebody does something in the moment in which a folder is deleted or kept."""

    meddle: Callable[[], object] = staticmethod(lambda: None)

    def delete_folder(self, folder: str) -> None:
        super().delete_folder(folder)
        self.meddle()

    def keep_folder(self, folder: str) -> None:
        self.meddle()
        super().keep_folder(folder)


class Room:
    """One render, and the jobs that wait for it."""

    def __init__(self, *, owner: str = ADA.owner, **wishes: Any) -> None:
        self.clock = Clock()
        self.store = MeddledJobStore(now=self.clock.now)
        self.artifacts = MeddledArtifactStore()
        self.publisher = InMemoryPublisher()
        self.example = a_render(now=self.clock.now(), owner=owner, **wishes)

    def wish(self, job_id: str) -> Job:
        job = a_job(self.example, job_id=job_id, now=self.clock.now(), owner=self.example.spec.scope)
        return place(
            job,
            self.example.spec,
            store=self.store,
            publisher=self.publisher,
            artifacts=self.artifacts,
            now=self.clock.now,
        )

    def delete(self, job_id: str) -> None:
        stored = self.store.job(job_id)
        assert stored
        delete_job(stored, store=self.store, artifacts=self.artifacts, publisher=self.publisher, now=self.clock.now)

    @property
    def render(self) -> Render | None:
        found = self.store.render(self.example.render_key)
        return found.value if found else None


@pytest.mark.parametrize("is_completed", [False, True])
def test_who_wishes_for_a_private_video_while_it_is_deleted_does_not_wait_for_nothing(is_completed: bool) -> None:  # noqa: FBT001
    room = Room(**PRIVATE)
    room.wish("job-0001")
    if is_completed:
        put_video(room.artifacts, room.example.render_key)
        complete_from_object(room.example.render_key, store=room.store, artifacts=room.artifacts, now=room.clock.now)
    room.artifacts.meddle = lambda: room.wish("job-0002") if room.store.job("job-0002") is None else None

    room.delete("job-0001")

    assert room.store.job("job-0001") is None
    assert room.render
    assert room.render.state is State.IDLE
    assert room.render.published_at


def test_of_two_last_jobs_deleted_at_once_none_leaves_the_render_to_the_other() -> None:
    room = Room(**PRIVATE)
    room.wish("job-0001")
    room.wish("job-0002")

    def delete_the_other() -> None:
        stored = room.store.job("job-0002")
        assert stored
        room.store.commit(Delete(stored=stored))

    def write_the_render() -> None:
        stored = room.store.render(room.example.render_key)
        assert stored
        room.store.commit(Replace(stored=stored, value=touch(stored.value, now=room.clock.now())))

    canceled_and_told = [lambda: None, lambda: None]
    room.store.meddling.extend([*canceled_and_told, delete_the_other, write_the_render])
    room.delete("job-0001")

    assert room.render is None


def test_a_job_that_is_deleted_while_it_attaches_leaves_no_render_behind() -> None:
    room = Room(**PRIVATE)
    job = a_job(room.example, now=room.clock.now(), owner=ADA.owner)
    [stored] = room.store.commit(Create(value=job))
    room.store.meddling.append(lambda: room.store.commit(Delete(stored=stored)))

    attach(
        job,
        room.example.spec,
        store=room.store,
        publisher=room.publisher,
        artifacts=room.artifacts,
        now=room.clock.now,
    )

    assert room.render is None
    assert not room.publisher.published


def test_a_video_that_the_bucket_deletes_while_it_is_kept_for_longer_is_made_again() -> None:
    room = Room()
    room.wish("job-0001")
    put_video(room.artifacts, room.example.render_key)
    complete_from_object(room.example.render_key, store=room.store, artifacts=room.artifacts, now=room.clock.now)
    room.clock.pass_s(RETENTION.total_seconds())
    room.artifacts.meddle = room.artifacts._objects.clear

    job = room.wish("job-0002")

    assert job.status is Status.QUEUED
    assert room.render
    assert room.render.state is State.IDLE


def test_a_row_that_attaches_to_a_private_render_is_noticed_by_who_deletes_it() -> None:
    world = World()
    world.accept(requests=[a_row(1, **PRIVATE)])
    world.deliver()
    [first] = world.jobs
    artifacts = MeddledArtifactStore()

    def one_more() -> None:
        if len(world.jobs) == 1:
            world.accept(requests=[a_row(1, **PRIVATE)])
            world.deliver()

    artifacts.meddle = one_more
    stored = world.store.job(first.job_id)
    assert stored
    delete_job(stored, store=world.store, artifacts=artifacts, publisher=world.publisher, now=world.clock.now)

    [second] = world.jobs
    assert second.job_id != first.job_id
    assert world.store.render(second.render_key or "")


def test_a_message_that_was_put_to_rest_before_its_mark_is_not_marked() -> None:
    world = World()
    world.accept(requests=[a_row(1), a_row(2)])

    def put_to_rest() -> None:
        job = world.jobs[0]
        stored, render = world.store.job(job.job_id), world.store.render(job.render_key or "")
        assert stored
        assert render
        now = world.clock.now()
        world.store.commit(
            Replace(stored=stored, value=cancel_job(job, now=now)),
            Replace(stored=render, value=retire(render.value, now=now)),
        )

    world.store.meddling.extend([lambda: None, put_to_rest])
    world.deliver()

    rested, marked = (world.store.render(job.render_key or "") for job in world.jobs)
    assert rested
    assert marked
    assert rested.value.published_at is None
    assert marked.value.published_at
