"""The picture of the architecture. Enters: docs/pictures/architecture.dot. Leaves: architecture.svg beside it.

Run as ``python -m local.picture``; graphviz draws, a Debian package. The picture carries the hash of its text, so that
a test knows whether it is of this text, without graphviz.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from local.bundles import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TEXT = ROOT / "docs" / "pictures" / "architecture.dot"
PICTURE = TEXT.with_suffix(".svg")


def hash_of(text: Path) -> str:
    """What the picture of a text says at its end."""
    return f"<!-- sha256 of the text: {hashlib.sha256(text.read_bytes()).hexdigest()} -->\n"


def draw() -> None:
    """Draw it anew."""
    if not shutil.which("dot"):
        sys.exit("Missing: dot. On Debian and Ubuntu: apt-get install graphviz")
    drawn = subprocess.run(["dot", "-Tsvg", str(TEXT)], check=True, stdout=subprocess.PIPE, text=True).stdout
    PICTURE.write_text(drawn + hash_of(TEXT), encoding="utf-8")


if __name__ == "__main__":
    draw()
