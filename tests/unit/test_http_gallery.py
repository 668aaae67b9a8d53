"""The gallery: films that anyone may see, and no other."""

import pytest

from shared.errors import ErrorCode, Retryable
from shared.job_store import Replace
from tests.unit.http_world import WISH, World, is_problem


@pytest.fixture
def world() -> World:
    return World()


def made(world: World, **wish: object) -> str:
    """A film of that wish; its render key."""
    job = world.post({**WISH, **wish}).body
    world.finish(job["render_key"])
    return str(job["render_key"])


def shown(world: World) -> list[str]:
    world.clock.pass_s(61)
    return [film["render_key"] for film in world.get("/gallery").body["films"]]


def test_films_that_are_ready_are_shown_the_newest_first(world: World) -> None:
    first = made(world, seed=1)
    world.clock.pass_s(1)
    second = made(world, seed=2, theme="rainy-night")
    world.post({**WISH, "seed": 3})

    assert shown(world) == [second, first]


def test_a_film_of_somebodys_own_words_is_never_shown_nor_linked(world: World) -> None:
    private = made(world, prompt="my own words")

    assert shown(world) == []
    for artifact in ("video", "poster", "human-view"):
        assert is_problem(world.get(f"/gallery/{private}/{artifact}"), ErrorCode.NOT_FOUND)
    assert b"words" not in world.get("/gallery").data


def test_the_wish_of_a_film_gets_it_at_once(world: World) -> None:
    key = made(world, seed=7, theme="first-snow")
    [film] = world.get("/gallery").body["films"]
    assert film["wish"] == {**WISH, "seed": 7, "theme": "first-snow", "model": "pocket", "size": "256x256"} | {
        "seconds": film["wish"]["seconds"]
    }

    answer = world.post(film["wish"])

    assert (answer.status, answer.body["status"], answer.body["render_key"]) == (200, "completed", key)


def test_a_film_has_its_poster_and_an_address_for_each_of_its_files(world: World) -> None:
    key = made(world)
    [film] = world.get("/gallery").body["films"]

    assert film["poster"]["url"].startswith("https://storage.example/renders/")
    assert set(film["links"]) == {"video", "poster", "human-view"}
    urls = {each: world.get(path).body["url"] for each, path in film["links"].items()}
    assert f"renders/{key}/video.mp4" in urls["video"]
    assert len(set(urls.values())) == 3


def test_files_are_saved_under_the_name_of_the_creature(world: World) -> None:
    key = made(world)
    world.get(f"/gallery/{key}/human-view")
    assert world.artifacts.signed[-1][2] == f"curious-cat-{key[:8]}-human-view.mp4"


def test_a_film_that_is_not_kept_any_more_is_not_there(world: World) -> None:
    key = made(world)
    render = world.store.render(key)
    assert render
    gone = render.value.model_copy(update={"expires_at": world.clock.now()})
    world.store.commit(Replace(stored=render, value=gone))

    assert shown(world) == []
    assert is_problem(world.get(f"/gallery/{key}/video"), ErrorCode.NOT_FOUND)


@pytest.mark.parametrize("key", ["0" * 40, "some-render", "..", "%2e%2e"])
def test_a_film_that_never_was_is_not_found(world: World, key: str) -> None:
    assert is_problem(world.get(f"/gallery/{key}/video"), ErrorCode.NOT_FOUND)


def test_a_film_that_is_being_made_is_not_found(world: World) -> None:
    key = world.post().body["render_key"]
    assert is_problem(world.get(f"/gallery/{key}/video"), ErrorCode.NOT_FOUND)


def test_films_are_at_most_24_however_many_there_are(world: World) -> None:
    for seed in range(30):
        made(world, seed=seed)
    assert len(shown(world)) == 24


def test_many_who_look_cost_one_reading_a_minute(world: World) -> None:
    made(world)
    answers = {world.get("/gallery").data for _ in range(5)}
    assert (len(answers), len(world.artifacts.signed)) == (1, 1)

    world.clock.pass_s(61)
    world.get("/gallery")
    assert len(world.artifacts.signed) == 2


def test_the_gallery_may_be_cached_for_less_than_its_links_live(world: World) -> None:
    made(world)
    answer = world.get("/gallery")
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert world.get("/gallery", If_None_Match=answer.headers["ETag"]).status == 304


def test_a_database_that_does_not_answer_is_told_and_not_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*, limit: int) -> None:
        raise Retryable(f"no {limit}")

    with monkeypatch.context() as broken:
        broken.setattr(world.store, "public_films", silent)
        assert is_problem(world.get("/gallery"), ErrorCode.UNAVAILABLE)

    assert world.get("/gallery").body == {"films": []}
