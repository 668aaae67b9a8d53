"""The prompt of a wish: how long it may be, and which prompts are the same."""

import json

import pytest

from shared.perspectives import perspectives
from shared.requests import (
    MAX_BODY_BYTES,
    MAX_PROMPT_CHARS,
    Request,
    fill_in,
    render_spec,
)
from shared.testing import AN_OFFER
from tests.unit.request_world import faults, parsed


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
