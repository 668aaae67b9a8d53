"""From a wish to a request: what is refused at the door, and what is filled in."""

import json
from typing import Any

import pytest

from shared.errors import HTTP_STATUS, ErrorCode, Fault, Rejected
from shared.models import models
from shared.perspectives import perspectives
from shared.requests import (
    MAX_SEED,
    Offer,
    Priority,
    Request,
    fill_in,
    parse_request,
    render_spec,
)
from shared.testing import AN_OFFER
from shared.themes import themes
from tests.unit.request_world import TWO_MODELS, faults, parsed, rejection

# --- the door ---


def test_a_perspective_is_enough() -> None:
    assert parsed() == Request(perspective="curious-cat")


def test_every_field_can_be_given() -> None:
    wish = {
        "perspective": "night-owl",
        "prompt": "a mouse in the snow",
        "theme": "first-snow",
        "seed": 7,
        "model": "wan2.1-t2v-1.3b",
        "size": "480x832",
        "seconds": 3,
        "priority": "bulk",
    }
    assert set(wish) == set(Request.model_fields)
    assert parse_request(json.dumps(wish), offer=TWO_MODELS).model_dump(mode="json") == wish


def test_all_faults_are_told_at_once() -> None:
    bad: dict[str, Any] = {
        "perspective": "stone",
        "prompt": 5,
        "theme": "fog",
        "seed": -1,
        "size": "1x1",
        "seconds": 9,
        "priority": "now",
        "colour": "blue",
    }
    assert faults(**bad) == {
        "perspective": "unknown_perspective",
        "prompt": "string_type",
        "theme": "unknown_theme",
        "seed": "greater_than_equal",
        "size": "unsupported_size",
        "seconds": "unsupported_seconds",
        "priority": "enum",
        "colour": "extra_forbidden",
    }


def test_a_missing_perspective_is_told_together_with_the_rest() -> None:
    rejected = rejection(b'{"seed": "one", "fps": 24}')
    assert {(fault.field, fault.code) for fault in rejected.faults} == {
        ("perspective", "missing"),
        ("seed", "int_type"),
        ("fps", "extra_forbidden"),
    }
    assert HTTP_STATUS[rejected.code][0] == 422


def test_an_unknown_entry_is_answered_with_those_there_are() -> None:
    fault = rejection(b'{"perspective": "stone"}').faults[0]
    assert fault == Fault(
        field="perspective", code="unknown_perspective", message=f"must be one of: {', '.join(perspectives())}"
    )


@pytest.mark.parametrize("perspective", ["", "Curious-Cat", " curious-cat", "../models/x", None, 1, ["curious-cat"]])
def test_nothing_but_the_exact_id_of_a_perspective_is_one(perspective: object) -> None:
    assert set(faults(perspective=perspective)) == {"perspective"}


@pytest.mark.parametrize("perspective", perspectives())
@pytest.mark.parametrize("theme", [None, *themes()])
def test_every_entry_of_the_catalogues_can_be_wished_for(perspective: str, theme: str | None) -> None:
    assert (parsed(perspective=perspective, theme=theme).perspective) == perspective


@pytest.mark.parametrize("seed", [0, 1, MAX_SEED])
def test_every_seed_of_32_bits_is_kept(seed: int) -> None:
    assert parsed(seed=seed).seed == seed


@pytest.mark.parametrize(
    ("seed", "code"),
    [
        (-1, "greater_than_equal"),
        (MAX_SEED + 1, "less_than_equal"),
        (10**200, "less_than_equal"),
        (1.0, "int_type"),
        (1.5, "int_type"),
        ("1", "int_type"),
        (True, "int_type"),
        ([1], "int_type"),
    ],
)
def test_a_seed_is_a_whole_number_of_32_bits_and_nothing_like_it(seed: object, code: str) -> None:
    assert faults(seed=seed) == {"seed": code}


@pytest.mark.parametrize(
    "size", ["", "832x480", "256X256", "256 x 256", "0256x256", 256, {"width": 256, "height": 256}]
)
def test_a_size_that_the_model_cannot_do_is_refused(size: object) -> None:
    assert set(faults(size=size)) == {"size"}


@pytest.mark.parametrize("seconds", [0, -1, 1.999999, 2.0000001, 1.5, 3, 1e300, "2", True])
def test_a_length_that_the_model_cannot_do_is_refused_however_close(seconds: object) -> None:
    assert set(faults(seconds=seconds)) == {"seconds"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["seed", "seconds"])
def test_what_is_no_finite_number_is_refused(number: str, field: str) -> None:
    rejected = rejection(f'{{"perspective": "curious-cat", "{field}": {number}}}')
    assert {fault.field for fault in rejected.faults} <= {field, ""}


@pytest.mark.parametrize("model", ["wan2.1-t2v-1.3b", "sora", "", "pocket "])
def test_a_model_that_is_not_served_is_refused_even_when_the_catalogue_has_it(model: str) -> None:
    assert faults(model=model) == {"model": "model_not_served"}


def test_sizes_and_lengths_are_those_of_the_chosen_model() -> None:
    assert parsed(offer=TWO_MODELS, model="pocket", size="256x256", seconds=2).size == "256x256"
    assert parsed(offer=TWO_MODELS, size="832x480", seconds=5).size == "832x480"
    assert faults(offer=TWO_MODELS, size="256x256", seconds=2) == {
        "size": "unsupported_size",
        "seconds": "unsupported_seconds",
    }


def test_a_size_is_not_judged_where_the_model_itself_is_at_fault() -> None:
    assert faults(model="sora", size="1x1", seconds=99) == {"model": "model_not_served"}


@pytest.mark.parametrize("model", models())
def test_every_size_and_length_of_every_model_can_be_wished_for(model: str) -> None:
    offer = Offer(served=(model,), seed_pool=1)
    for size in models()[model].sizes:
        for length in models()[model].lengths:
            wish = parsed(offer=offer, size=str(size), seconds=length.seconds)
            spec = render_spec(fill_in(wish, job_id="any", offer=offer), owner="a", offer=offer)
            assert (spec.width, spec.height, spec.frames) == (size.width, size.height, length.frames)


@pytest.mark.parametrize("model", models())
def test_what_a_model_can_not_do_is_refused_all_at_once_with_what_it_can(model: str) -> None:
    offer = Offer(served=("pocket", model), seed_pool=1)
    wish = {"perspective": "curious-cat", "model": model, "size": "1x1", "seconds": 59}
    refused = rejection(json.dumps(wish), offer=offer)
    assert HTTP_STATUS[refused.code][0] == 422
    assert {fault.field: fault.message for fault in refused.faults} == {
        "size": f"must be one of: {', '.join(str(size) for size in models()[model].sizes)}",
        "seconds": f"must be one of: {', '.join(f'{length.seconds:g}' for length in models()[model].lengths)}",
    }


@pytest.mark.parametrize("model", [each for each in models() if each != "pocket"])
def test_a_model_that_is_not_served_is_refused_with_those_that_are(model: str) -> None:
    refused = rejection(json.dumps({"perspective": "curious-cat", "model": model, "seed": -1}))
    assert {fault.field: fault.code for fault in refused.faults} == {
        "model": "model_not_served",
        "seed": "greater_than_equal",
    }
    assert "must be one of: pocket" in [fault.message for fault in refused.faults]


@pytest.mark.parametrize("name", ["fps", "steps", "owner", "scope", "Prompt", "__class__", "schema_version", ""])
def test_unknown_fields_are_refused(name: str) -> None:
    fields: dict[str, Any] = {name: 1}
    assert faults(**fields) == {name: "extra_forbidden"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"perspective=curious-cat",
        b'{"perspective": "curious-cat",}',
        b"\xff\xfe",
        b"[" * 5_000,
        '{"perspective": "curious-cat", "prompt": "\\ud800"}',
        '{"seed": ' + "9" * 5_000 + "}",
    ],
    ids=["empty", "cut off", "form", "trailing comma", "not UTF-8", "too deep", "half a character", "endless number"],
)
def test_what_is_no_json_is_malformed(body: bytes | str) -> None:
    rejected = rejection(body)
    assert rejected.code is ErrorCode.MALFORMED_REQUEST
    assert rejected.detail.startswith("The body is not JSON.")
    assert rejected.faults == ()


@pytest.mark.parametrize("body", [b"[]", b"null", b'"curious-cat"', b"1", b"true"])
def test_json_that_is_no_object_has_a_fault_as_a_whole(body: bytes) -> None:
    rejected = rejection(body)
    assert [fault.field for fault in rejected.faults] == [""]
    assert "body: " in rejected.summary


def test_a_rejection_never_repeats_what_was_typed() -> None:
    rejected = rejection(json.dumps({"perspective": "secret-1", "prompt": "secret-2" * 1000, "seed": "secret-3"}))
    assert len(rejected.faults) == 3
    assert "secret" not in rejected.summary
    assert "secret" not in str(rejected.__cause__)


# --- defaults ---


def test_everything_but_prompt_and_theme_is_filled_in() -> None:
    wish = fill_in(parsed(), job_id="any-job", offer=TWO_MODELS)
    assert (wish.model, wish.size, wish.seconds) == ("wan2.1-t2v-1.3b", "832x480", 5)
    assert (wish.prompt, wish.theme, wish.priority) == (None, None, Priority.INTERACTIVE)
    assert wish.seed is not None


def test_what_was_given_is_not_overwritten() -> None:
    given = {
        "seed": 0,
        "size": "480x832",
        "seconds": 3,
        "model": "wan2.1-t2v-1.3b",
        "priority": "bulk",
        "prompt": "a moth",
    }
    wish = parsed(offer=Offer(served=("pocket", "wan2.1-t2v-1.3b"), seed_pool=8), **given)
    assert fill_in(wish, job_id="any-job", offer=AN_OFFER) == wish


def test_filling_in_twice_is_filling_in_once() -> None:
    once = fill_in(parsed(), job_id="any-job", offer=AN_OFFER)
    assert fill_in(once, job_id="another-job", offer=AN_OFFER) == once


def test_the_seed_is_a_function_of_the_job_id() -> None:
    seeds = {job: [fill_in(parsed(), job_id=job, offer=AN_OFFER).seed for _ in range(3)] for job in map(str, range(50))}
    assert all(len(set(drawn)) == 1 for drawn in seeds.values())


def test_seeds_are_drawn_from_the_whole_pool_and_nowhere_else() -> None:
    drawn = {fill_in(parsed(), job_id=f"job-{each}", offer=AN_OFFER).seed for each in range(300)}
    assert drawn == set(range(AN_OFFER.seed_pool))


# --- the render key ---


def test_very_many_faults_are_counted_not_all_named() -> None:
    with pytest.raises(Rejected) as caught:
        parse_request(json.dumps({f"field-{n}": n for n in range(1000)}), offer=AN_OFFER)

    assert len(caught.value.faults) == 51
    assert caught.value.faults[-1].message == "and 951 more faults"
