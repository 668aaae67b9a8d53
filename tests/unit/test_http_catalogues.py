"""The catalogues over HTTP: what is shown, and how long it may be kept."""

import pytest

from local.bundles import ROOT
from shared.models import models
from shared.perspectives import perspectives
from shared.themes import themes
from tests.unit.http_world import WISH, World

CATALOGUES = ["/perspectives", "/themes", "/models"]


@pytest.fixture
def world() -> World:
    return World()


def test_the_perspectives_are_shown_without_their_prompts(world: World) -> None:
    shown = world.get("/perspectives").body["perspectives"]
    assert [each["id"] for each in shown] == list(perspectives())
    told = {"id", "version", "name", "kind", "summary", "sight", "scenes", "camera", "optics", "playful", "card"}
    assert {key for each in shown for key in each} == told
    figures = [figure for each in shown for figure in each["optics"].values() if isinstance(figure, dict)]
    assert len(figures) > 40
    assert all("source" in figure or "estimate" in figure for figure in figures)


def test_every_perspective_names_its_card_which_the_page_has(world: World) -> None:
    cards = {each["id"]: each["card"] for each in world.get("/perspectives").body["perspectives"]}
    assert cards["curious-cat"] == "cards/curious-cat.webp"
    assert all((ROOT / "frontend/public" / card).is_file() for card in cards.values())


def test_the_themes_are_shown(world: World) -> None:
    assert world.get("/themes", Authorization="").body == {"themes": [each.model_dump() for each in themes().values()]}


def test_only_models_that_are_served_are_shown_the_default_first() -> None:
    world = World(SERVED_MODELS="wan2.1-t2v-1.3b,pocket")
    shown = world.get("/models").body["models"]
    assert [each["id"] for each in shown] == ["wan2.1-t2v-1.3b", "pocket"]
    assert [each["id"] for each in World().get("/models").body["models"]] == ["pocket"]
    assert shown[0]["sizes"] == [str(size) for size in models()["wan2.1-t2v-1.3b"].sizes] == ["832x480", "480x832"]
    assert shown[0]["lengths"][0] == {"seconds": 5, "frames": 81}


def test_every_size_and_length_that_is_shown_can_be_asked_for(world: World) -> None:
    for model in world.get("/models").body["models"]:
        for size in model["sizes"]:
            for length in model["lengths"]:
                wish = {**WISH, "model": model["id"], "size": size, "seconds": length["seconds"]}
                assert world.post(wish).status == 202


@pytest.mark.parametrize("path", CATALOGUES)
def test_a_catalogue_may_be_cached_and_is_not_sent_twice(world: World, path: str) -> None:
    first = world.get(path, Authorization="")
    assert (first.status, first.headers["Cache-Control"]) == (200, "public, max-age=300")
    again = world.get(path, Authorization="", If_None_Match=first.headers["ETag"])
    assert (again.status, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert world.get(path, Authorization="", If_None_Match='"another"').status == 200


def test_every_catalogue_has_an_etag_of_its_own_that_stays(world: World) -> None:
    etags = {path: world.get(path, Authorization="").headers["ETag"] for path in CATALOGUES}
    assert len(set(etags.values())) == len(CATALOGUES)
    assert {path: World().get(path, Authorization="").headers["ETag"] for path in CATALOGUES} == etags


@pytest.mark.parametrize("path", CATALOGUES)
def test_other_scripts_are_sent_as_they_are(world: World, path: str) -> None:
    assert b"\\u" not in world.get(path).data
