"""``lifeasnotme see`` before it sees: what it says to who asks wrongly, or has no torch."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from cli.main import main

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "own.png"
    path.write_bytes(b"never read")
    return path


def test_without_torch_it_says_in_one_line_what_to_do(picture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cli.see", raising=False)
    for heavy in ("av", "torch"):
        monkeypatch.setitem(sys.modules, heavy, None)

    done = CliRunner().invoke(main, ["see", "curious-cat", str(picture)])

    assert done.exit_code == 1
    assert done.output == "Error: `see` needs torch, which is not installed: run `make setup` first.\n"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("curius-cat", "did you mean curious-cat?"),
        ("cat", "did you mean curious-cat?"),
        ("Loyal-Dog", "did you mean loyal-dog?"),
        ("xyz", "there are busy-bee, "),
    ],
)
def test_a_perspective_that_there_is_not_is_told_with_those_that_are_near(picture: Path, typed: str, hint: str) -> None:
    done = CliRunner().invoke(main, ["see", typed, str(picture)])

    assert done.exit_code == 2
    assert f"Error: Invalid value for PERSPECTIVE: there is no {typed}; {hint}" in done.output


@pytest.mark.parametrize(("name", "reason"), [("", "is a directory"), ("gone.png", "does not exist")])
def test_a_file_that_is_none_is_told(tmp_path: Path, name: str, reason: str) -> None:
    done = CliRunner().invoke(main, ["see", "curious-cat", str(tmp_path / name)])

    assert done.exit_code == 2
    assert reason in done.output


def test_it_explains_itself() -> None:
    done = CliRunner().invoke(main, ["see", "--help"])

    assert done.exit_code == 0
    assert "PERSPECTIVE FILE" in done.output
    assert "Nothing leaves this machine." in " ".join(done.output.split())
