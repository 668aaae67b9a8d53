"""Bundles: what is deployed of each function: its folder plus ``shared/``, nothing else, in ``build/<function>/``.

Run as ``python -m local.bundles [FOLDER]``. Terraform zips these folders; the local stack and the tests run them.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Every Cloud Function there is.
FUNCTIONS = ("submit", "notify")
#: What no deployable needs.
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "testing")


def make_bundles(folder: Path = ROOT / "build") -> dict[str, Path]:
    """Make every bundle anew; the folder of each by the function's name."""
    made = {}
    for function in FUNCTIONS:
        bundle = folder / function
        if bundle.exists():
            shutil.rmtree(bundle)
        shutil.copytree(ROOT / "functions" / function, bundle, ignore=_LEFT_OUT)
        shutil.copytree(ROOT / "shared", bundle / "shared", ignore=_LEFT_OUT)
        made[function] = bundle
    return made


if __name__ == "__main__":
    for made in make_bundles(*map(Path, sys.argv[1:2])).values():
        sys.stdout.write(f"{made}\n")
