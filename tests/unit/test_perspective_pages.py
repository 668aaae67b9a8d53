"""The pages about perspectives: nothing that the catalogue says is missing. That they are up to date is tested too."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from PIL import Image

from local.bundles import ROOT
from local.perspective_pages import FOLDER, FPS, FRAME_PX, MEANING, PLURALS, pages
from shared.models import models
from shared.optics import Optics
from shared.perspectives import Perspective, perspectives


def page(perspective: Perspective) -> str:
    return pages()[f"{FOLDER}/{perspective.id}.md"]


def test_every_number_of_an_eye_and_every_kind_has_its_words() -> None:
    assert set(MEANING) == set(Optics.model_fields) - {"frame_deg"}
    assert set(PLURALS) == set(get_args(Perspective.model_fields["kind"].annotation))


def test_the_frames_that_the_pages_speak_of_are_those_of_the_catalogue() -> None:
    assert max(size.width for model in models().values() for size in model.sizes) == FRAME_PX
    assert max(model.fps for model in models().values()) == FPS


@pytest.mark.parametrize("perspective", perspectives().values(), ids=lambda each: each.id)
def test_a_page_tells_every_number_with_its_source_or_that_it_is_an_estimate(perspective: Perspective) -> None:
    rows = [line for line in page(perspective).splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 1 + len(perspective.optics.figures)
    for figure, row in zip(perspective.optics.figures.values(), rows[1:], strict=True):
        assert row.endswith(f"| {figure.source or f'estimate: {figure.estimate}'} |")
        assert re.search(r"\d", row.split("|")[2])


@pytest.mark.parametrize("perspective", perspectives().values(), ids=lambda each: each.id)
def test_a_source_names_somebody_and_a_year(perspective: Perspective) -> None:
    for figure in perspective.optics.figures.values():
        assert figure.source is None or re.match(r"[A-Z][\w']+.* (19|20)\d\d, .+", figure.source), figure.source


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("busy-bee", "Ultraviolet, which its cones at 344 nm see."),
        ("heat-seeking-viper", "**false colour**"),
        ("hidden-octopus", "all is grey"),
        ("soaring-eagle", "Of 4, that at 405 nm is left out."),
        ("soaring-eagle", "holds no more than 45.7 cycles per degree"),
        ("patient-horse", "a frame shows 90° of 357°"),
        ("robot-vacuum", "A game: nothing of it was measured."),
        ("restless-fly", "holds no flicker above 12 Hz"),
    ],
)
def test_a_page_says_what_is_not_simulated(who: str, words: str) -> None:
    assert words in page(perspectives()[who])


def test_the_index_leads_to_every_page_and_no_page_is_left_of_somebody_who_is_gone() -> None:
    index = pages()[f"{FOLDER}/README.md"]

    assert [index.count(f"({each}.md)") for each in perspectives()] == [1] * len(perspectives())
    assert {f"{FOLDER}/{path.name}" for path in (ROOT / FOLDER).iterdir()} == set(pages())


def test_the_plate_has_a_place_for_everybody() -> None:
    with Image.open(ROOT / "docs/pictures/plate.jpg") as plate:
        rows = round(plate.height / (224 + 26))

    assert rows == -(-(1 + len(perspectives())) // 4), "run: make plate"
