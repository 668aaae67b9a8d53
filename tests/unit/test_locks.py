"""What is deployed is pinned by the hash of each file: a package that was swapped at an index is refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from local.bundles import ROOT
from local.locks import pins

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = (ROOT, ROOT / "gpu_job", ROOT / "functions/submit", ROOT / "functions/notify")
WISHED = [path for folder in FOLDERS for path in sorted(folder.glob("requirements*.in"))]
HASH = f"    --hash=sha256:{'a' * 64}"


@pytest.mark.parametrize("wished", WISHED, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_wished_is_pinned_with_hashes(wished: Path) -> None:
    names = re.findall(r"(?m)^([a-z][\w-]*)", wished.read_text("utf-8"))

    assert names
    assert set(names) <= set(pins(wished.with_suffix(".txt")))


def test_all_locks_agree_on_a_version() -> None:
    versions: dict[str, set[str]] = {}
    for wished in WISHED:
        for name, version in pins(wished.with_suffix(".txt")).items():
            versions.setdefault(name, set()).add(version)

    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "click==8.5.1\n",
        f"click==8.5.1 \\\n{HASH} \\\n{HASH}\nrich==15.0.0\n",
        f"click>=8 \\\n{HASH}\n",
        f"--index-url https://example.org\nclick==8.5.1 \\\n{HASH}\n",
        f"click==8.5.1 \\\n{HASH[:-1]}\n",
    ],
    ids=["nothing", "no hash", "one without", "no pin", "an index", "half a hash"],
)
def test_a_lock_with_a_hole_is_no_lock(text: str, tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(text)

    with pytest.raises(ValueError, match="not a pin with hashes"):
        pins(lock)
