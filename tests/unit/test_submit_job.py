"""The use case behind ``POST /jobs``: what is stored and published, whoever does not answer."""

import pytest
from placing import NotSeenToError
from submit_job import job_id_of

from shared.artifact_store import Artifact
from shared.documents import State, Status
from shared.errors import Rejected, Retryable
from shared.jobs import (
    RETENTION,
)
from shared.messages import RENDER_REQUESTS, RENDER_REQUESTS_BULK, RenderRequested
from shared.requests import Priority
from shared.testing import (
    TRACEPARENT,
    a_spec,
)
from tests.unit.submit_world import KEY, VanishingArtifactStore, World, no_answer


@pytest.fixture
def world() -> World:
    return World()


# --- a new wish ---


def test_a_new_wish_stores_a_job_and_its_render_and_sends_one_message(world: World) -> None:
    job = world.submit()
    assert world.job(job) == job
    assert (job.owner, job.status, job.render_key, job.traceparent) == ("ada", Status.QUEUED, KEY, TRACEPARENT)
    assert job.request
    assert (job.request.model, job.request.size, job.request.seconds) == ("pocket", "256x256", 2)
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
