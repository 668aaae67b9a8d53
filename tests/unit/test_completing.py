"""Completing a render from its object, and what who looks at a render finds."""

import pytest

from shared.artifact_paths import video_path
from shared.documents import State
from shared.errors import Permanent
from shared.job_store import Delete
from shared.jobs import touch
from shared.settling import complete_from_object
from shared.testing import put_video
from tests.unit.settling_world import ERROR, World


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
