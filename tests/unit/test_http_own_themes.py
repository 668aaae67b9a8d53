"""Themes that people save for themselves."""

import json

import pytest

from shared.errors import ErrorCode
from shared.own_themes import MOST_THEMES
from shared.themes import themes
from tests.unit.http_world import Answer, World, is_problem

FOG = {"name": "Harbour fog", "words": "thick fog over a harbour, sodium lamps"}


@pytest.fixture
def world() -> World:
    return World()


def save(world: World, **changes: object) -> Answer:
    return world.post({**FOG, **changes}, to="/themes")


def own(world: World) -> list[str]:
    return [each["name"] for each in world.get("/themes").body["own"]]


def test_a_saved_theme_comes_back_beside_those_of_the_catalogue(world: World) -> None:
    answer = save(world)
    assert answer.status == 201
    assert answer.body.items() >= FOG.items()
    assert answer.headers["Location"] == f"/themes/{answer.body['id']}"

    body = world.get("/themes").body

    assert [each["id"] for each in body["themes"]] == list(themes())
    assert body["own"] == [answer.body]


def test_ones_own_are_kept_by_no_cache_and_not_shown_to_who_names_nobody(world: World) -> None:
    save(world)
    with_token, without = world.get("/themes"), world.get("/themes", Authorization="")

    assert with_token.headers["Cache-Control"] == "no-store"
    assert "own" not in without.body
    assert "Authorization" in without.headers["Vary"], "else a browser would go on showing that"


def test_saving_under_the_same_name_again_replaces_the_words(world: World) -> None:
    first = save(world)
    again = save(world, name="  harbour  FOG ", words="thin fog")

    assert (again.status, again.body["id"]) == (200, first.body["id"])
    assert [each["words"] for each in world.get("/themes").body["own"]] == ["thin fog"]


def test_the_newest_comes_first(world: World) -> None:
    for name in ("a", "b", "c", "a"):
        save(world, name=name)
    assert own(world) == ["a", "c", "b"]


def test_a_deleted_theme_is_gone_and_can_be_deleted_once(world: World) -> None:
    path = save(world).headers["Location"]
    save(world, name="Another")

    assert world.call("DELETE", path).status == 204
    assert own(world) == ["Another"]
    assert is_problem(world.call("DELETE", path), ErrorCode.NOT_FOUND)


def test_who_saved_nothing_can_delete_nothing(world: World) -> None:
    assert is_problem(world.call("DELETE", "/themes/own-0000"), ErrorCode.NOT_FOUND)
    assert not world.has_written_anything


def test_there_are_so_many_and_no_more_but_words_can_still_be_changed(world: World) -> None:
    for number in range(MOST_THEMES):
        assert save(world, name=f"theme {number}").status == 201

    refused = save(world, name="one more")

    assert is_problem(refused, ErrorCode.INVALID_REQUEST)
    assert [(fault["field"], fault["code"]) for fault in refused.body["errors"]] == [("name", "too_many_themes")]
    assert save(world, name="theme 3", words="other words").status == 200
    assert len(own(world)) == MOST_THEMES


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name", "words"]),
        ({"name": " ", "words": "\n"}, ["name", "words"]),
        ({"name": "x" * 61, "words": "x" * 201}, ["name", "words"]),
        ({"name": "a\u0000b", "words": "\ud800"}, None),
        ({**FOG, "owner": "ada"}, ["owner"]),
        ({"name": 7, "words": ["a"]}, ["name", "words"]),
    ],
)
def test_a_theme_with_faults_is_refused_with_all_of_them(
    world: World, body: dict[str, object], fields: list[str] | None
) -> None:
    answer = world.post(body, to="/themes")
    if fields is None:
        assert answer.status in {400, 422}
    else:
        assert is_problem(answer, ErrorCode.INVALID_REQUEST)
        assert [fault["field"] for fault in answer.body["errors"]] == fields
    assert not world.has_written_anything


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"{", ErrorCode.MALFORMED_REQUEST),
        (json.dumps({**FOG, "words": "x" * 5000}).encode(), ErrorCode.PAYLOAD_TOO_LARGE),
    ],
)
def test_what_is_no_theme_at_all_is_refused(world: World, data: bytes, code: ErrorCode) -> None:
    assert is_problem(world.post(data, to="/themes"), code)


def test_the_longest_theme_in_any_script_fits_into_the_body(world: World) -> None:
    assert save(world, name="雨" * 60, words="🌧" * 200).status == 201


def test_a_wish_names_no_theme_but_the_catalogues(world: World) -> None:
    """One's own is words that go into the prompt, so that such a film is private, and judged like any other words."""
    saved = save(world).body["id"]
    assert is_problem(world.post({"perspective": "curious-cat", "theme": saved}), ErrorCode.INVALID_REQUEST)
