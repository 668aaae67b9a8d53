"""The picture of the architecture: drawn from its text, which names what there is."""

from __future__ import annotations

import ast
import re
from xml.etree import ElementTree as ET

import pytest

from local.bundles import FUNCTIONS, ROOT
from local.picture import PICTURE, TEXT, hash_of
from shared.messages import TOPICS


def named() -> set[str]:
    """Every word in the picture."""
    words = {element.text for element in ET.parse(PICTURE).iter("{http://www.w3.org/2000/svg}text")}
    return {word.partition(":")[0] for word in words if word}


def entry_points(function: str) -> set[str]:
    """What functions-framework can serve of a function."""
    tree = ast.parse((ROOT / "functions" / function / "main.py").read_text("utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {each.name for each in functions if "functions_framework" in "".join(map(ast.dump, each.decorator_list))}


def test_the_picture_is_of_this_text() -> None:
    assert PICTURE.read_text("utf-8").endswith(hash_of(TEXT)), "run: make picture"


def test_it_shows_every_topic() -> None:
    assert set(TOPICS) <= named()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_it_shows_every_function_that_is_deployed(function: str) -> None:
    assert len(entry_points(function)) > 2
    assert entry_points(function) <= named()


def test_it_calls_no_topic_that_there_is_not() -> None:
    quoted = set(re.findall(r'(?m)^  "([a-z-]+)"$', TEXT.read_text("utf-8")))

    assert quoted == set(TOPICS)
