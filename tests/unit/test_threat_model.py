"""The threat model names tests; each is there."""

from __future__ import annotations

import ast
import re

import pytest

from local.bundles import ROOT

PAGE = (ROOT / "docs/threat-model.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_test_that_the_threat_model_names_is_there(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))

    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert name in names or (not name and names)


def test_every_threat_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| door")]

    assert len(rows) > 10
    assert [row for row in rows if "`tests/" not in row] == []
