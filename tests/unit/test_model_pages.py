"""The page about models tells what their files say."""

from local.model_pages import page, section
from shared.models import models
from shared.recipes import Recipe


def test_every_model_has_its_place_on_the_page() -> None:
    text = page()
    for model in models().values():
        assert "\n".join(section(model)) in text


def test_a_lever_is_told_with_its_gain() -> None:
    recipe = {"recipe": Recipe(compile=True), "gains": {"compile": "denoise 1.2 times, 90 dB, a GPU, a date"}}
    model = models()["pocket"].model_copy(update=recipe)
    assert "- Faster by `compile`: denoise 1.2 times, 90 dB, a GPU, a date." in section(model)
