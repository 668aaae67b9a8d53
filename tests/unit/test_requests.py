"""From a wish to the render key: what is refused at the door, what is filled in, and what decides the pixels."""

import json
from typing import Any

import pytest

from shared.errors import HTTP_STATUS, ErrorCode, Fault, Rejected
from shared.models import models
from shared.perspectives import perspectives
from shared.requests import (
    MAX_BODY_BYTES,
    MAX_PROMPT_CHARS,
    MAX_SEED,
    PUBLIC,
    Offer,
    Priority,
    RenderSpec,
    Request,
    fill_in,
    parse_request,
    render_key,
    render_spec,
)
from shared.testing import AN_OFFER, a_spec
from shared.themes import themes

TWO_MODELS = Offer(served=("wan2.1-t2v-1.3b", "untrained-tiny-wan"), seed_pool=8)


def parsed(*, offer: Offer = AN_OFFER, **fields: Any) -> Request:
    return parse_request(json.dumps({"perspective": "curious-cat", **fields}), offer=offer)


def rejection(body: bytes | str, *, offer: Offer = AN_OFFER) -> Rejected:
    with pytest.raises(Rejected) as caught:
        parse_request(body, offer=offer)
    return caught.value


def faults(*, offer: Offer = AN_OFFER, **fields: Any) -> dict[str, str]:
    """The code of each faulty field."""
    rejected = rejection(json.dumps({"perspective": "curious-cat", **fields}), offer=offer)
    assert rejected.code is ErrorCode.INVALID_REQUEST
    return {fault.field: fault.code for fault in rejected.faults}


# --- the door ---


def test_a_perspective_is_enough() -> None:
    assert parsed() == Request(perspective="curious-cat")


def test_every_field_can_be_given() -> None:
    wish = {
        "perspective": "night-owl",
        "prompt": "a mouse in the snow",
        "theme": "first-snow",
        "seed": 7,
        "model": "untrained-tiny-wan",
        "size": "64x64",
        "seconds": 2,
        "priority": "bulk",
    }
    assert set(wish) == set(Request.model_fields)
    assert parse_request(json.dumps(wish), offer=AN_OFFER).model_dump(mode="json") == wish


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
    "size", ["", "832x480", "256X144", "256 x 144", "0256x144", 256, {"width": 256, "height": 144}]
)
def test_a_size_that_the_model_cannot_do_is_refused(size: object) -> None:
    assert set(faults(size=size)) == {"size"}


@pytest.mark.parametrize("seconds", [0, -1, 0.999999, 1.0000001, 1.5, 3, 1e300, "1", True])
def test_a_length_that_the_model_cannot_do_is_refused_however_close(seconds: object) -> None:
    assert set(faults(seconds=seconds)) == {"seconds"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize("field", ["seed", "seconds"])
def test_what_is_no_finite_number_is_refused(number: str, field: str) -> None:
    rejected = rejection(f'{{"perspective": "curious-cat", "{field}": {number}}}')
    assert {fault.field for fault in rejected.faults} <= {field, ""}


@pytest.mark.parametrize("model", ["wan2.1-t2v-1.3b", "sora", "", "untrained-tiny-wan "])
def test_a_model_that_is_not_served_is_refused_even_when_the_catalogue_has_it(model: str) -> None:
    assert faults(model=model) == {"model": "model_not_served"}


def test_sizes_and_lengths_are_those_of_the_chosen_model() -> None:
    assert parsed(offer=TWO_MODELS, model="untrained-tiny-wan", size="64x64", seconds=2).size == "64x64"
    assert parsed(offer=TWO_MODELS, size="832x480", seconds=5).size == "832x480"
    assert faults(offer=TWO_MODELS, size="64x64", seconds=2) == {
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


# --- the prompt ---


def test_the_longest_prompt_fits() -> None:
    assert parsed(prompt="x" * MAX_PROMPT_CHARS).prompt == "x" * MAX_PROMPT_CHARS


def test_the_longest_prompt_fits_into_a_body_even_when_every_character_is_escaped() -> None:
    body = json.dumps({"perspective": "drifting-goldfish", "prompt": "🐟" * MAX_PROMPT_CHARS, "seconds": 5})
    assert "\\ud83d" in body
    assert len(body) < MAX_BODY_BYTES


@pytest.mark.parametrize("length", [MAX_PROMPT_CHARS + 1, 10_000])
def test_a_longer_prompt_is_refused(length: int) -> None:
    assert faults(prompt="x" * length) == {"prompt": "string_too_long"}


def test_a_prompt_that_normalisation_makes_too_long_is_refused_since_its_job_could_not_be_read_again() -> None:
    three_characters_in_nfc = "\N{MUSICAL SYMBOL EIGHTH NOTE}"
    assert faults(prompt=three_characters_in_nfc * MAX_PROMPT_CHARS) == {"prompt": "string_too_long"}
    kept = parsed(prompt=three_characters_in_nfc * (MAX_PROMPT_CHARS // 3))
    assert Request.model_validate_json(kept.model_dump_json()) == kept


@pytest.mark.parametrize(
    "char", ["\x00", "\x01", "\x07", "\x08", "\x1b", "\x7f", "\x80", "\x9f"], ids=lambda char: f"U+{ord(char):04X}"
)
def test_control_characters_are_refused(char: str) -> None:
    assert faults(prompt=f"a {char}moth") == {"prompt": "control_characters"}


def test_composed_and_decomposed_letters_are_the_same_wish() -> None:
    composed, decomposed = "ein K\N{LATIN SMALL LETTER A WITH DIAERESIS}fer", "ein Ka\N{COMBINING DIAERESIS}fer"
    assert composed != decomposed
    assert parsed(prompt=composed) == parsed(prompt=decomposed)
    assert parsed(prompt=decomposed).prompt == composed


def test_letters_that_only_look_alike_stay_what_was_typed() -> None:
    assert parsed(prompt="½ ﬁsh").prompt == "½ ﬁsh"


@pytest.mark.parametrize("prompt", [" a  moth ", "a\tmoth", "a\nmoth\r\n", "a\N{NO-BREAK SPACE}moth", "a\u2028moth"])
def test_white_space_makes_no_other_wish(prompt: str) -> None:
    assert parsed(prompt=prompt).prompt == "a moth"


@pytest.mark.parametrize("prompt", [None, "", " ", "\n\t \n"])
def test_an_empty_prompt_is_none(prompt: str | None) -> None:
    assert parsed(prompt=prompt).prompt is None


@pytest.mark.parametrize(
    "prompt", ["猫が歩く", "قطة فضولية", "👩🏽‍🚀 and a 🐈‍⬛", "{scene} {0} %s ${HOME}", "</script>"]
)
def test_a_prompt_may_be_in_any_script_and_is_kept_as_it_is(prompt: str) -> None:
    wish = fill_in(parsed(prompt=prompt), job_id="any", offer=AN_OFFER)
    assert wish.prompt == prompt
    template = perspectives()["curious-cat"].prompt
    assert render_spec(wish, owner="a", offer=AN_OFFER).prompt == template.replace("{scene}", prompt)


def test_a_stored_request_stays_readable_after_its_entries_left_the_catalogue() -> None:
    stored = {"perspective": "dodo", "theme": "ice-age", "model": "old", "size": "1x1", "seconds": 99}
    assert Request.model_validate(stored).perspective == "dodo"


# --- defaults ---


def test_everything_but_prompt_and_theme_is_filled_in() -> None:
    wish = fill_in(parsed(), job_id="any-job", offer=TWO_MODELS)
    assert (wish.model, wish.size, wish.seconds) == ("wan2.1-t2v-1.3b", "832x480", 5)
    assert (wish.prompt, wish.theme, wish.priority) == (None, None, Priority.INTERACTIVE)
    assert wish.seed is not None


def test_what_was_given_is_not_overwritten() -> None:
    wish = parsed(seed=0, size="64x64", seconds=2, model="untrained-tiny-wan", priority="bulk", prompt="a moth")
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


# --- what decides the pixels ---


def test_wishes_without_words_are_public_and_the_same_for_everybody() -> None:
    assert a_spec(owner="ada").scope == PUBLIC
    assert render_key(a_spec(owner="ada")) == render_key(a_spec(owner="bob"))
    assert a_spec(owner="ada", theme="rainy-night").scope == PUBLIC


def test_a_prompt_is_its_owners_alone() -> None:
    hers, his = a_spec(owner="ada", prompt="a moth"), a_spec(owner="bob", prompt="a moth")
    assert (hers.scope, his.scope) == ("ada", "bob")
    assert render_key(hers) != render_key(his)
    assert hers.model_copy(update={"scope": "bob"}) == his


def test_typing_a_default_scene_does_not_find_out_whether_it_is_rendered() -> None:
    scene = perspectives()["curious-cat"].scenes[1]
    public, private = a_spec(), a_spec(prompt=scene)
    assert public.prompt == private.prompt
    assert render_key(public) != render_key(private)


def test_priority_decides_no_pixel() -> None:
    assert render_key(a_spec(priority="bulk")) == render_key(a_spec(priority="interactive"))


def test_a_request_with_defaults_spelled_out_is_the_same_wish() -> None:
    assert render_key(a_spec(model="untrained-tiny-wan", size="256x144", seconds=1)) == render_key(a_spec())


def test_the_seed_picks_the_scene() -> None:
    cat = perspectives()["curious-cat"]
    prompts = [a_spec(seed=seed).prompt for seed in range(2 * len(cat.scenes))]
    assert prompts == 2 * [cat.prompt.replace("{scene}", scene) for scene in cat.scenes]


def test_a_theme_adds_its_words() -> None:
    assert a_spec(theme="rainy-night").prompt == f"{a_spec().prompt}, {themes()['rainy-night'].words}"


@pytest.mark.parametrize("perspective", perspectives())
def test_every_spec_names_the_versions_that_it_was_made_from(perspective: str) -> None:
    spec = a_spec(perspective=perspective, theme="first-snow")
    model = models()["untrained-tiny-wan"]
    assert (spec.perspective_version, spec.theme_version) == (
        perspectives()[perspective].version,
        themes()["first-snow"].version,
    )
    assert (spec.model_version, spec.model_source, spec.model_revision) == (model.version, model.source, model.revision)
    assert (spec.fps, spec.steps, spec.guidance, spec.dtype) == (model.fps, model.steps, model.guidance, model.dtype)
    assert spec.negative_prompt == model.negative_prompt
    assert "{scene}" not in spec.prompt


# --- the render key ---

#: Fixed, not taken from the catalogue: an edit there must not move the golden key.
GOLDEN_SPEC = RenderSpec(
    scope="public",
    perspective="curious-cat",
    perspective_version=1,
    theme="rainy-night",
    theme_version=1,
    prompt="eine Katze, 猫",
    negative_prompt="blurred",
    seed=4294967295,
    model="wan2.1-t2v-1.3b",
    model_version=1,
    model_source="Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
    model_revision="main",
    adapters=("a", "b"),
    recipe="plain",
    dtype="bfloat16",
    frames=81,
    width=832,
    height=480,
    fps=16,
    steps=50,
    guidance=5.0,
    optics_version=0,
)
#: Another value for every field.
OTHERWISE: dict[str, object] = {
    "scope": "ada",
    "perspective": "loyal-dog",
    "perspective_version": 2,
    "theme": None,
    "theme_version": 2,
    "prompt": "eine Katze, 犬",
    "negative_prompt": "",
    "seed": 0,
    "model": "another",
    "model_version": 2,
    "model_source": "elsewhere",
    "model_revision": "v2",
    "adapters": ("b", "a"),
    "recipe": "fast",
    "dtype": "float16",
    "frames": 49,
    "width": 480,
    "height": 832,
    "fps": 24,
    "steps": 4,
    "guidance": 5.5,
    "optics_version": 1,
}


def test_the_key_of_a_spec_stays_what_it_is() -> None:
    # Every stored render lies under its key. If this fails and should, raise RENDER_KEY_SCHEMA and pin the new key.
    assert render_key(GOLDEN_SPEC) == "58b124d0fc93602a03ce49f79d553aa201df7a8f"


def test_the_other_values_name_every_field_of_the_spec() -> None:
    assert set(OTHERWISE) == set(RenderSpec.model_fields)


@pytest.mark.parametrize("field", RenderSpec.model_fields)
def test_every_field_of_the_spec_changes_the_key(field: str) -> None:
    other = RenderSpec.model_validate(GOLDEN_SPEC.model_dump() | {field: OTHERWISE[field]})
    assert render_key(other) != render_key(GOLDEN_SPEC)


def test_no_two_of_those_keys_are_equal() -> None:
    keys = {render_key(GOLDEN_SPEC.model_copy(update={field: value})) for field, value in OTHERWISE.items()}
    assert len(keys) == len(OTHERWISE)


def test_a_spec_that_was_stored_and_read_has_the_same_key() -> None:
    assert render_key(RenderSpec.model_validate_json(GOLDEN_SPEC.model_dump_json())) == render_key(GOLDEN_SPEC)
    assert render_key(RenderSpec.model_validate(GOLDEN_SPEC.model_dump(mode="json"))) == render_key(GOLDEN_SPEC)


def test_a_whole_number_for_a_fraction_is_the_same_spec() -> None:
    assert render_key(RenderSpec.model_validate(GOLDEN_SPEC.model_dump() | {"guidance": 5})) == render_key(GOLDEN_SPEC)


def test_very_many_faults_are_counted_not_all_named() -> None:
    with pytest.raises(Rejected) as caught:
        parse_request(json.dumps({f"field-{n}": n for n in range(1000)}), offer=AN_OFFER)

    assert len(caught.value.faults) == 51
    assert caught.value.faults[-1].message == "and 951 more faults"
